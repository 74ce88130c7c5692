#include "lib/storage/memory_storage.h"

#include <fmt/format.h>

#include "lib/base/check.h"

namespace cowfs {

namespace {

constexpr std::uint64_t kMaxArrayBytes = std::uint64_t{1} << 40;
constexpr std::uint64_t kUnlimitedBytes = std::uint64_t{1} << 50;

Error error_of(ErrorCode code, ArrayName name, const char* call, const char* why) {
  return Error{code, fmt::format("{}: {}: {}", to_string(name), call, why)};
}

Result<void> check_range(ArrayName name, const char* call, std::uint64_t offset,
                         std::uint64_t length) {
  if (offset <= kMaxArrayBytes && length <= kMaxArrayBytes - offset) return {};
  return fail(error_of(ErrorCode::kFileTooLarge, name, call, "past the largest size of an array"));
}

std::vector<std::byte> join(const std::vector<Bytes>& parts) {
  std::vector<std::byte> all;
  for (Bytes part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace

MemoryStorage::MemoryStorage(Options options, const ArraySet& content) : options_(options) {
  for (const auto& [name, array] : content) {
    arrays_.emplace(name, SharableArray(array));
    used_pages_ += array->page_count();
  }
}

StorageLimits MemoryStorage::limits() const {
  return StorageLimits{.max_array_bytes = kMaxArrayBytes, .can_punch = options_.can_punch};
}

SharableArray* MemoryStorage::find(ArrayName name) {
  const auto found = arrays_.find(name);
  return found == arrays_.end() ? nullptr : &found->second;
}

Result<SharableArray*> MemoryStorage::find_for(ArrayName name, const char* call) {
  if (SharableArray* array = find(name)) return array;
  return fail(error_of(ErrorCode::kNotFound, name, call, "no such array"));
}

Result<void> MemoryStorage::check_space(ArrayName name, const char* call,
                                        std::uint64_t pages) const {
  if (pages == 0 || !options_.capacity_bytes) return {};
  const std::uint64_t capacity_pages = *options_.capacity_bytes / MemoryArray::kPageSize;
  if (used_pages_ <= capacity_pages && pages <= capacity_pages - used_pages_) return {};
  return fail(error_of(ErrorCode::kNoSpace, name, call, "no space left"));
}

template <typename Change>
void MemoryStorage::change_array(SharableArray& array, Change change) {
  MemoryArray& changed = array.change();
  used_pages_ -= changed.page_count();
  change(changed);
  used_pages_ += changed.page_count();
}

void MemoryStorage::record(StorageCall call) {
  if (recording_) calls_.push_back(std::move(call));
}

Result<void> MemoryStorage::create(ArrayName name) {
  ExclusiveLock lock(mutex_);
  if (name.kind == ArrayKind::kSuperblock && name.number != 0) {
    return fail(
        error_of(ErrorCode::kInvalidArgument, name, "create", "the superblock has number 0 only"));
  }
  if (!arrays_.try_emplace(name).second) {
    return fail(error_of(ErrorCode::kExists, name, "create", "the array exists"));
  }
  record({.kind = StorageCallKind::kCreate, .name = name});
  return {};
}

Result<void> MemoryStorage::remove(ArrayName name) {
  ExclusiveLock lock(mutex_);
  COWFS_ASSIGN(const SharableArray* array, find_for(name, "remove"));
  used_pages_ -= array->get().page_count();
  arrays_.erase(name);
  record({.kind = StorageCallKind::kRemove, .name = name});
  return {};
}

Result<void> MemoryStorage::read(ArrayName name, std::uint64_t offset, MutableBytes out) {
  SharedLock lock(mutex_);
  COWFS_ASSIGN(const SharableArray* array, find_for(name, "read"));
  array->get().read(offset, out);
  return {};
}

Result<void> MemoryStorage::write(ArrayName name, std::uint64_t offset, Bytes in) {
  COWFS_TRY(check_range(name, "write", offset, in.size()));
  ExclusiveLock lock(mutex_);
  COWFS_ASSIGN(SharableArray * array, find_for(name, "write"));
  COWFS_TRY(check_space(name, "write", array->get().missing_pages(offset, in.size())));
  change_array(*array, [&](MemoryArray& changed) { changed.write(offset, in); });
  if (!recording_) return {};
  auto data = std::make_shared<const std::vector<std::byte>>(in.begin(), in.end());
  record({.kind = StorageCallKind::kWrite,
          .name = name,
          .offset = offset,
          .length = in.size(),
          .data = std::move(data)});
  return {};
}

Result<void> MemoryStorage::write_vector(ArrayName name, std::uint64_t offset,
                                         const std::vector<Bytes>& in) {
  if (in.size() == 1) return write(name, offset, in.front());
  return write(name, offset, join(in));
}

Result<void> MemoryStorage::reserve(ArrayName name, std::uint64_t offset, std::uint64_t length) {
  COWFS_TRY(check_range(name, "reserve", offset, length));
  ExclusiveLock lock(mutex_);
  COWFS_ASSIGN(SharableArray * array, find_for(name, "reserve"));
  COWFS_TRY(check_space(name, "reserve", array->get().missing_pages(offset, length)));
  change_array(*array, [&](MemoryArray& changed) { changed.reserve(offset, length); });
  record({.kind = StorageCallKind::kReserve, .name = name, .offset = offset, .length = length});
  return {};
}

Result<void> MemoryStorage::punch(ArrayName name, std::uint64_t offset, std::uint64_t length) {
  COWFS_TRY(check_range(name, "punch", offset, length));
  ExclusiveLock lock(mutex_);
  COWFS_ASSIGN(SharableArray * array, find_for(name, "punch"));
  if (!options_.can_punch)
    return fail(error_of(ErrorCode::kNotSupported, name, "punch", "this store cannot"));
  change_array(*array, [&](MemoryArray& changed) { changed.punch(offset, length); });
  record({.kind = StorageCallKind::kPunch, .name = name, .offset = offset, .length = length});
  return {};
}

Result<void> MemoryStorage::resize(ArrayName name, std::uint64_t size_bytes) {
  COWFS_TRY(check_range(name, "resize", size_bytes, 0));
  ExclusiveLock lock(mutex_);
  COWFS_ASSIGN(SharableArray * array, find_for(name, "resize"));
  change_array(*array, [&](MemoryArray& changed) { changed.resize(size_bytes); });
  record({.kind = StorageCallKind::kResize, .name = name, .offset = size_bytes});
  return {};
}

Result<std::uint64_t> MemoryStorage::size(ArrayName name) {
  SharedLock lock(mutex_);
  COWFS_ASSIGN(const SharableArray* array, find_for(name, "size"));
  return array->get().size();
}

Result<void> MemoryStorage::sync(ArrayName name) {
  ExclusiveLock lock(mutex_);
  COWFS_TRY(find_for(name, "sync"));
  record({.kind = StorageCallKind::kSync, .name = name});
  return {};
}

Result<void> MemoryStorage::sync_names(ArrayKind kind) {
  ExclusiveLock lock(mutex_);
  record({.kind = StorageCallKind::kSyncNames, .name = {kind, 0}});
  return {};
}

Result<std::vector<std::uint64_t>> MemoryStorage::list(ArrayKind kind) {
  SharedLock lock(mutex_);
  std::vector<std::uint64_t> numbers;
  for (auto entry = arrays_.lower_bound({kind, 0});
       entry != arrays_.end() && entry->first.kind == kind; ++entry) {
    numbers.push_back(entry->first.number);
  }
  return numbers;
}

Result<StorageSpace> MemoryStorage::space() {
  SharedLock lock(mutex_);
  const std::uint64_t total = options_.capacity_bytes.value_or(kUnlimitedBytes);
  const std::uint64_t used = used_pages_ * MemoryArray::kPageSize;
  return StorageSpace{.total_bytes = total, .free_bytes = used < total ? total - used : 0};
}

ArraySet MemoryStorage::content_locked() {
  ArraySet content;
  for (auto& [name, array] : arrays_) content.emplace(name, array.freeze());
  return content;
}

ArraySet MemoryStorage::content() {
  ExclusiveLock lock(mutex_);
  return content_locked();
}

std::uint64_t MemoryStorage::used_bytes() const {
  SharedLock lock(mutex_);
  return used_pages_ * MemoryArray::kPageSize;
}

void MemoryStorage::start_recording() {
  ExclusiveLock lock(mutex_);
  base_ = content_locked();
  calls_.clear();
  model_.reset();
  recording_ = true;
}

void MemoryStorage::stop_recording() {
  ExclusiveLock lock(mutex_);
  recording_ = false;
}

std::size_t MemoryStorage::call_count() const {
  SharedLock lock(mutex_);
  return calls_.size();
}

StorageCall MemoryStorage::call(std::size_t index) const {
  SharedLock lock(mutex_);
  return calls_.at(index);
}

std::unique_ptr<MemoryStorage> MemoryStorage::crash_image(std::size_t after_call,
                                                          CrashChoice choice) {
  ExclusiveLock lock(mutex_);
  COWFS_CHECK(after_call <= calls_.size());
  if (!model_ || model_position_ > after_call) {
    model_.emplace(base_);
    model_position_ = 0;
  }
  for (; model_position_ < after_call; ++model_position_) model_->apply(calls_[model_position_]);
  auto image = std::make_unique<MemoryStorage>(options_, model_->image(choice));
  image->session_ = choice.variant == CrashVariant::kKill ? session_ : session_ + "'";
  return image;
}

std::unique_ptr<MemoryStorage> MemoryStorage::kill_image() {
  auto image = std::make_unique<MemoryStorage>(options_, content());
  image->session_ = session_;
  return image;
}

}  // namespace cowfs
