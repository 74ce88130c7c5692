// Trees with a bit of everything, made from a seed: the same seed makes the same tree, wherever it
// is.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace cowfs {

using Random = std::mt19937_64;

inline std::size_t below(Random& random, std::size_t limit) { return random() % limit; }
inline bool one_in(Random& random, std::size_t n) { return below(random, n) == 0; }

/// Fills an existing directory: files of odd sizes, sparse ones, hard links, symbolic links of all
/// kinds, FIFOs, devices, odd names and modes, extended attributes, access control lists, other
/// owners. All times are before 2002.
struct TreeKinds {
  bool devices = false;  // and other owners: for root
  bool fifos = true;
};
void make_random_tree(const std::string& directory, Random& random, TreeKinds kinds);

/// Names that the trees are made of, so that two trees meet in some.
const std::vector<std::string>& tree_names();

/// Everything about a tree that a copy may keep, a line an entry, sorted. What was touched since
/// 2002 has the time "now".
std::vector<std::string> describe_tree(const std::string& directory);

}  // namespace cowfs
