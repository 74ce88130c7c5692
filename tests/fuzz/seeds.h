// What fuzzing begins with: real items, nodes, records and requests, and each kind of damage once.
#pragma once

#include <string>
#include <vector>

namespace cowfs::fuzz {

struct Seed {
  std::string target;
  std::string input;
};

std::vector<Seed> make_seeds();

}  // namespace cowfs::fuzz
