// What a run remembers of files: where the copy of an inode is (hard links, directories met again),
// and which names were given or made by it.
//
// Locks: one; jobs and the walk both look.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "lib/base/mutex.h"
#include "tools/cowcp/user_files.h"

namespace cowfs {

/// Where an inode was copied to. Keeps the directory open.
struct Copied {
  Place place;
  std::shared_ptr<UniqueFd> directory;  // that `place` is relative to; null: a path
};

class CopiedInodes {
 public:
  std::optional<Copied> find(FileId id) {
    const MutexLock lock(mutex_);
    const auto found = copied_.find(id);
    if (found == copied_.end()) return std::nullopt;
    return found->second;
  }
  /// What was there before, or nothing and the new one is noted.
  std::optional<Copied> find_or_note(FileId id, const Copied& copied) {
    const MutexLock lock(mutex_);
    const auto [found, added] = copied_.try_emplace(id, copied);
    if (added) return std::nullopt;
    return found->second;
  }
  void forget(FileId id) {
    const MutexLock lock(mutex_);
    copied_.erase(id);
  }

 private:
  Mutex mutex_;
  std::map<FileId, Copied> copied_ COWFS_GUARDED_BY(mutex_);
};

/// Names with what they stood for.
class NamedFiles {
 public:
  /// Whether it is new.
  bool add(const std::string& name, FileId id) { return files_.insert({name, id}).second; }
  bool has(const std::string& name, FileId id) const { return files_.contains({name, id}); }

 private:
  std::set<std::pair<std::string, FileId>> files_;
};

}  // namespace cowfs
