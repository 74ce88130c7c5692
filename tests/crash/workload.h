// A deterministic random workload on a file system, with the reference beside it.
//
// Files of a few blocks in a few directories, now and then one above what makes an own object; a
// handful of volumes. Each operation is logged with the host calls that it made.
#pragma once

#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "lib/storage/memory_storage.h"
#include "tests/crash/live_model.h"

namespace cowfs {

class Workload {
 public:
  /// Ends the file system as a kill does, and opens it again.
  using Reopen = std::function<Result<FileSystem*>()>;

  /// `storage` is the one that records; all outlive this.
  Workload(FileSystem& file_system, Reopen reopen, MemoryStorage& storage, Reference& reference,
           std::uint64_t seed, bool trees_file_by_file = false);

  /// Makes what is there at the beginning, and syncs: the first entry of the log.
  Result<void> prepare();
  /// One random operation, or a short series that belongs together.
  Result<void> step();

 private:
  struct Opened {
    std::string volume;
    InodeNumber file{};
  };
  struct Target {
    LiveVolume* live = nullptr;
    std::shared_ptr<Volume> volume;
    InodeNumber file{};
  };
  using Name = std::pair<InodeNumber, std::string>;

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  std::string bytes_of(std::uint64_t length);
  std::string new_name() { return "n" + std::to_string(next_name_++); }

  Result<Target> some_volume(bool writable);
  /// A file with a name; nothing where the volume has none.
  Result<std::optional<Target>> some_file(bool writable);
  InodeNumber some_directory(const LiveVolume& volume);
  static std::vector<Name> file_names(const LiveVolume& volume);
  std::optional<Name> some_name(const LiveVolume& volume);

  // Each is one operation and one entry of the log.
  Result<void> create();
  Result<void> create_in(const Target& target, InodeNumber directory, const std::string& name,
                         InodeNumber* made = nullptr);
  Result<void> write();
  Result<void> write_at(const Target& target, std::uint64_t offset, std::uint64_t length);
  Result<void> append();
  Result<void> truncate();
  Result<void> punch();
  Result<void> rename();
  Result<void> rename_to(const Target& target, const Name& from, const Name& to);
  Result<void> exchange();
  Result<void> link();
  Result<void> unlink();
  Result<void> unlink_name(const Target& target, const Name& name);
  Result<void> unlink_open();
  Result<void> open();
  Result<void> close_one();
  Result<void> directory();
  Result<void> attribute();
  Result<void> clone();
  Result<void> clone_tree();
  Result<void> fork();
  Result<void> rename_volume();
  Result<void> delete_volume();
  Result<void> sync_file(const Target& target, bool data_only);
  Result<void> sync_some_file();
  Result<void> sync_all();
  Result<void> checkpoint();
  Result<void> kill();
  Result<void> reclaim();
  // Series.
  Result<void> replace_by_rename();
  Result<void> overwrite_and_fork();

  // Of clone_tree(), in workload_trees.cc.
  struct TreeCopy;
  Result<InodeNumber> copy_tree_at_once(const TreeCopy& copy);
  static Result<InodeNumber> copy_tree_file_by_file(const TreeCopy& copy);
  Result<void> note_tree(TreeCopy& copy, InodeNumber copied);

  void begin(std::string text);
  Result<void> end();
  /// A name lost: the file goes where it was the last and nobody has it open.
  void name_lost(const Target& target, InodeNumber file);
  bool is_open(const LiveVolume& volume, InodeNumber file);

  FileSystem* file_system_;
  const Reopen reopen_;
  MemoryStorage& storage_;
  Reference& reference_;
  LiveModel model_;
  std::mt19937_64 random_;
  const bool large_files_;
  const bool trees_file_by_file_;  // as a walk copies them: a test of the tests
  std::vector<Opened> opened_;
  LoggedOperation current_;
  std::uint64_t next_name_ = 0;
  std::uint64_t next_content_ = 1;
};

RequestContext crash_user();

}  // namespace cowfs
