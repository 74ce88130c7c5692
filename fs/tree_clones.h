// Tree clones under way: a thread for each, because one takes longer than a request may.
//
//   offer()  an open source directory -> a token          (the kernel has let the caller open it)
//   start()  a token, an open target directory -> a job   (belongs to that open directory: close() cancels it)
//   poll(), cancel()
//
// A job waits for WRITE requests first (page_sweep.h), copies (lib/volume/tree_clone.h), and tells
// the kernel of the new name before it counts as done: from a thread that serves no requests and
// holds no lock.
//
// Permissions. The kernel checks nothing of what a job reads and makes; TreeClone does, with the
// caller's user, groups and, for root, capabilities, all read from the caller's entry in /proc when
// the job starts. Who cannot be told for certain is refused.
//
// Locks: one, a leaf, around tables; not held while anything is done.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "fs/fuse_compat.h"
#include "fs/page_sweep.h"
#include "fs/tree_offers.h"
#include "lib/base/mutex.h"
#include "lib/volume/tree_clone.h"

namespace cowfs {

class TreeClones {
 public:
  using Token = TreeOffers::Token;

  struct Progress {
    bool running = false;
    bool failed = false;
    int error_number = 0;
    std::uint64_t inodes = 0;
    std::uint64_t files = 0;
    std::uint64_t directories = 0;
    std::uint64_t shared_bytes = 0;
    std::uint64_t hole_bytes = 0;
  };

  explicit TreeClones(PageSweep& page_sweep);
  ~TreeClones();
  TreeClones(const TreeClones&) = delete;
  TreeClones& operator=(const TreeClones&) = delete;

  void begin(fuse_session* session) { session_ = session; }
  /// Cancels what is running and waits for it. The connection must be dead or still be served.
  void end();

  /// A number for an open directory.
  std::uint64_t new_handle() { return ++handles_; }
  void close(std::uint64_t handle);

  Result<Token> offer(fuse_req_t request, std::uint64_t node);
  Result<void> start(fuse_req_t request, std::uint64_t node, std::uint64_t handle,
                     const Token& token, const std::string& name, const TreeClonePolicy& policy);
  Result<Progress> poll(std::uint64_t handle);
  Result<void> cancel(std::uint64_t handle);

 private:
  struct Job;

  Result<std::uint64_t> take_offer(const Token& token, uid_t uid);
  void run(Job& job, const std::stop_token& stop);
  static Result<void> copy(Job& job, const std::stop_token& stop);
  void join_ended();

  PageSweep& page_sweep_;
  fuse_session* session_ = nullptr;
  std::atomic<std::uint64_t> handles_ = 0;
  Mutex mutex_;
  TreeOffers offers_ COWFS_GUARDED_BY(mutex_);
  // running, and done ones that are still open
  std::list<std::unique_ptr<Job>> jobs_ COWFS_GUARDED_BY(mutex_);
  bool ending_ COWFS_GUARDED_BY(mutex_) = false;
};

}  // namespace cowfs
