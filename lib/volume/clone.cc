// Volume::clone_range: whole blocks are shared, edges that do not fit are copied.
//
//     source   |..aaaa|bbbbbb|cccccc|dd....|      a: copied (the part of a block)
//     target   |..aaaa|bbbbbb|cccccc|dd....|      b, c: shared; d: shared where both files end in
//     it, else copied
//
// Sharing adds a reference to each block for the target's new extents and makes the births of both
// sides kBirthShared, so that neither writes in place any more. A call does at most one transaction
// of sharing; who wants more calls again.

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "lib/base/check.h"
#include "lib/volume/extent_data.h"
#include "lib/volume/file_write.h"
#include "lib/volume/own_object.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kCloneLimit = std::uint64_t{1} << 30;  // bytes a call
constexpr std::uint64_t kCopyLimit = std::uint64_t{16} << 20;  // bytes really copied a call
constexpr std::uint64_t kCopyStep = std::uint64_t{1} << 20;

/// Locks one inode, exclusively or shared.
class InodeLock {
 public:
  InodeLock(Volume& volume, InodeNumber inode, bool exclusive) COWFS_NO_THREAD_SAFETY_ANALYSIS
      : handle_(volume.inodes().lock_handle(inode)),
        exclusive_(exclusive) {
    exclusive_ ? handle_->mutex.lock() : handle_->mutex.lock_shared();
  }
  ~InodeLock() COWFS_NO_THREAD_SAFETY_ANALYSIS {
    exclusive_ ? handle_->mutex.unlock() : handle_->mutex.unlock_shared();
  }
  InodeLock(const InodeLock&) = delete;
  InodeLock& operator=(const InodeLock&) = delete;

  OpenState& state() const { return *handle_; }

 private:
  InodeHandle handle_;
  bool exclusive_;
};

/// Keeps the source's tree, and with it the references that its extents have, although somebody
/// deletes its volume.
class VolumePin {
 public:
  static Result<VolumePin> make(Volume& volume) {
    COWFS_TRY(volume.inodes().pin());
    return VolumePin(volume);
  }
  VolumePin(VolumePin&& other) noexcept : volume_(std::exchange(other.volume_, nullptr)) {}
  VolumePin& operator=(VolumePin&&) = delete;
  ~VolumePin() {
    if (volume_ != nullptr) volume_->inodes().unpin();
  }

 private:
  explicit VolumePin(Volume& volume) : volume_(&volume) {}

  Volume* volume_;
};

/// Two ends of a clone, locked.
class Clone {
 public:
  Clone(Volume& from, InodeNumber from_inode, FileChange& to)
      : from_(from), from_inode_(from_inode), to_(to) {}

  /// Clones [from_offset, +length) to to_offset. Returns how many bytes are done.
  Result<std::uint64_t> run(std::uint64_t from_offset, std::uint64_t to_offset,
                            std::uint64_t length);
  /// Looks at the source. `read_only`: nothing of it is ever written, so its extents need no mark.
  Result<void> begin(bool read_only);
  std::uint64_t source_size() const { return source_size_; }

 private:
  Result<std::uint64_t> copy(std::uint64_t from_offset, std::uint64_t to_offset,
                             std::uint64_t length);
  Result<std::uint64_t> share(FileBlocks from, std::uint64_t to_first, std::uint64_t end);
  Result<FileBlocks> shared_step(const TreeView& view, FileBlocks from,
                                 std::uint64_t to_first) const;
  Result<void> mark_source(FileBlocks range, Transaction& transaction);
  bool same_file() const { return &from_ == &to_.volume && from_inode_ == to_.inode; }

  Volume& from_;
  const InodeNumber from_inode_;
  FileChange& to_;
  bool mark_ = false;  // the source's births change
  std::uint64_t source_size_ = 0;
  Generation source_shared_at_{};
  std::vector<Extent> source_;        // of the step
  std::vector<ObjectNumber> frozen_;  // own objects of the source that became shared
};

Result<void> Clone::begin(bool read_only) {
  const ReadView view(from_.store());
  COWFS_ASSIGN(const InodeRecord record, load_regular_file(view, from_.id(), from_inode_));
  COWFS_ASSIGN(source_shared_at_, view.shared_at(from_.id()));
  source_size_ = record.size;
  mark_ = !read_only;
  return {};
}

Result<std::uint64_t> Clone::copy(std::uint64_t from_offset, std::uint64_t to_offset,
                                  std::uint64_t length) {
  std::vector<std::byte> buffer;
  std::uint64_t done = 0;
  while (done < length) {
    const std::uint64_t at = from_offset + done;
    buffer.resize(std::min(length - done, kCopyStep));
    COWFS_ASSIGN(const auto extents, [&] {
      return find_extents(ReadView(from_.store()), from_.id(), from_inode_,
                          {block_of(at), blocks_for(at + buffer.size())});
    }());
    COWFS_TRY(read_extents(from_.store(), extents, at, buffer));
    const auto written = write_locked(to_, to_offset + done, buffer);
    if (!written && done == 0) return fail(written.error());
    if (!written) break;
    done += *written;
    if (*written < buffer.size()) break;
  }
  return done;
}

/// The beginning of `from` that one transaction can share: bounded by the extents of both sides.
Result<FileBlocks> Clone::shared_step(const TreeView& view, FileBlocks from,
                                      std::uint64_t to_first) const {
  COWFS_ASSIGN(FileBlocks step, one_step_of(view, from_.id(), from_inode_, from));
  COWFS_ASSIGN(const FileBlocks over,
               one_step_of(view, to_.volume.id(), to_.inode, {to_first, to_first + step.count()}));
  step.end = step.first + over.count();
  return step;
}

/// Marks the source's extents as maybe shared; its own objects among them take no more blocks.
Result<void> Clone::mark_source(FileBlocks range, Transaction& transaction) {
  if (!mark_) return {};
  const ReadView view(from_.store());
  COWFS_ASSIGN(ExtentEdit edit, ExtentEdit::load(view, from_.id(), from_inode_, range));
  std::vector<FileBlocks> alone;
  for (const Extent& extent : source_) {
    if (extent.birth > source_shared_at_) alone.push_back({extent.file_block, extent.end()});
  }
  edit.mark_shared(alone);
  const std::uint64_t change = edit.finish(source_shared_at_, transaction);
  if (change != 0) return fail(ErrorCode::kCorrupted, "extents of a copied file are damaged");
  COWFS_ASSIGN(frozen_,
               forget_shared_own_objects(view, from_.id(), from_inode_, source_, transaction));
  return {};
}

/// Shares whole blocks, as many as one transaction takes; the target ends at `end` bytes at least,
/// if all are done. Returns the number of blocks done.
Result<std::uint64_t> Clone::share(FileBlocks from, std::uint64_t to_first, std::uint64_t end) {
  Store& store = from_.store();
  {
    const ReadView view(store);
    COWFS_ASSIGN(const FileBlocks step, shared_step(view, from, to_first));
    if (step.end < from.end) end = (to_first + step.count()) << kBlockShift;
    from = step;
    COWFS_ASSIGN(const auto extents,
                 find_extents(view, from_.id(), from_inode_, from, kExtentsPerStep + 1));
    source_ = clip_extents(extents, from);
  }
  Transaction transaction(to_.context);
  COWFS_TRY(mark_source(from, transaction));
  if (same_file() && !transaction.empty()) {
    // A transaction of its own: the target's edit begins with what it leaves. Alone it is true too.
    COWFS_TRY(UpdateView(store, to_.operation).commit(transaction));
    transaction = Transaction(to_.context);
  }
  const FileBlocks range{to_first, to_first + from.count()};
  COWFS_ASSIGN(ExtentEdit edit, [&] {
    return ExtentEdit::load(ReadView(store), to_.volume.id(), to_.inode, range);
  }());
  edit.clear(range);
  std::vector<Extent> shared;
  for (const Extent& extent : source_) {
    shared.push_back({to_first + (extent.file_block - from.first), extent.blocks, kBirthShared});
    transaction.retain(extent.blocks);
  }
  edit.replace(shared);
  COWFS_TRY(commit_written(to_, edit, std::move(transaction), end));
  for (const ObjectNumber object : frozen_) store.freeze_own_object(object);
  return from.count();
}

Result<std::uint64_t> Clone::run(std::uint64_t from_offset, std::uint64_t to_offset,
                                 std::uint64_t length) {
  if (from_offset % kBlockSize != to_offset % kBlockSize) {
    return copy(from_offset, to_offset, std::min(length, kCopyLimit));
  }
  std::uint64_t done = 0;
  if (from_offset % kBlockSize != 0) {
    COWFS_ASSIGN(done, copy(from_offset, to_offset,
                            std::min(length, kBlockSize - from_offset % kBlockSize)));
  } else if (to_offset > to_.record.size) {
    COWFS_TRY(clear_past_end(to_));
  }
  const std::uint64_t to_end = to_offset + length;
  const std::uint64_t rest = (length - done) % kBlockSize;
  // The last block of both files is zero past their ends, or will be before anybody sees it.
  const bool shares_rest = rest != 0 && done < length && from_offset + length == source_size_ &&
                           to_end >= to_.record.size;
  const std::uint64_t blocks = (length - done) / kBlockSize + (shares_rest ? 1 : 0);
  if (blocks > 0) {
    const std::uint64_t first = block_of(from_offset + done);
    const auto shared = share({first, first + blocks}, block_of(to_offset + done),
                              to_end - (shares_rest ? 0 : rest));
    if (!shared && done == 0) return fail(shared.error());
    if (!shared) return done;
    if (*shared < blocks) return done + *shared * kBlockSize;
    done = shares_rest ? length : length - rest;
  }
  if (done == length) return done;
  const auto copied = copy(from_offset + done, to_offset + done, length - done);
  if (!copied && done == 0) return fail(copied.error());
  return done + copied.value_or(0);
}

/// As in the kernel's generic_copy_file_checks(): after the length was clipped to the source.
bool overlap(std::uint64_t from_offset, std::uint64_t to_offset, std::uint64_t length) {
  return from_offset < to_offset + length && to_offset < from_offset + length;
}

}  // namespace

Result<std::uint64_t> Volume::clone_range(const RequestContext& context, Volume& from,
                                          InodeNumber from_inode, std::uint64_t from_offset,
                                          Volume& to, InodeNumber to_inode, std::uint64_t to_offset,
                                          std::uint64_t length, bool drop_privileges) {
  COWFS_CHECK(&from.store() == &to.store());
  if (to_offset >= kFileSizeLimit) return fail(ErrorCode::kFileTooLarge);
  COWFS_ASSIGN(const VolumePin pin, VolumePin::make(from));
  COWFS_ASSIGN(const VolumeInfo source, from.store().volume(from.id()));
  const bool same_file = from.id() == to.id() && from_inode == to_inode;
  const bool source_first = std::pair(from.id(), from_inode) < std::pair(to.id(), to_inode);

  const Operation operation(to.store());
  std::optional<InodeLock> source_lock;
  if (!same_file && source_first) source_lock.emplace(from, from_inode, !source.read_only);
  const InodeLock target_lock(to, to_inode, true);
  if (!same_file && !source_first) source_lock.emplace(from, from_inode, !source.read_only);

  FileChange change{.context = context,
                    .volume = to,
                    .inode = to_inode,
                    .operation = operation,
                    .open = target_lock.state(),
                    .drop_privileges = drop_privileges,
                    .record = {},
                    .shared_at = {}};
  COWFS_TRY(begin_change(change));
  Clone clone(from, from_inode, change);
  COWFS_TRY(clone.begin(source.read_only));
  if (from_offset >= clone.source_size()) return 0;
  length = std::min({length, clone.source_size() - from_offset, kFileSizeLimit - to_offset});
  if (length == 0) return 0;
  if (same_file && overlap(from_offset, to_offset, length))
    return fail(ErrorCode::kInvalidArgument);
  return clone.run(from_offset, to_offset, std::min(length, kCloneLimit));
}

}  // namespace cowfs
