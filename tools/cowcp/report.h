// What cowcp says while it works: cp's lines and messages, the method of each file, JSON lines, the
// summary.
//
// Locks: one, a leaf, around each line. Counters are atomic. Any thread may report.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "lib/base/mutex.h"
#include "tools/cowcp/options.h"
#include "tools/cowcp/tree_clone.h"

namespace cowfs {

/// How the content of one file came over.
struct DataDone {
  Method method = Method::kReadWrite;
  std::string why;           // a better method was not used; empty: the best was
  std::uint64_t shared = 0;  // bytes that lie in shared blocks
  std::uint64_t copied = 0;  // bytes that were really copied
  std::uint64_t holes = 0;   // bytes of holes that were kept
};

struct Counters {
  std::atomic<std::uint64_t> files = 0;  // regular ones
  std::atomic<std::uint64_t> directories = 0;
  std::atomic<std::uint64_t> others = 0;  // symbolic links, special files, hard links
  std::atomic<std::uint64_t> failures = 0;
  std::atomic<std::uint64_t> shared = 0;
  std::atomic<std::uint64_t> copied = 0;  // grows while a file is being copied
  std::atomic<std::uint64_t> holes = 0;
};

class Report {
 public:
  explicit Report(const CopyOptions& options) : options_(options) {}
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  /// "cowcp: text", with ": " and the words of errno where that is not 0. Makes the exit code 1.
  void error(const std::string& text, int error_number = 0);
  /// The same without making the exit code 1.
  void warning(const std::string& text, int error_number = 0);

  /// cp's -v: "'a' -> 'b'".
  void copying(std::string_view source, std::string_view target, std::string_view backup = {});
  void line(const std::string& text);  // another line of -v

  // What was done; for --debug, --json and --stats.
  void file_done(std::string_view source, std::string_view target, const DataDone& done);
  void entry_done(std::string_view kind, std::string_view source, std::string_view target);
  /// A tree clone, whose counters have been kept up while it went on.
  void tree_done(std::string_view source, std::string_view target,
                 const TreeCloneProgress& progress);
  /// A method that was not used for something as a whole (--debug).
  void note(const std::string& text);

  /// The last lines. Where stdout could not take everything: an error, and false.
  bool finish();

  Counters& counters() { return counters_; }
  bool failed() const { return counters_.failures != 0; }
  /// Clears a progress line before something else is written; set by Progress.
  void clear_line();
  void set_progress_shown(bool shown) { progress_shown_ = shown; }
  Mutex& terminal() { return mutex_; }

 private:
  void say(const std::string& text, int error_number);
  void print_summary();
  void print_summary_json();
  void write_out(const std::string& text);
  void write_text(const std::string& text);

  const CopyOptions& options_;
  Counters counters_;
  Mutex mutex_;
  std::map<Method, std::uint64_t> methods_ COWFS_GUARDED_BY(mutex_);  // files by method
  std::atomic<bool> progress_shown_ = false;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace cowfs
