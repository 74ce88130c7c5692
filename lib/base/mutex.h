// std::mutex and std::shared_mutex with the annotations of clang's thread-safety analysis.
//
// libstdc++'s own types carry none. Each lock says in its owner's header what it guards and its
// rank; the order of the ranks is in docs/locks.md. `scripts/lint` compiles lib/ with
// -Wthread-safety.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#if defined(__clang__)
#define COWFS_TSA(x) __attribute__((x))
#else
#define COWFS_TSA(x)
#endif

#define COWFS_CAPABILITY(x) COWFS_TSA(capability(x))
#define COWFS_SCOPED_CAPABILITY COWFS_TSA(scoped_lockable)
#define COWFS_GUARDED_BY(x) COWFS_TSA(guarded_by(x))
#define COWFS_REQUIRES(...) COWFS_TSA(requires_capability(__VA_ARGS__))
#define COWFS_REQUIRES_SHARED(...) COWFS_TSA(requires_shared_capability(__VA_ARGS__))
#define COWFS_ACQUIRE(...) COWFS_TSA(acquire_capability(__VA_ARGS__))
#define COWFS_ACQUIRE_SHARED(...) COWFS_TSA(acquire_shared_capability(__VA_ARGS__))
#define COWFS_RELEASE(...) COWFS_TSA(release_capability(__VA_ARGS__))
#define COWFS_RELEASE_SHARED(...) COWFS_TSA(release_shared_capability(__VA_ARGS__))
#define COWFS_RELEASE_GENERIC(...) COWFS_TSA(release_generic_capability(__VA_ARGS__))
#define COWFS_EXCLUDES(...) COWFS_TSA(locks_excluded(__VA_ARGS__))
#define COWFS_NO_THREAD_SAFETY_ANALYSIS COWFS_TSA(no_thread_safety_analysis)

namespace cowfs {

class COWFS_CAPABILITY("mutex") Mutex {
 public:
  void lock() COWFS_ACQUIRE() { mutex_.lock(); }
  void unlock() COWFS_RELEASE() { mutex_.unlock(); }
  std::mutex& native() { return mutex_; }

 private:
  std::mutex mutex_;
};

class COWFS_CAPABILITY("shared_mutex") SharedMutex {
 public:
  void lock() COWFS_ACQUIRE() { mutex_.lock(); }
  void unlock() COWFS_RELEASE() { mutex_.unlock(); }
  void lock_shared() COWFS_ACQUIRE_SHARED() { mutex_.lock_shared(); }
  void unlock_shared() COWFS_RELEASE_SHARED() { mutex_.unlock_shared(); }

 private:
  std::shared_mutex mutex_;
};

class COWFS_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) COWFS_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() COWFS_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

class COWFS_SCOPED_CAPABILITY ExclusiveLock {
 public:
  explicit ExclusiveLock(SharedMutex& mutex) COWFS_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~ExclusiveLock() COWFS_RELEASE() { mutex_.unlock(); }
  ExclusiveLock(const ExclusiveLock&) = delete;
  ExclusiveLock& operator=(const ExclusiveLock&) = delete;

 private:
  SharedMutex& mutex_;
};

class COWFS_SCOPED_CAPABILITY SharedLock {
 public:
  explicit SharedLock(SharedMutex& mutex) COWFS_ACQUIRE_SHARED(mutex) : mutex_(mutex) {
    mutex_.lock_shared();
  }
  ~SharedLock() COWFS_RELEASE_GENERIC() { mutex_.unlock_shared(); }
  SharedLock(const SharedLock&) = delete;
  SharedLock& operator=(const SharedLock&) = delete;

 private:
  SharedMutex& mutex_;
};

/// A condition variable to wait on while holding a Mutex (through `Mutex::native()`).
class Condition {
 public:
  /// Waits until `predicate` holds. The caller holds `mutex`, which is released while waiting.
  template <typename Predicate>
  void wait(Mutex& mutex, Predicate predicate)
      COWFS_REQUIRES(mutex) COWFS_NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock<std::mutex> lock(mutex.native(), std::adopt_lock);
    condition_.wait(lock, predicate);
    lock.release();
  }
  /// As wait, for at most `duration`; says whether `predicate` holds.
  template <typename Duration, typename Predicate>
  bool wait_for(Mutex& mutex, Duration duration, Predicate predicate)
      COWFS_REQUIRES(mutex) COWFS_NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock<std::mutex> lock(mutex.native(), std::adopt_lock);
    const bool held = condition_.wait_for(lock, duration, predicate);
    lock.release();
    return held;
  }
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace cowfs
