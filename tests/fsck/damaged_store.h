// A store in memory that has a bit of everything, what it must hold, and ways to damage it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "lib/storage/memory_storage.h"
#include "lib/volume/file_system.h"
#include "lib/volume/fsck.h"

namespace cowfs {

/// By volume, then by path: "f:" and the bytes of a file, "l:" and the target of a link, "d:" for a
/// directory; with its attributes.
using Contents = std::map<std::string, std::map<std::string, std::string>>;

enum class Ending { kClosed, kKilled };

struct TestStore {
  std::unique_ptr<MemoryStorage> storage;
  Contents contents;
};

/// Directories, files of all sizes, links, attributes, snapshots, forks, deletions. The same bytes
/// for the same seed; made once.
TestStore make_test_store(Ending ending, std::uint64_t seed = 1);

/// All that can be read through the store; "!" and the error for what cannot. It must open, and
/// verify() must be content.
Contents read_all(MemoryStorage& storage);

/// What differs, as "volume:path", directories on the way left out.
std::set<std::string> differences(const Contents& expected, const Contents& found);

std::unique_ptr<MemoryStorage> copy_of(MemoryStorage& storage);

/// Nodes that the newest checkpoint refers to, in ascending order.
std::vector<NodeId> nodes_in_use(MemoryStorage& storage);

/// Changes bytes in a row, none to what it was.
void damage(MemoryStorage& storage, ArrayName array, std::uint64_t offset, std::size_t count,
            std::mt19937_64& random);

/// "volume:path" of each problem, and its text, for a look at failing tests.
std::string text_of(const ProblemList& problems);

}  // namespace cowfs
