// The inside of a tree clone's step; for tree_clone*.cc alone.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/store/extent.h"
#include "lib/volume/tree_clone.h"

namespace cowfs {

// each a lock: ThreadSanitizer follows 64 of a thread at most
inline constexpr std::size_t kNamesPerStep = 56;
// a file with more is copied in steps of its own
inline constexpr std::size_t kExtentsPerFile = 128;

struct TreeClone::Frame {
  InodeNumber source{};
  InodeNumber target{};
  InodeRecord record;        // of the target; its size and links grow until it is finished
  std::uint64_t cookie = 0;  // of the last name done
  bool done = false;
};

/// All that a tree has of one inode but names and parents.
struct TreeClone::Source {
  InodeRecord record;
  // to be copied, attributes and link targets: the key after the inode, value
  std::vector<std::pair<std::string, std::string>> items;
  std::string access_list;  // the value of the attribute, to be copied or not; empty: none
  std::vector<Extent> extents;
  bool has_own_objects = false;
  bool is_large = false;  // extents are not all here

  static Result<std::optional<Source>> load(const TreeView& view, VolumeId volume,
                                            InodeNumber inode, const TreeClonePolicy& policy,
                                            Finger* finger = nullptr);
  /// Those of all these names, in the order of the names; read in the order of the inodes.
  static Result<std::vector<std::optional<Source>>> load_all(const TreeView& view, VolumeId volume,
                                                             const std::vector<NameItem>& names,
                                                             const TreeClonePolicy& policy);
};

/// Of the key of an item, after the inode.
bool is_attribute_item(std::string_view item_key);
std::string_view attribute_name(std::string_view item_key);

struct TreeClone::Large {
  InodeNumber source{};
  InodeNumber target{};
  InodeRecord record;  // as it is to be, but for size and blocks
};

/// Builds one transaction under the exclusive tree lock.
class TreeClone::Step {
 public:
  Step(TreeClone& clone, Frame& frame, UpdateView& view, Timestamp time);

  /// Adds one entry of the source directory to the copy; `source`: what the name leads to, if it is
  /// still there. False: there is no more room in this transaction.
  Result<bool> add(const NameItem& name, std::optional<Source> source);
  Result<void> commit();

 private:
  Result<void> add_name(const NameItem& name, InodeNumber target, mode_t type);
  Result<void> add_link(const NameItem& name, InodeNumber target);
  Result<void> share_extents(InodeNumber source, InodeNumber target, Source& what,
                             InodeRecord& record);
  Result<void> mark_shared(InodeNumber source, const Source& what, std::uint64_t end);

  TreeClone& clone_;
  Frame& frame_;
  UpdateView& view_;
  const Timestamp time_;
  Generation shared_at_{};
  Transaction transaction_;
  InodeRecord record_;  // of the frame's target, as this step leaves it
  std::uint64_t cookie_;
  std::vector<Frame> directories_;
  std::vector<Large> large_;
  std::map<InodeNumber, InodeNumber> links_;
  std::vector<ObjectNumber> frozen_;
  std::uint64_t inodes_ = 0;
  std::vector<InodeRecord> files_;  // regular ones that are done
};

}  // namespace cowfs
