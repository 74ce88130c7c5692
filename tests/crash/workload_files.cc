// Operations on file data: write, append, truncate, punch, clone, and syncs.
#include <algorithm>
#include <span>
#include <utility>

#include "tests/crash/workload.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kLarge = 1'300'000;  // above what makes an own object

Bytes as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

Result<void> Workload::write_at(const Target& target, std::uint64_t offset, std::uint64_t length) {
  const std::string bytes = bytes_of(length);
  begin("write " + std::to_string(raw(target.file)) + " offset " + std::to_string(offset) +
        " length " + std::to_string(length));
  COWFS_ASSIGN(const std::size_t done,
               target.volume->write(crash_user(), target.file, offset, as_bytes(bytes), false));
  if (done != length) return fail(ErrorCode::kIo, "a short write");
  model_.write(*target.live, target.file, offset, bytes);
  return end();
}

Result<void> Workload::write() {
  COWFS_ASSIGN(const auto target, some_file(true));
  if (!target) return {};
  const std::uint64_t size = target->live->files.at(target->file).bytes->size();
  // Mostly over what is there, and often on the boundaries of blocks.
  std::uint64_t offset = below(one_in(4) ? size + 8192 : std::max<std::uint64_t>(size, 1));
  std::uint64_t length = 1 + below(one_in(3) ? 12000 : 4096);
  if (one_in(2)) offset -= offset % kBlockSize;
  if (one_in(2)) length = (length + kBlockSize - 1) / kBlockSize * kBlockSize;
  if (large_files_ && one_in(6)) length = kLarge;
  return write_at(*target, offset, length);
}

Result<void> Workload::append() {
  COWFS_ASSIGN(const auto target, some_file(true));
  if (!target) return {};
  const std::uint64_t size = target->live->files.at(target->file).bytes->size();
  if (size > 40000 && !large_files_) return {};
  return write_at(*target, size, 1 + below(one_in(2) ? 300 : 9000));
}

Result<void> Workload::truncate() {
  COWFS_ASSIGN(const auto target, some_file(true));
  if (!target) return {};
  const std::uint64_t before = target->live->files.at(target->file).bytes->size();
  const std::uint64_t size = one_in(5) ? 0 : below(before + 6000);
  begin("truncate " + std::to_string(raw(target->file)) + " to " + std::to_string(size));
  AttributeChange change;
  change.size = size;
  COWFS_TRY(target->volume->set_attributes(crash_user(), target->file, change));
  model_.resize(*target->live, target->file, size);
  return end();
}

Result<void> Workload::punch() {
  COWFS_ASSIGN(const auto target, some_file(true));
  if (!target) return {};
  static constexpr std::array<AllocateMode, 4> kModes = {
      AllocateMode::kPunchHole, AllocateMode::kPunchHole, AllocateMode::kZeroRange,
      AllocateMode::kAllocate};
  const AllocateMode mode = kModes[below(kModes.size())];
  const std::uint64_t size = target->live->files.at(target->file).bytes->size();
  std::uint64_t offset = below(size + 3000);
  std::uint64_t length = 1 + below(10000);
  if (one_in(2)) offset -= offset % kBlockSize;
  if (one_in(2)) length = (length + kBlockSize - 1) / kBlockSize * kBlockSize;
  begin("allocate mode " + std::to_string(static_cast<int>(mode)) + " of " +
        std::to_string(raw(target->file)) + " offset " + std::to_string(offset) + " length " +
        std::to_string(length));
  COWFS_TRY(target->volume->allocate(crash_user(), target->file, mode, offset, length, false));
  const bool grows = mode != AllocateMode::kPunchHole;
  if (mode == AllocateMode::kAllocate) {
    const std::uint64_t end_of_range = offset + length;
    if (end_of_range > size) model_.resize(*target->live, target->file, end_of_range);
    model_.touch(*target->live, target->file);
  } else {
    model_.zero(*target->live, target->file, offset, length, grows);
  }
  return end();
}

Result<void> Workload::clone() {
  COWFS_ASSIGN(const auto from, some_file(false));
  COWFS_ASSIGN(const auto to, some_file(true));
  if (!from || !to) return {};
  const bool same = from->live == to->live && from->file == to->file;
  const std::string source = *from->live->files.at(from->file).bytes;
  if (source.empty() || same) return {};
  // Whole blocks up to the end of the source, at most over the end of the target: one transaction.
  const std::uint64_t target_size = to->live->files.at(to->file).bytes->size();
  const std::uint64_t from_offset = below(source.size()) / kBlockSize * kBlockSize;
  std::uint64_t length = source.size() - from_offset;
  const std::uint64_t to_offset = below(target_size + kBlockSize) / kBlockSize * kBlockSize;
  if (to_offset + length < target_size || one_in(3)) length -= length % kBlockSize;
  if (length == 0) return {};
  begin("clone " + std::to_string(raw(from->file)) + " offset " + std::to_string(from_offset) +
        " to " + std::to_string(raw(to->file)) + " offset " + std::to_string(to_offset) +
        " length " + std::to_string(length));
  COWFS_ASSIGN(const std::uint64_t done,
               Volume::clone_range(crash_user(), *from->volume, from->file, from_offset,
                                   *to->volume, to->file, to_offset, length, false));
  if (done != length) return fail(ErrorCode::kIo, "a short clone");
  model_.write(*to->live, to->file, to_offset, source.substr(from_offset, length));
  return end();
}

Result<void> Workload::sync_file(const Target& target, bool data_only) {
  begin((data_only ? "fdatasync " : "fsync ") + std::to_string(raw(target.file)));
  COWFS_TRY(target.volume->sync(target.file, data_only));
  const FileId file{target.live->id, target.file};
  const std::size_t before = reference_.size() - 1;
  // A sync of data alone promises the file's bytes and what it takes to find them.
  current_.durable_to =
      data_only ? reference_.last_change_of_shape(file, before) : reference_.size();
  current_.file_durable = file;
  return end();
}

Result<void> Workload::sync_some_file() {
  COWFS_ASSIGN(const auto target, some_file(true));
  if (!target) return {};
  return sync_file(*target, one_in(3));
}

Result<void> Workload::sync_all() {
  begin("sync");
  COWFS_TRY(file_system_->store().sync());
  current_.durable_to = reference_.size();
  current_.all_data_durable = true;
  return end();
}

Result<void> Workload::checkpoint() {
  begin("checkpoint");
  COWFS_TRY(file_system_->store().checkpoint());
  return end();
}

// The host has all that was written; what programs had open is closed.
Result<void> Workload::kill() {
  begin("kill");
  COWFS_ASSIGN(file_system_, reopen_());
  for (const Opened& opened : std::exchange(opened_, {})) {
    LiveVolume& live = model_.volume(opened.volume);
    const auto file = live.files.find(opened.file);
    if (file != live.files.end() && file->second.links == 0) model_.forget(live, opened.file);
  }
  return end();
}

Result<void> Workload::reclaim() {
  begin("reclaim");
  COWFS_TRY(file_system_->store().reclaim_now());
  return end();
}

}  // namespace cowfs
