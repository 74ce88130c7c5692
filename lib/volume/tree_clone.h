// Copies a whole directory inside one store: inodes, names and attributes anew, data shared.
//
// How it works. The copy is built as a staged tree: a new directory inode without a name, marked by
// an orphan item in state kStaged (orphans.h), with everything below it. Nobody can reach it. Steps
// of bounded size, each one transaction, fill it; publish() gives it its name in one more. A crash,
// or abandon(), leaves a staged tree that is erased like an orphan. A fork made meanwhile erases it
// from itself.
//
//     begin()  step() step() ... step()  publish()          or, at any time: abandon()
//
// Each file is copied as it is at one instant, the whole tree as a walk finds it: what changes
// meanwhile may or may not be in the copy, as with cp. The caller has had dirty pages of mappings
// written.
//
// Invariants
//  1. Whoever asks gets what reading file by file would give: directories need read and search permission, files
//     read permission, as mode, owner, groups and access control lists say. What an ordinary user cannot make, or
//     would get otherwise than by cp, is refused (kNotSupported): device nodes, foreign owners to be preserved,
//     extended attributes outside of "user."; and for everybody a copy into a directory that hands down a list.
//     Lists are copied with the mode, as cp does it.
//  2. Extents of a source that may be written are marked as shared in the transaction that shares them, under
//     the file's own lock.
//
// Locks: an Operation, then the locks of a step's source files in the order of their numbers, then
// the tree lock; all given back between steps. Calls come from one thread.
//
// Not here: who may call (fs/), symbolic links that are to be followed (nobody asks for that here).
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/volume/acl.h"
#include "lib/volume/inode_record.h"
#include "lib/volume/name_item.h"
#include "lib/volume/volume.h"

namespace cowfs {

/// What of cp's --preserve is kept; without it, an inode is as if the caller had made it.
struct TreeClonePolicy {
  bool mode = false;  // and access control lists
  bool ownership = false;
  bool timestamps = false;
  bool links = false;       // hard links inside of the tree
  bool attributes = false;  // extended ones, lists aside
  mode_t umask = 0;
};

struct TreeCloneEnds {
  std::shared_ptr<Volume> from;
  InodeNumber source{};  // a directory
  std::shared_ptr<Volume> to;
  InodeNumber directory{};  // that gets the copy
  std::string name;
};

/// What has been copied so far; any thread may look.
struct TreeCloneCounts {
  std::atomic<std::uint64_t> inodes = 0;  // of all kinds
  std::atomic<std::uint64_t> files = 0;   // regular ones
  std::atomic<std::uint64_t> directories = 0;
  std::atomic<std::uint64_t> shared_bytes = 0;  // of files: what lies in shared blocks
  std::atomic<std::uint64_t> hole_bytes = 0;    // and what does not
};

class TreeClone {
 public:
  /// `privileged`: the caller passes all permission checks. The context has the caller's groups.
  TreeClone(const RequestContext& context, bool privileged, TreeCloneEnds ends,
            TreeClonePolicy policy);
  /// Leaves a staged tree where neither publish() nor abandon() was called: for a later mount to
  /// erase.
  ~TreeClone();
  TreeClone(const TreeClone&) = delete;
  TreeClone& operator=(const TreeClone&) = delete;

  /// kExists: the name is taken; kAccessDenied: the directory is not the caller's to write, or the
  /// source not theirs to read; kInvalidArgument: the copy would lie in its own source.
  Result<void> begin();
  /// One step; false when nothing is left.
  Result<bool> step();
  /// The copy is there, whole.
  Result<Attributes> publish();
  /// Erases what was staged.
  Result<void> abandon();

  const TreeCloneCounts& counts() const { return counts_; }

 private:
  struct Frame;   // a directory under way
  struct Source;  // an inode, read
  struct Large;   // a file with more extents than one step takes
  class Step;     // one transaction

  bool may(const InodeRecord& record, const std::optional<Acl>& list, mode_t wanted) const;
  Result<void> check_source(const Source& source) const;
  Result<void> check_target(const TreeView& view, const InodeRecord& directory) const;
  Result<void> check_item(std::string_view item_key) const;
  InodeRecord new_record(const InodeRecord& source, Timestamp time) const;
  Result<void> push_directory(InodeNumber source, InodeNumber target, const InodeRecord& record);
  Result<void> run_step(Frame& frame, const std::vector<NameItem>& names);
  Result<void> finish_directory(const Frame& frame);
  Result<void> copy_large();
  Result<bool> lies_in_source() const;
  void count_file(const InodeRecord& record);

  const RequestContext context_;
  const bool privileged_;
  const TreeCloneEnds ends_;
  const TreeClonePolicy policy_;
  bool source_read_only_ = false;
  bool source_pinned_ = false;
  bool staged_ = false;
  InodeNumber root_{};
  InodeRecord root_record_;
  InodeRecord directory_record_;  // of the directory that gets the copy, as it was at first
  std::vector<Frame> frames_;
  std::vector<Large> large_;
  std::map<InodeNumber, InodeNumber> links_;  // copies of inodes that have several names
  TreeCloneCounts counts_;
};

/// Erases a part of a staged tree, leaves first: adds to the transaction until it is nearly full.
/// True when its root and orphan item are among it. (staged_tree.cc)
Result<bool> erase_some_staged(UpdateView& view, VolumeId volume, InodeNumber root,
                               Transaction& transaction);

}  // namespace cowfs
