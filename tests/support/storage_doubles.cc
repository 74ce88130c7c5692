#include "tests/support/storage_doubles.h"

#include <algorithm>

namespace cowfs {

namespace {

StorageCall call_of(StorageCallKind kind, ArrayName name, std::uint64_t offset = 0,
                    std::uint64_t length = 0) {
  StorageCall call;
  call.kind = kind;
  call.name = name;
  call.offset = offset;
  call.length = length;
  return call;
}

}  // namespace

CallPredicate any_call() {
  return [](const StorageCall&) { return true; };
}

CallPredicate calls_of(StorageCallKind kind) {
  return [kind](const StorageCall& call) { return call.kind == kind; };
}

CallPredicate calls_of(StorageCallKind kind, ArrayKind array_kind) {
  return [kind, array_kind](const StorageCall& call) {
    return call.kind == kind && call.name.kind == array_kind;
  };
}

CallPredicate changing_calls() {
  return [](const StorageCall& call) {
    switch (call.kind) {
      case StorageCallKind::kRead:
      case StorageCallKind::kSize:
      case StorageCallKind::kStartWriteback:
      case StorageCallKind::kList:
      case StorageCallKind::kSpace: return false;
      default: return true;
    }
  };
}

// --- DelegatingStorage ---

Result<void> DelegatingStorage::create(ArrayName name) {
  COWFS_TRY(before(call_of(StorageCallKind::kCreate, name)));
  return inner_.create(name);
}

Result<void> DelegatingStorage::remove(ArrayName name) {
  COWFS_TRY(before(call_of(StorageCallKind::kRemove, name)));
  return inner_.remove(name);
}

Result<void> DelegatingStorage::read(ArrayName name, std::uint64_t offset, MutableBytes out) {
  COWFS_TRY(before(call_of(StorageCallKind::kRead, name, offset, out.size())));
  return inner_.read(name, offset, out);
}

Result<void> DelegatingStorage::write(ArrayName name, std::uint64_t offset, Bytes in) {
  COWFS_TRY(before(call_of(StorageCallKind::kWrite, name, offset, in.size())));
  return inner_.write(name, offset, in);
}

Result<void> DelegatingStorage::write_vector(ArrayName name, std::uint64_t offset,
                                             const std::vector<Bytes>& in) {
  std::uint64_t length = 0;
  for (Bytes part : in) length += part.size();
  COWFS_TRY(before(call_of(StorageCallKind::kWrite, name, offset, length)));
  return inner_.write_vector(name, offset, in);
}

Result<void> DelegatingStorage::reserve(ArrayName name, std::uint64_t offset,
                                        std::uint64_t length) {
  COWFS_TRY(before(call_of(StorageCallKind::kReserve, name, offset, length)));
  return inner_.reserve(name, offset, length);
}

Result<void> DelegatingStorage::punch(ArrayName name, std::uint64_t offset, std::uint64_t length) {
  COWFS_TRY(before(call_of(StorageCallKind::kPunch, name, offset, length)));
  return inner_.punch(name, offset, length);
}

Result<void> DelegatingStorage::resize(ArrayName name, std::uint64_t size_bytes) {
  COWFS_TRY(before(call_of(StorageCallKind::kResize, name, size_bytes)));
  return inner_.resize(name, size_bytes);
}

Result<std::uint64_t> DelegatingStorage::size(ArrayName name) {
  COWFS_TRY(before(call_of(StorageCallKind::kSize, name)));
  return inner_.size(name);
}

Result<void> DelegatingStorage::sync(ArrayName name) {
  COWFS_TRY(before(call_of(StorageCallKind::kSync, name)));
  return inner_.sync(name);
}

void DelegatingStorage::start_writeback(ArrayName name) {
  if (before(call_of(StorageCallKind::kStartWriteback, name))) inner_.start_writeback(name);
}

Result<void> DelegatingStorage::sync_names(ArrayKind kind) {
  COWFS_TRY(before(call_of(StorageCallKind::kSyncNames, ArrayName{kind, 0})));
  return inner_.sync_names(kind);
}

Result<std::vector<std::uint64_t>> DelegatingStorage::list(ArrayKind kind) {
  COWFS_TRY(before(call_of(StorageCallKind::kList, ArrayName{kind, 0})));
  return inner_.list(kind);
}

Result<StorageSpace> DelegatingStorage::space() {
  COWFS_TRY(before(call_of(StorageCallKind::kSpace, ArrayName{})));
  return inner_.space();
}

// --- BlockingStorage ---

bool BlockingStorage::Gate::wait_until_blocked(std::chrono::seconds limit) {
  MutexLock lock(mutex_);
  return changed_.wait_for(mutex_, limit, [this] { return taken_; });
}

void BlockingStorage::Gate::release() {
  MutexLock lock(mutex_);
  released_ = true;
  changed_.notify_all();
}

bool BlockingStorage::Gate::is_blocked() {
  MutexLock lock(mutex_);
  return taken_ && !passed_;
}

bool BlockingStorage::Gate::enter_and_wait(const StorageCall& call) {
  MutexLock lock(mutex_);
  if (taken_ || !predicate_(call)) return false;
  taken_ = true;
  changed_.notify_all();
  changed_.wait(mutex_, [this] { return released_; });
  passed_ = true;
  return true;
}

std::shared_ptr<BlockingStorage::Gate> BlockingStorage::block_next(CallPredicate predicate) {
  const std::shared_ptr<Gate> gate(new Gate(std::move(predicate)));
  MutexLock lock(mutex_);
  gates_.push_back(gate);
  return gate;
}

void BlockingStorage::release_all() {
  MutexLock lock(mutex_);
  for (const auto& gate : gates_) gate->release();
  gates_.clear();
}

Result<void> BlockingStorage::before(const StorageCall& call) {
  std::vector<std::shared_ptr<Gate>> gates;
  {
    MutexLock lock(mutex_);
    gates = gates_;
  }
  for (const auto& gate : gates) {
    if (!gate->enter_and_wait(call)) continue;
    MutexLock lock(mutex_);
    std::erase(gates_, gate);
    break;
  }
  return {};
}

// --- OmittingStorage ---

Result<void> OmittingStorage::sync(ArrayName name) {
  if (omitted_(call_of(StorageCallKind::kSync, name))) return {};
  return DelegatingStorage::sync(name);
}

Result<void> OmittingStorage::sync_names(ArrayKind kind) {
  if (omitted_(call_of(StorageCallKind::kSyncNames, ArrayName{kind, 0}))) return {};
  return DelegatingStorage::sync_names(kind);
}

// --- FaultyStorage ---

void FaultyStorage::fail_call(std::uint64_t number, Error error, Repeat repeat) {
  MutexLock lock(mutex_);
  faults_.push_back(Fault{call_count_ + number, {}, std::move(error), repeat});
}

void FaultyStorage::fail_matching(CallPredicate predicate, Error error, Repeat repeat) {
  MutexLock lock(mutex_);
  faults_.push_back(Fault{std::nullopt, std::move(predicate), std::move(error), repeat});
}

void FaultyStorage::heal() {
  MutexLock lock(mutex_);
  faults_.clear();
}

void FaultyStorage::count_only(CallPredicate predicate) {
  MutexLock lock(mutex_);
  counted_ = std::move(predicate);
}

std::uint64_t FaultyStorage::call_count() {
  MutexLock lock(mutex_);
  return call_count_;
}

std::uint64_t FaultyStorage::failure_count() {
  MutexLock lock(mutex_);
  return failure_count_;
}

bool FaultyStorage::strikes(const Fault& fault, const StorageCall& call,
                            std::optional<std::uint64_t> number) {
  if (!fault.number) return fault.predicate(call);
  if (!number) return false;
  return *number == *fault.number || (fault.repeat == Repeat::kAlways && *number > *fault.number);
}

Result<void> FaultyStorage::before(const StorageCall& call) {
  MutexLock lock(mutex_);
  std::optional<std::uint64_t> number;
  if (counted_(call)) number = call_count_++;
  const auto fault =
      std::ranges::find_if(faults_, [&](const Fault& f) { return strikes(f, call, number); });
  if (fault == faults_.end()) return {};
  ++failure_count_;
  Error error = fault->error;
  if (fault->repeat == Repeat::kOnce) faults_.erase(fault);
  return fail(std::move(error));
}

}  // namespace cowfs
