// Looks at all trees of one checkpoint and counts anew what they refer to, going on after every
// damage.
//
// Each node is read once, however many volumes share it.
#pragma once

#include <functional>
#include <vector>

#include "lib/storage/storage.h"
#include "lib/store/store_truth.h"

namespace cowfs {

class StoreSurvey {
 public:
  /// `space` is asked for every node. kIo and the like only where the host's files cannot be
  /// listed.
  static Result<StoreSurvey> make(NodeSpace& space, Storage& storage, const Superblock& superblock);
  StoreSurvey(StoreSurvey&&) = default;
  StoreSurvey& operator=(StoreSurvey&&) = default;

  const StoreFacts& facts() const { return *facts_; }
  const NodeWalk& store_nodes() const { return *store_walk_; }
  const NodeWalk& volume_nodes() const { return *volume_walk_; }

  struct Lost {
    LostNode node;
    VolumeId volume{};      // the first that has it
    bool of_store = false;  // of the store's own tree
    bool dropped = false;   // of a tree that is being given back: nobody misses it
  };
  const std::vector<Lost>& lost() const { return lost_; }
  std::uint64_t inodes() const { return inodes_; }
  std::uint64_t nodes() const { return store_walk_->nodes() + volume_walk_->nodes(); }

 private:
  StoreSurvey(NodeSpace& space, const Superblock& superblock);
  void walk_store();
  void walk_volumes();
  void add_leaf(const Node& leaf);

  std::unique_ptr<StoreFacts> facts_;
  std::unique_ptr<NodeWalk> store_walk_;
  std::unique_ptr<NodeWalk> volume_walk_;
  std::vector<Lost> lost_;
  BlockTally blocks_;
  std::uint64_t inodes_ = 0;
};

}  // namespace cowfs
