// Reading directories by cookie, in batches: the tree lock is held for one batch at a time.
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "lib/volume/directory_walk.h"
#include "lib/volume/volume.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kSelfCookie = 1;
constexpr std::uint64_t kParentCookie = 2;
constexpr std::size_t kFirstBatch = 32;
constexpr std::size_t kLargestBatch = 256;

struct Entry {
  NameItem item;
  Attributes attributes;
};

struct Batch {
  std::vector<Entry> entries;
  bool last = false;
};

/// Reads entries after a cookie from one directory.
class DirectoryReader {
 public:
  DirectoryReader(const TreeView& view, VolumeId volume, InodeNumber directory, bool attributes)
      : view_(view), volume_(volume), directory_(directory), attributes_(attributes) {}

  Result<Batch> read(std::uint64_t cookie, std::size_t limit) {
    Batch batch;
    COWFS_ASSIGN(const InodeRecord record, load_inode(view_, volume_, directory_));
    if (!record.is_directory()) return fail(ErrorCode::kNotDirectory);
    batch.last = record.link_count == 0;  // removed: has no entries, not even its own two
    if (batch.last) return batch;
    if (cookie < kSelfCookie) add(batch, kSelfCookie, directory_, ".");
    if (cookie < kParentCookie) {
      COWFS_ASSIGN(const InodeNumber parent, parent_in(view_, volume_, directory_));
      add(batch, kParentCookie, parent, "..");
    }
    COWFS_TRY(add_names(batch, cookie, limit));
    if (attributes_) COWFS_TRY(load_attributes(batch));
    return batch;
  }

 private:
  static void add(Batch& batch, std::uint64_t cookie, InodeNumber inode, const char* name) {
    batch.entries.push_back({{cookie, inode, S_IFDIR, name}, {}});
  }

  Result<void> add_names(Batch& batch, std::uint64_t cookie, std::size_t limit) {
    const std::size_t room = limit - batch.entries.size();
    // One more shows whether there are more.
    COWFS_ASSIGN(auto names, names_from(view_, volume_, directory_,
                                        std::max(cookie + 1, kFirstNameCookie), room + 1));
    batch.last = names.size() <= room;
    if (!batch.last) names.pop_back();
    for (NameItem& item : names) batch.entries.push_back({std::move(item), {}});
    return {};
  }

  Result<void> load_attributes(Batch& batch) {
    for (Entry& entry : batch.entries) {
      COWFS_ASSIGN(const InodeRecord record, load_named(view_, volume_, entry.item.child));
      entry.attributes = attributes_of(entry.item.child, record);
    }
    return {};
  }

  const TreeView& view_;
  const VolumeId volume_;
  const InodeNumber directory_;
  const bool attributes_;
};

}  // namespace

Result<void> Volume::read_directory(InodeNumber directory, std::uint64_t cookie, bool attributes,
                                    const VisitEntry& visit) {
  for (std::size_t limit = kFirstBatch;; limit = std::min(limit * 2, kLargestBatch)) {
    Batch batch;
    {
      ReadView view(store_);
      COWFS_ASSIGN(batch, DirectoryReader(view, id_, directory, attributes).read(cookie, limit));
    }
    for (const Entry& entry : batch.entries) {
      const DirectoryEntry shown{entry.item.name, entry.item.child, entry.item.type,
                                 entry.item.cookie};
      if (!visit(shown, attributes ? &entry.attributes : nullptr)) return {};
      cookie = entry.item.cookie;
    }
    if (batch.last) return {};
  }
}

}  // namespace cowfs
