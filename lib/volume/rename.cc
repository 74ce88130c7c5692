// rename(2) with RENAME_NOREPLACE, RENAME_EXCHANGE and RENAME_WHITEOUT.
//
// The order of the checks is that of Linux (fs/namei.c, do_renameat2 and vfs_rename), so that
// programs see the errors they know.
#include <sys/stat.h>

#include <optional>
#include <utility>

#include "lib/volume/directory_walk.h"
#include "lib/volume/new_inode.h"
#include "lib/volume/volume_change.h"

namespace cowfs {
namespace {

/// A name as rename sees it: where, and what is there.
struct Place {
  InodeNumber directory{};
  std::string_view name;
  std::optional<NameItem> item;
};

class Renaming {
 public:
  Renaming(Volume& volume, const RequestContext& context, Place from, Place to, RenameMode mode,
           Whiteout whiteout)
      : volume_(volume),
        context_(context),
        change_(volume, context),
        from_(std::move(from)),
        to_(std::move(to)),
        mode_(mode),
        whiteout_(whiteout) {}

  Result<void> run() {
    COWFS_TRY(change_.check_writable());
    COWFS_TRY(find_both());
    COWFS_TRY(check_no_circle());
    if (to_.item && to_.item->child == from_.item->child)
      return {};  // POSIX: two names of one inode
    if (mode_ == RenameMode::kExchange) COWFS_TRY(exchange());
    else COWFS_TRY(move());
    return change_.commit();
  }

 private:
  Result<void> find_both() {
    COWFS_TRY(change_.directory(from_.directory));
    COWFS_TRY(change_.directory(to_.directory));
    COWFS_ASSIGN(from_.item, change_.find_existing(from_.directory, from_.name));
    COWFS_ASSIGN(NameSlot slot, change_.find(to_.directory, to_.name));
    to_.item = std::move(slot.item);
    if (mode_ == RenameMode::kNoReplace && to_.item) return fail(ErrorCode::kExists);
    if (mode_ == RenameMode::kExchange && !to_.item) return fail(ErrorCode::kNotFound);
    return {};
  }

  /// A directory cannot go below itself, nor take the place of one that it lies in.
  Result<void> check_no_circle() {
    if (from_.directory == to_.directory) return {};
    if (S_ISDIR(from_.item->type)) {
      COWFS_ASSIGN(const bool below, lies_in(from_.item->child, to_.directory));
      if (below) return fail(ErrorCode::kInvalidArgument);
    }
    if (to_.item && S_ISDIR(to_.item->type)) {
      COWFS_ASSIGN(const bool below, lies_in(to_.item->child, from_.directory));
      if (below) {
        return fail(mode_ == RenameMode::kExchange ? ErrorCode::kInvalidArgument
                                                   : ErrorCode::kNotEmpty);
      }
    }
    return {};
  }

  Result<bool> lies_in(InodeNumber ancestor, InodeNumber directory) {
    if (ancestor == directory) return true;
    COWFS_ASSIGN(const auto branch,
                 branch_below(change_.view(), volume_.id(), ancestor, directory));
    return branch.has_value();
  }

  Result<void> move() {
    if (to_.item) COWFS_TRY(check_replaceable());
    COWFS_TRY(change_.remove_entry(from_.directory, *from_.item));
    if (to_.item) COWFS_TRY(change_.remove_entry(to_.directory, *to_.item));
    COWFS_TRY(put(to_, *from_.item));
    if (to_.item) COWFS_TRY(change_.drop_link(to_.item->child));
    return whiteout_ == Whiteout::kLeave ? leave_whiteout() : Result<void>{};
  }

  Result<void> leave_whiteout() {
    COWFS_ASSIGN(const AddedInode left,
                 add_new_inode(change_, volume_, context_, from_.directory, {.mode = S_IFCHR}));
    return change_.add_entry(from_.directory, {from_.item->cookie, left.number, left.record.type(),
                                               std::string(from_.name)});
  }

  Result<void> check_replaceable() {
    const bool directory = S_ISDIR(from_.item->type);
    if (directory && !S_ISDIR(to_.item->type)) return fail(ErrorCode::kNotDirectory);
    if (!directory && S_ISDIR(to_.item->type)) return fail(ErrorCode::kIsDirectory);
    if (!directory) return {};
    return check_empty(change_.view(), volume_.id(), to_.item->child);
  }

  Result<void> exchange() {
    COWFS_TRY(change_.remove_entry(from_.directory, *from_.item));
    COWFS_TRY(change_.remove_entry(to_.directory, *to_.item));
    COWFS_TRY(put(to_, *from_.item));
    return put(from_, *to_.item);
  }

  /// Gives an inode a name at a place, in the slot of what was there or a free one.
  Result<void> put(const Place& place, const NameItem& moved) {
    NameItem item{0, moved.child, moved.type, std::string(place.name)};
    if (place.item) {
      item.cookie = place.item->cookie;
    } else {
      COWFS_ASSIGN(item.cookie, change_.find_free(place.directory, place.name));
    }
    COWFS_TRY(change_.add_entry(place.directory, item));
    COWFS_ASSIGN(InodeRecord * record, change_.inode(moved.child));
    record->change_time = change_.time();
    return {};
  }

  Volume& volume_;
  const RequestContext& context_;
  VolumeChange change_;
  Place from_;
  Place to_;
  const RenameMode mode_;
  const Whiteout whiteout_;
};

Result<void> check_renamed(std::string_view name) {
  COWFS_TRY(check_name(name));
  if (name == "." || name == "..") return fail(ErrorCode::kBusy);
  return {};
}

}  // namespace

Result<void> Volume::rename(const RequestContext& context, InodeNumber from_directory,
                            std::string_view from_name, InodeNumber to_directory,
                            std::string_view to_name, RenameMode mode, Whiteout whiteout) {
  COWFS_TRY(check_renamed(from_name));
  COWFS_TRY(check_renamed(to_name));
  return Renaming(*this, context, {from_directory, from_name, {}}, {to_directory, to_name, {}},
                  mode, whiteout)
      .run();
}

}  // namespace cowfs
