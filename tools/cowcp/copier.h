// Copies what a command line names: cp's decisions, one entry after another.
//
//   run() -> copy_operand() for each source -> copy_entry() -> a directory is pushed and walked (walk())
//                                                          -> a regular file becomes a job (copy_regular())
//                                                          -> links and special files are made at once
//
// How it walks. Directories are a stack of frames, not recursion; each frame has its source and its
// target open, and every name is looked up in them. A frame is finished (its times and permissions
// set) when its names are done and the last job below it is: frames count what is under way in
// them.
//
// Threads: one walks and decides; jobs (the content of regular files) may run on others (-j). Jobs
// touch nothing of the Copier but what has its own lock. The pool is drained between the sources of
// a command line, so that a later source sees what an earlier one made.
//
// `bool` results: false means that something failed and was told; the copy goes on with the next
// entry.
//
// Invariants
//  1. A new regular file gets its name when it is whole (new_file.h).
//  2. Below the destination nothing is looked up by a path of more than one component.
//
// Not here: what bytes go where (data_copy.h), attributes (attributes.h), the daemon's tree clone
// (tree_clone.h).
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/cowcp/attributes.h"
#include "tools/cowcp/data_copy.h"
#include "tools/cowcp/job_pool.h"
#include "tools/cowcp/options.h"
#include "tools/cowcp/report.h"
#include "tools/cowcp/seen_files.h"
#include "tools/cowcp/user_files.h"

namespace cowfs {

/// A directory that is being copied. Finished when the last that holds it lets go.
struct DirectoryCopy {
  std::shared_ptr<DirectoryCopy> parent;
  std::shared_ptr<UniqueFd> source_fd;
  std::shared_ptr<UniqueFd> target_fd;
  Place source;  // where it is, relative to its parent
  Place target;
  struct stat status{};  // of the source
  FileId target_id;
  bool is_new = false;
  bool entered = true;            // its content is copied too
  mode_t omitted = 0;             // permissions held back when it was made
  std::optional<mode_t> restore;  // permissions to give it back at the end
  std::vector<DirectoryEntryName> names;
  std::size_t next = 0;
  std::atomic<std::size_t> under_way = 1;  // the walk itself, jobs, directories below
};

/// One thing to copy.
struct Entry {
  Place source;
  Place target;
  std::shared_ptr<DirectoryCopy> parent;  // null: named on the command line
  bool command_line = false;
  std::shared_ptr<UniqueFd> target_directory;  // that `target` is relative to
};

class Copier {
 public:
  Copier(const CopyOptions& options, Report& report);
  Copier(const Copier&) = delete;
  Copier& operator=(const Copier&) = delete;

  /// Copies the operands, the last being the destination where there is no -t. Returns the exit
  /// code.
  int run(std::vector<std::string> operands);

 private:
  struct Item;  // an Entry with what was found out about it (copier_item.h)
  enum class Verdict { kGoOn, kDone, kFailed };

  // copier.cc: operands.
  bool copy_operand(std::string source);
  bool copy_operand_to(const std::string& source, const Place& target);
  bool sync_target();
  std::optional<int> choose_target(std::vector<std::string>& operands);
  bool try_tree_clone(const Entry& entry);
  void note_tree(const Entry& entry, FileId source);

  // copy_entry.cc: one entry.
  bool copy_entry(const Entry& entry);
  bool copy_new(Item& item);
  Verdict look_at_source(Item& item);
  Verdict look_at_target(Item& item);
  Verdict link_to_earlier(Item& item);
  Verdict earlier_directory(Item& item, const Copied& earlier);
  bool make_link_to(const Item& item, const Place& existing, bool verbose, Follow follow);
  bool copy_by_kind(Item& item);
  bool make_symbolic_link_to_source(Item& item);
  bool copy_symlink(Item& item);
  bool copy_special(Item& item);
  void undo_backup(const Item& item);

  // existing_target.cc: what to do where the target is there already.
  Verdict settle_existing(Item& item);
  Verdict check_same_file(Item& item, bool& leave_alone);
  Verdict check_kinds(Item& item);
  Verdict check_newer(Item& item);
  bool may_overwrite(const Item& item);
  Verdict back_up(Item& item);
  Verdict remove_first(Item& item);

  // directories.cc
  bool copy_directory(Item& item);
  bool make_directory(Item& item, DirectoryCopy& copy);
  bool open_directory(Item& item, DirectoryCopy& copy);
  bool is_own_ancestor(const Item& item) const;
  bool walk();
  void let_go(std::shared_ptr<DirectoryCopy> copy);
  void finish_directory(DirectoryCopy& copy);

  // parents.cc: --parents.
  bool copy_with_parents(const std::string& source);
  struct MadeParent;
  bool make_parent(MadeParent& parent);
  bool make_accessible(MadeParent& parent, mode_t held_back);

  // copy_regular.cc: the content of one file; may run on another thread.
  struct FileJob;
  bool copy_regular(Item& item);
  bool run_job(FileJob& job);
  bool open_source(FileJob& job);
  bool copy_to_new(FileJob& job);
  bool copy_to_existing(FileJob& job);
  bool copy_content(FileJob& job, const DataEnds& ends);
  bool tell_data_error(const FileJob& job, const DataError& error);
  bool finish_file(FileJob& job, int target_fd, bool is_new);

  Dereference dereference() const { return options_.dereference; }
  Follow follow_source(bool command_line) const;
  bool fail(const std::string& text, int error_number = 0);

  const CopyOptions& options_;
  Report& report_;
  AttributeCopier attributes_;
  DataCopier data_;
  CopiedInodes copied_;
  NamedFiles named_sources_;
  NamedFiles made_targets_;
  std::vector<std::shared_ptr<DirectoryCopy>> stack_;
  Place target_;  // the destination, or the directory that sources go into
  std::shared_ptr<UniqueFd> target_directory_;  // open, where sources go into it
  bool several_ = false;                        // sources go into target_directory_
  bool sole_source_ = false;
  std::string operand_;  // the source that is being copied
  std::string operand_target_;
  bool operand_directory_noted_ = false;  // the first directory made for it is in copied_
  dev_t operand_device_ = 0;
  std::atomic<bool> jobs_failed_ = false;
  JobPool pool_;  // the last: its threads end first
};

}  // namespace cowfs
