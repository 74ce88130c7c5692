#include "lib/volume/tree_clone.h"

#include <sys/stat.h>

#include <algorithm>
#include <list>

#include "lib/volume/change_checks.h"
#include "lib/volume/directory_walk.h"
#include "lib/volume/file_change.h"
#include "lib/volume/file_data.h"
#include "lib/volume/orphans.h"
#include "lib/volume/tree_clone_step.h"
#include "lib/volume/volume_change.h"

namespace cowfs {
namespace {

constexpr mode_t kRead = 4;
constexpr mode_t kWrite = 2;
constexpr mode_t kSearch = 1;

/// The locks of several files of one volume, in the order of their numbers.
class FileLocks {
 public:
  FileLocks(Volume& volume, std::vector<InodeNumber> inodes) COWFS_NO_THREAD_SAFETY_ANALYSIS {
    std::ranges::sort(inodes);
    const auto [first, last] = std::ranges::unique(inodes);
    inodes.erase(first, last);
    for (const InodeNumber inode : inodes) {
      handles_.push_back(volume.inodes().lock_handle(inode));
      handles_.back()->mutex.lock();
    }
  }
  ~FileLocks() COWFS_NO_THREAD_SAFETY_ANALYSIS {
    for (InodeHandle& handle : handles_) handle->mutex.unlock();
  }
  FileLocks(const FileLocks&) = delete;
  FileLocks& operator=(const FileLocks&) = delete;

 private:
  std::list<InodeHandle> handles_;
};

}  // namespace

TreeClone::TreeClone(const RequestContext& context, bool privileged, TreeCloneEnds ends,
                     TreeClonePolicy policy)
    : context_(context), privileged_(privileged), ends_(std::move(ends)), policy_(policy) {}

TreeClone::~TreeClone() {
  if (source_pinned_) ends_.from->inodes().unpin();
}

/// The kernel's generic_permission(): without any bit of the group class it does not look at a
/// list.
bool TreeClone::may(const InodeRecord& record, const std::optional<Acl>& list,
                    mode_t wanted) const {
  if (privileged_) return true;
  if (list && record.uid != context_.uid && (record.mode & S_IRWXG) != 0) {
    return list->grants(context_, record.gid, wanted);
  }
  unsigned shift = 0;
  if (record.uid == context_.uid) shift = 6;
  else if (in_group(context_, record.gid)) shift = 3;
  return ((record.mode >> shift) & wanted) == wanted;
}

Result<void> TreeClone::check_source(const Source& source) const {
  if (privileged_) return {};
  const InodeRecord& record = source.record;
  std::optional<Acl> list;
  if (!source.access_list.empty()) {
    auto decoded = Acl::decode(source.access_list);
    if (!decoded) return fail(ErrorCode::kCorrupted, "an access control list is damaged");
    list = std::move(*decoded);
  }
  if (record.is_directory() && !may(record, list, kRead | kSearch))
    return fail(ErrorCode::kAccessDenied);
  if (record.is_regular() && !may(record, list, kRead)) return fail(ErrorCode::kAccessDenied);
  if (S_ISCHR(record.mode) || S_ISBLK(record.mode)) return fail(ErrorCode::kNotSupported);
  const bool own = record.uid == context_.uid && in_group(context_, record.gid);
  if (policy_.ownership && !own) return fail(ErrorCode::kNotSupported);
  return {};
}

Result<void> TreeClone::check_target(const TreeView& view, const InodeRecord& directory) const {
  if (privileged_) return {};
  COWFS_ASSIGN(const auto list,
               load_acl(view, ends_.to->id(), ends_.directory, kAccessAclAttribute));
  if (!may(directory, list, kWrite | kSearch)) return fail(ErrorCode::kAccessDenied);
  return {};
}

/// Attributes that the caller could not set, or not like that.
Result<void> TreeClone::check_item(std::string_view item_key) const {
  if (privileged_ || !is_attribute_item(item_key)) return {};
  const std::string_view name = attribute_name(item_key);
  if (name.starts_with("user.") || is_acl_attribute(name)) return {};
  return fail(ErrorCode::kNotSupported);
}

/// What the copy of an inode is, as cp and the kernel would make it. Directories hand a setgid bit
/// and its group down while they are made, whatever their permissions are in the end.
InodeRecord TreeClone::new_record(const InodeRecord& source, Timestamp time) const {
  InodeRecord record;
  const mode_t type = source.type();
  const bool sets_group = (directory_record_.mode & S_ISGID) != 0;
  record.uid = policy_.ownership ? source.uid : context_.uid;
  record.gid = policy_.ownership ? source.gid : sets_group ? directory_record_.gid : context_.gid;
  if (policy_.mode || S_ISLNK(type)) {
    record.mode = source.mode;
  } else {
    // open(2) is asked for plain permissions, mkdir(2) takes the sticky bit too, mknod(2) all.
    const mode_t asked = S_ISREG(type) ? 0777 : S_ISDIR(type) ? 01777 : 07777;
    record.mode = type | (source.mode & asked & ~policy_.umask);
    if (S_ISDIR(type) && sets_group) record.mode |= S_ISGID;
  }
  record.link_count = S_ISDIR(type) ? 2 : 1;
  record.size = S_ISDIR(type) ? 0 : source.size;
  record.device = source.device;
  record.access_time = record.modify_time = record.change_time = record.birth_time = time;
  if (policy_.timestamps) {
    record.access_time = source.access_time;
    record.modify_time = source.modify_time;
  }
  return record;
}

Result<bool> TreeClone::lies_in_source() const {
  if (ends_.from->id() != ends_.to->id()) return false;
  if (ends_.source == ends_.directory) return true;
  const ReadView view(ends_.to->store());
  COWFS_ASSIGN(const auto branch,
               branch_below(view, ends_.to->id(), ends_.source, ends_.directory));
  return branch.has_value();
}

Result<void> TreeClone::begin() {
  COWFS_TRY(check_new_name(ends_.name));
  COWFS_TRY(ends_.from->inodes().pin());
  source_pinned_ = true;
  COWFS_ASSIGN(const bool inside, lies_in_source());
  if (inside) return fail(ErrorCode::kInvalidArgument);
  Store& store = ends_.to->store();
  COWFS_ASSIGN(const VolumeInfo source_volume, store.volume(ends_.from->id()));
  source_read_only_ = source_volume.read_only;
  COWFS_ASSIGN(root_, store.allocate_inode());
  const Operation operation(store);
  UpdateView view(store, operation);
  COWFS_TRY(check_writable(view, store, ends_.to->id()));
  COWFS_ASSIGN(const InodeRecord parent, load_inode(view, ends_.to->id(), ends_.directory));
  if (!parent.is_directory()) return fail(ErrorCode::kNotDirectory);
  if (parent.link_count == 0) return fail(ErrorCode::kNotFound);
  COWFS_TRY(check_target(view, parent));
  COWFS_ASSIGN(const auto handed_down,
               load_acl(view, ends_.to->id(), ends_.directory, kDefaultAclAttribute));
  if (handed_down) return fail(ErrorCode::kNotSupported);
  COWFS_ASSIGN(const auto source, Source::load(view, ends_.from->id(), ends_.source, policy_));
  if (!source) return fail(ErrorCode::kStale);
  if (!source->record.is_directory()) return fail(ErrorCode::kNotDirectory);
  COWFS_TRY(check_source(*source));
  directory_record_ = parent;
  root_record_ = new_record(source->record, now());
  InodeRecord staged = root_record_;
  staged.link_count = 0;
  Transaction transaction(context_);
  put_inode(transaction, ends_.to->id(), root_, staged);
  for (const auto& [key, value] : source->items) {
    COWFS_TRY(check_item(key));
    transaction.put(ends_.to->id(), ByteWriter().be(raw(root_)).bytes(key).take(), value);
  }
  transaction.put(ends_.to->id(), orphan_key(root_), encode_staged_orphan());
  ends_.to->inodes().add_kept_orphan(root_);
  if (auto committed = view.commit(transaction); !committed) {
    ends_.to->inodes().drop_orphan(root_);
    return committed;
  }
  staged_ = true;
  counts_.inodes = counts_.directories = 1;
  frames_.push_back({ends_.source, root_, root_record_, 0, false});
  return {};
}

Result<bool> TreeClone::step() {
  if (!large_.empty()) {
    COWFS_TRY(copy_large());
    return true;
  }
  if (frames_.empty()) return false;
  const Frame& frame = frames_.back();
  COWFS_ASSIGN(const auto names, names_from(ReadView(ends_.from->store()), ends_.from->id(),
                                            frame.source, frame.cookie + 1, kNamesPerStep));
  if (names.empty()) {
    const Frame finished = frames_.back();
    frames_.pop_back();
    COWFS_TRY(finish_directory(finished));
    return true;
  }
  COWFS_TRY(run_step(frames_.back(), names));
  return true;
}

Result<void> TreeClone::run_step(Frame& frame, const std::vector<NameItem>& names) {
  std::vector<InodeNumber> files;
  for (const NameItem& name : names) {
    if (S_ISREG(name.type) && !source_read_only_) files.push_back(name.child);
  }
  Store& store = ends_.to->store();
  const Operation operation(store);
  const FileLocks locks(*ends_.from, std::move(files));
  UpdateView view(store, operation);
  COWFS_TRY(check_writable(view, store, ends_.to->id()));
  COWFS_ASSIGN(auto sources, Source::load_all(view, ends_.from->id(), names, policy_));
  Step step(*this, frame, view, now());
  for (std::size_t i = 0; i < names.size(); ++i) {
    COWFS_ASSIGN(const bool fitted, step.add(names[i], std::move(sources[i])));
    if (!fitted) break;
  }
  return step.commit();
}

/// All names of a directory are there: its size and its links, and the times that adding them has
/// not moved.
Result<void> TreeClone::finish_directory(const Frame& frame) {
  if (frame.target == root_) {
    root_record_ = frame.record;
    return {};
  }
  Store& store = ends_.to->store();
  const Operation operation(store);
  UpdateView view(store, operation);
  Transaction transaction(context_);
  put_inode(transaction, ends_.to->id(), frame.target, frame.record);
  return view.commit(transaction);
}

/// A file of many extents, by the same way as copy_file_range(2); then its record is made what it
/// is to be.
Result<void> TreeClone::copy_large() {
  const Large file = large_.back();
  Volume& to = *ends_.to;
  COWFS_ASSIGN(const Attributes target, to.get_attributes(file.target));
  COWFS_ASSIGN(const std::uint64_t done,
               Volume::clone_range(context_, *ends_.from, file.source, target.size, to, file.target,
                                   target.size, kFileSizeLimit - target.size, false));
  if (done > 0) return {};
  large_.pop_back();
  const Operation operation(to.store());
  UpdateView view(to.store(), operation);
  COWFS_ASSIGN(InodeRecord record, load_inode(view, to.id(), file.target));
  record.access_time = file.record.access_time;
  record.modify_time = file.record.modify_time;
  record.change_time = file.record.change_time;
  record.size = std::max(record.size, file.record.size);  // a hole at its end
  Transaction transaction(context_);
  put_inode(transaction, to.id(), file.target, record);
  COWFS_TRY(view.commit(transaction));
  count_file(record);
  return {};
}

void TreeClone::count_file(const InodeRecord& record) {
  const std::uint64_t shared = std::min(record.size, record.blocks * kBlockSize);
  ++counts_.files;
  counts_.shared_bytes += shared;
  counts_.hole_bytes += record.size - shared;
}

Result<Attributes> TreeClone::publish() {
  VolumeChange change(*ends_.to, context_);
  COWFS_TRY(change.check_writable());
  COWFS_ASSIGN(const InodeRecord* parent, change.directory(ends_.directory));
  COWFS_TRY(check_target(change.view(), *parent));
  COWFS_ASSIGN(const std::uint64_t cookie, change.find_free(ends_.directory, ends_.name));
  change.add_inode(root_, root_record_);
  COWFS_TRY(change.add_entry(ends_.directory, {cookie, root_, S_IFDIR, ends_.name}));
  change.adopt(root_);
  COWFS_TRY(change.commit());
  staged_ = false;
  return attributes_of(root_, root_record_);
}

Result<void> TreeClone::abandon() {
  if (!staged_) return {};
  staged_ = false;
  // From kept to being erased: nobody holds it.
  ends_.to->inodes().drop_orphan(root_);
  (void)ends_.to->inodes().add_orphan(root_);
  return erase_orphan(*ends_.to, root_);
}

}  // namespace cowfs
