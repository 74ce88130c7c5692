// What a checkpoint's own tree says, item by item, decoded and held against nothing yet.
//
// Items that make no sense are set apart, with the rest of their neighbours unharmed. Checksums of
// data are not kept, they are many; their keys are checked as they come.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lib/store/node_walk.h"
#include "lib/store/records.h"

namespace cowfs {

struct StoreItems {
  std::map<VolumeId, VolumeRecord> volumes;
  std::map<ObjectNumber, ObjectRecord> objects;
  std::vector<BlockCountRun> block_counts;                    // as they are stored
  std::vector<std::pair<NodeId, std::uint64_t>> node_counts;  // ascending
  std::map<std::uint64_t, std::string> bitmaps;               // by segment
  std::vector<PendingFree> pending;
  std::vector<DroppedNode> dropped;
  std::vector<std::string> senseless;        // keys of items that do not decode
  std::vector<std::string> stray_checksums;  // keys of those that belong to no object
  std::vector<std::string> unknown;          // keys of kinds that this program does not know
  std::uint64_t checksums = 0;               // items

  void add_leaf(const Node& leaf);

 private:
  bool add(std::string_view key, std::string_view value);
};

}  // namespace cowfs
