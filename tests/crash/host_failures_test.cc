// The host fails at any call: a clear error, an intact store, nothing lost that was synced.
//
// A workload runs twice: once undisturbed, for what should be there after each operation, and once
// with a fault at one host call. The operation that fails has happened or has not; what the store
// shows then, and after a restart, is judged as after a crash.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <iostream>

#include "lib/volume/borrowed_storage.h"
#include "tests/crash/crash_history.h"
#include "tests/crash/observation.h"
#include "tests/crash/run_size.h"
#include "tests/crash/workload.h"
#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

constexpr std::size_t kOperations = 60;

struct Fault {
  std::uint64_t call = 0;  // of those that are counted, from the end of the preparation on
  ErrorCode code = ErrorCode::kIo;
  FaultyStorage::Repeat repeat = FaultyStorage::Repeat::kOnce;
  CallPredicate counted = changing_calls();
};

StoreOptions options() {
  StoreOptions options;
  options.background = false;
  options.reserve_bytes = 0;
  options.journal_segment_bytes = 16 << 10;  // as in the undisturbed run
  options.journal_bytes = 8 * (16 << 10);
  options.node_cache_bytes = 0;  // so that nodes are read, too
  return options;
}

/// A file system under work, with a fault to come.
class FaultyRun {
 public:
  FaultyRun(const Reference& undisturbed, std::uint64_t seed)
      : undisturbed_(undisturbed), seed_(seed) {}

  /// Runs until an operation fails, and checks what is left. Whether the fault struck.
  bool run(const Fault& fault);
  bool operation_failed() const { return failure_.has_value(); }
  bool works_on_afterwards() const { return works_on_; }

 private:
  Result<FileSystem*> reopen();
  void start(const Fault& fault);
  void work(const Fault& fault);
  /// What should be there. A fault that no operation told of may have moved checkpoints, and with
  /// them the numbers of files made after a kill: then it is what this run did. Else the last
  /// operation is known to the undisturbed run alone.
  const Reference& expected() const { return failure_ ? undisturbed_ : reference_; }
  CrashBounds bounds() const;
  void check_live();
  void check_restart(std::unique_ptr<MemoryStorage> image, Loss loss);
  void check_going_on(const Fault& fault);

  const Reference& undisturbed_;
  const std::uint64_t seed_;
  MemoryStorage memory_;
  std::unique_ptr<FaultyStorage> faulty_;
  std::unique_ptr<FileSystem> file_system_;
  Reference reference_;
  std::optional<Workload> workload_;
  std::uint64_t counted_ = 0;
  std::optional<StorageCall> struck_;  // the first call that failed
  bool sync_failed_ = false;
  std::optional<Error> failure_;
  bool works_on_ = false;
};

Result<FileSystem*> FaultyRun::reopen() {
  file_system_.reset();
  COWFS_ASSIGN(file_system_,
               FileSystem::open(std::make_unique<BorrowedStorage>(*faulty_), options()));
  return file_system_.get();
}

void FaultyRun::start(const Fault& fault) {
  memory_.start_recording();
  ASSERT_THAT(FileSystem::format(memory_, crash_user(), 0755, {.seed = 7}), IsOk());
  faulty_ = std::make_unique<FaultyStorage>(memory_);
  ASSERT_THAT(reopen(), IsOk());
  workload_.emplace(*file_system_, [this] { return reopen(); }, memory_, reference_, seed_);
  ASSERT_THAT(workload_->prepare(), IsOk());
  faulty_->count_only([this, &fault](const StorageCall& call) {
    if (!fault.counted(call)) return false;
    const bool strikes = fault.repeat == FaultyStorage::Repeat::kOnce ? counted_ == fault.call
                                                                      : counted_ >= fault.call;
    if (strikes && !struck_) struck_ = call;
    const bool is_sync =
        call.kind == StorageCallKind::kSync || call.kind == StorageCallKind::kSyncNames;
    sync_failed_ = sync_failed_ || (strikes && is_sync && !failure_);
    ++counted_;
    return true;
  });
  faulty_->fail_call(fault.call, Error{fault.code, "the host failed"}, fault.repeat);
}

void FaultyRun::work(const Fault& fault) {
  while (reference_.size() < kOperations) {
    const auto done = workload_->step();
    if (done) continue;
    failure_ = done.error();
    // What fails in a call that cannot say so (close) is told by the next change.
    const bool refused = failure_->code == ErrorCode::kReadOnly &&
                         failure_->text.find("the host failed") != std::string::npos;
    const bool clear = failure_->code == fault.code || failure_->code == ErrorCode::kIo;
    EXPECT_TRUE(clear || refused) << error_code_name(failure_->code) << ": " << failure_->text;
    EXPECT_FALSE(failure_->text.empty());
    return;
  }
}

CrashBounds FaultyRun::bounds() const {
  CrashBounds bounds;
  bounds.acknowledged = reference_.size() - 1;
  bounds.begun = std::min(bounds.acknowledged + (failure_ ? 1 : 0), expected().size() - 1);
  for (std::size_t i = 0; i <= bounds.acknowledged; ++i) {
    const auto& durable = expected().operation(i).durable_to;
    if (durable) bounds.durable = std::max(bounds.durable, *durable);
  }
  return bounds;
}

void FaultyRun::check_live() {
  const auto seen = observe(*file_system_);
  ASSERT_THAT(seen, IsOk());
  const auto wrong = Judge(expected()).complaint(*file_system_, *seen, bounds(), Loss::kProcess);
  EXPECT_FALSE(wrong.has_value()) << "in memory: " << *wrong;
}

void FaultyRun::check_restart(std::unique_ptr<MemoryStorage> image, Loss loss) {
  auto opened = FileSystem::open(std::move(image), options());
  ASSERT_THAT(opened, IsOk());
  const auto seen = observe(**opened);
  ASSERT_THAT(seen, IsOk());
  const auto wrong = Judge(expected()).complaint(**opened, *seen, bounds(), loss);
  EXPECT_FALSE(wrong.has_value()) << "after a restart: " << *wrong;
  EXPECT_THAT((*opened)->store().verify(), IsOk());
  EXPECT_THAT(works_on(**opened, *seen), IsOk());
  EXPECT_THAT((*opened)->close(), IsOk());
}

void FaultyRun::check_going_on(const Fault& fault) {
  const auto seen = observe(*file_system_);
  ASSERT_THAT(seen, IsOk());
  const auto works = works_on(*file_system_, *seen);
  works_on_ = works.has_value();
  if (works) return;
  // It refuses changes, every one, and says why; reading goes on.
  EXPECT_TRUE(fault.code == ErrorCode::kIo || sync_failed_)
      << "a full host is no reason to stop: " << works.error().text;
  EXPECT_NE(works.error().text.find("takes no more changes"), std::string::npos)
      << works.error().text;
  EXPECT_NE(works.error().text.find("the host failed"), std::string::npos) << works.error().text;
  EXPECT_FALSE(file_system_->store().sync().has_value()) << "a failed store syncs no more";
  EXPECT_THAT(observe(*file_system_), IsOk());
}

bool FaultyRun::run(const Fault& fault) {
  start(fault);
  if (::testing::Test::HasFatalFailure()) return true;
  work(fault);
  const bool struck = faulty_->failure_count() > 0;
  faulty_->heal();
  SCOPED_TRACE(struck_ ? to_string(*struck_) + ", operation " +
                             expected().operation(bounds().begun).text
                       : "no fault");
  if (file_system_ != nullptr) check_live();  // else opening it failed
  check_restart(memory_.kill_image(), Loss::kProcess);
  check_restart(memory_.crash_image(memory_.call_count(), {CrashVariant::kNone, 1}), Loss::kPower);
  if (file_system_ != nullptr) check_going_on(fault);
  return struck;
}

std::string describe(std::uint64_t seed, const Fault& fault) {
  return fmt::format("seed {}, call {} {} with {}", seed, fault.call,
                     fault.repeat == FaultyStorage::Repeat::kOnce ? "fails" : "and all later fail",
                     error_code_name(fault.code));
}

/// Runs the workload once for each call at which a fault can strike.
void fail_everywhere(std::uint64_t seed, ErrorCode code, FaultyStorage::Repeat repeat,
                     const CallPredicate& counted) {
  const auto undisturbed = CrashHistory::record(seed, kOperations + 8);
  ASSERT_THAT(undisturbed, IsOk());
  std::uint64_t runs = 0;
  std::uint64_t failed = 0;
  std::uint64_t stopped = 0;
  const std::uint64_t step = kSanitized ? 11 : 1;
  for (std::uint64_t call = 0;; call += step) {
    const Fault fault{call, code, repeat, counted};
    SCOPED_TRACE(describe(seed, fault));
    FaultyRun run((*undisturbed)->reference(), seed);
    if (!run.run(fault)) break;
    ++runs;
    failed += run.operation_failed() ? 1 : 0;
    stopped += run.works_on_afterwards() ? 0 : 1;
    ASSERT_FALSE(::testing::Test::HasFailure());
  }
  std::cout << runs << " faults, " << failed << " failed operations, " << stopped
            << " stores that took no more changes\n";
  EXPECT_GT(failed, 0u);
}

class HostFailures : public ::testing::TestWithParam<std::tuple<ErrorCode, FaultyStorage::Repeat>> {
};

TEST_P(HostFailures, AtEachChangingCallLeaveAnIntactStore) {
  const auto [code, repeat] = GetParam();
  for (std::uint64_t seed = 1; seed <= (std::getenv("COWFS_LONG") != nullptr ? 20u : 2u); ++seed) {
    ASSERT_NO_FATAL_FAILURE(fail_everywhere(seed, code, repeat, changing_calls()));
  }
}

INSTANTIATE_TEST_SUITE_P(Errors, HostFailures,
                         ::testing::Combine(::testing::Values(ErrorCode::kIo, ErrorCode::kNoSpace,
                                                              ErrorCode::kQuotaExceeded),
                                            ::testing::Values(FaultyStorage::Repeat::kOnce,
                                                              FaultyStorage::Repeat::kAlways)),
                         [](const auto& row) {
                           const bool once = std::get<1>(row.param) == FaultyStorage::Repeat::kOnce;
                           return std::string(error_code_name(std::get<0>(row.param))) +
                                  (once ? "Once" : "ForEver");
                         });

TEST(HostFailuresOfReads, LeaveAnIntactStore) {
  fail_everywhere(3, ErrorCode::kIo, FaultyStorage::Repeat::kOnce,
                  calls_of(StorageCallKind::kRead));
}

TEST(HostFailuresOfSyncs, TurnTheStoreReadOnly) {
  const CallPredicate syncs = [](const StorageCall& call) {
    return call.kind == StorageCallKind::kSync || call.kind == StorageCallKind::kSyncNames;
  };
  const auto undisturbed = CrashHistory::record(1, kOperations + 8);
  ASSERT_THAT(undisturbed, IsOk());
  for (std::uint64_t call = 0; call < 12; ++call) {
    const Fault fault{call, ErrorCode::kIo, FaultyStorage::Repeat::kOnce, syncs};
    SCOPED_TRACE(describe(1, fault));
    FaultyRun run((*undisturbed)->reference(), 1);
    ASSERT_TRUE(run.run(fault));
    EXPECT_TRUE(run.operation_failed());
    EXPECT_FALSE(run.works_on_afterwards()) << "a failed sync was forgotten";
  }
}

}  // namespace
}  // namespace cowfs
