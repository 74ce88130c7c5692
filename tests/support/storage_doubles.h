// Wrappers over any Storage for tests: one that hands every call on, one that blocks, one that
// fails.
//
//     MemoryStorage memory;
//     BlockingStorage storage(memory);
//     auto gate = storage.block_next(calls_of(StorageCallKind::kRead, ArrayKind::kObject));
//     std::jthread reader([&] { ... reads ... });
//     ASSERT_TRUE(gate->wait_until_blocked());
//     ... what must go on meanwhile ...
//     gate->release();
//
// All are thread-safe when the wrapped one is.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "lib/base/mutex.h"
#include "lib/storage/storage.h"
#include "lib/storage/storage_call.h"

namespace cowfs {

using CallPredicate = std::function<bool(const StorageCall&)>;

/// Any call; calls of one kind; calls of one kind on arrays of one kind.
CallPredicate any_call();
CallPredicate calls_of(StorageCallKind kind);
CallPredicate calls_of(StorageCallKind kind, ArrayKind array_kind);
/// Calls that change or sync anything.
CallPredicate changing_calls();

/// Hands every call on; a subclass is asked before each.
class DelegatingStorage : public Storage {
 public:
  /// `inner` outlives this.
  explicit DelegatingStorage(Storage& inner) : inner_(inner) {}
  explicit DelegatingStorage(std::unique_ptr<Storage> inner)
      : owned_(std::move(inner)), inner_(*owned_) {}

  StorageLimits limits() const override { return inner_.limits(); }
  Result<void> create(ArrayName name) override;
  Result<void> remove(ArrayName name) override;
  Result<void> read(ArrayName name, std::uint64_t offset, MutableBytes out) override;
  Result<void> write(ArrayName name, std::uint64_t offset, Bytes in) override;
  Result<void> write_vector(ArrayName name, std::uint64_t offset,
                            const std::vector<Bytes>& in) override;
  Result<void> reserve(ArrayName name, std::uint64_t offset, std::uint64_t length) override;
  Result<void> punch(ArrayName name, std::uint64_t offset, std::uint64_t length) override;
  Result<void> resize(ArrayName name, std::uint64_t size_bytes) override;
  Result<std::uint64_t> size(ArrayName name) override;
  Result<void> sync(ArrayName name) override;
  void start_writeback(ArrayName name) override;
  Result<void> sync_names(ArrayKind kind) override;
  Result<std::vector<std::uint64_t>> list(ArrayKind kind) override;
  Result<StorageSpace> space() override;
  std::string session() const override { return inner_.session(); }

  Storage& inner() { return inner_; }

 protected:
  /// Called before each call but limits(). An error is returned to the caller, and the call not
  /// made.
  virtual Result<void> before(const StorageCall& call) {
    (void)call;
    return {};
  }

 private:
  std::unique_ptr<Storage> owned_;
  Storage& inner_;
};

/// Blocks chosen calls until they are released.
class BlockingStorage final : public DelegatingStorage {
 public:
  /// Stops one call. Shared by the test and the storage; dropping the test's handle releases
  /// nothing.
  class Gate {
   public:
    /// Waits until a call stands at the gate; false after `limit`, so that a test fails and does
    /// not hang.
    bool wait_until_blocked(std::chrono::seconds limit = std::chrono::seconds(30));
    /// Lets the call go on, or pass unblocked if it has not come yet.
    void release();
    /// Whether a call stands there now.
    bool is_blocked();

   private:
    friend class BlockingStorage;
    explicit Gate(CallPredicate predicate) : predicate_(std::move(predicate)) {}
    bool enter_and_wait(const StorageCall& call);

    Mutex mutex_;
    Condition changed_;
    const CallPredicate predicate_;
    bool taken_ COWFS_GUARDED_BY(mutex_) = false;   // a call has come
    bool passed_ COWFS_GUARDED_BY(mutex_) = false;  // and gone on
    bool released_ COWFS_GUARDED_BY(mutex_) = false;
  };

  using DelegatingStorage::DelegatingStorage;
  /// Releases all gates. (Calls that stand at one must return before the storage goes.)
  ~BlockingStorage() override { release_all(); }

  /// Blocks the next call that `predicate` picks; further ones pass.
  std::shared_ptr<Gate> block_next(CallPredicate predicate);
  void release_all();

 protected:
  Result<void> before(const StorageCall& call) override;

 private:
  Mutex mutex_;
  std::vector<std::shared_ptr<Gate>> gates_ COWFS_GUARDED_BY(mutex_);
};

/// Leaves chosen syncs out and says that they were made: for tests of tests.
class OmittingStorage final : public DelegatingStorage {
 public:
  /// `omitted` is asked about sync and sync_names only.
  OmittingStorage(std::unique_ptr<Storage> inner, CallPredicate omitted)
      : DelegatingStorage(std::move(inner)), omitted_(std::move(omitted)) {}

  Result<void> sync(ArrayName name) override;
  Result<void> sync_names(ArrayKind kind) override;

 private:
  const CallPredicate omitted_;
};

/// Fails chosen calls with a given error instead of making them. (Calls that return nothing cannot
/// fail.)
class FaultyStorage final : public DelegatingStorage {
 public:
  enum class Repeat { kOnce, kAlways };

  using DelegatingStorage::DelegatingStorage;

  /// Fails call number `number` of those counted from now on, from 0, and with kAlways all later
  /// ones, too.
  void fail_call(std::uint64_t number, Error error, Repeat repeat = Repeat::kOnce);
  /// Fails calls that `predicate` picks: the next one or all.
  void fail_matching(CallPredicate predicate, Error error, Repeat repeat = Repeat::kOnce);
  /// No more failures.
  void heal();

  /// Which calls are counted: by default those that change or sync anything.
  void count_only(CallPredicate predicate);
  /// Calls counted so far, failed ones included.
  std::uint64_t call_count();
  /// Calls that were made to fail so far.
  std::uint64_t failure_count();

 protected:
  Result<void> before(const StorageCall& call) override;

 private:
  struct Fault {
    std::optional<std::uint64_t> number;  // of the counted call; else by predicate
    CallPredicate predicate;
    Error error;
    Repeat repeat;
  };

  bool strikes(const Fault& fault, const StorageCall& call, std::optional<std::uint64_t> number);

  Mutex mutex_;
  CallPredicate counted_ COWFS_GUARDED_BY(mutex_) = changing_calls();
  std::vector<Fault> faults_ COWFS_GUARDED_BY(mutex_);
  std::uint64_t call_count_ COWFS_GUARDED_BY(mutex_) = 0;
  std::uint64_t failure_count_ COWFS_GUARDED_BY(mutex_) = 0;
};

}  // namespace cowfs
