#include "lib/volume/volume.h"

#include <sys/stat.h>

#include "lib/volume/inode_record.h"
#include "lib/volume/inode_table.h"
#include "lib/volume/orphans.h"

namespace cowfs {

Volume::Volume(Store& store, VolumeId id)
    : store_(store), id_(id), inodes_(std::make_unique<InodeTable>(store, id)) {}

Volume::~Volume() = default;

Result<void> Volume::initialize(const RequestContext& context, mode_t permissions) {
  const Operation operation(store_);
  UpdateView view(store_, operation);
  COWFS_ASSIGN(const auto existing, view.get(id_, inode_key(kRootInode)));
  if (existing) return fail(ErrorCode::kExists, "the volume has a root directory");
  InodeRecord root;
  root.mode = S_IFDIR | (permissions & 07777);
  root.link_count = 2;
  root.uid = context.uid;
  root.gid = context.gid;
  root.access_time = root.modify_time = root.change_time = root.birth_time = now();
  Transaction transaction(context);
  put_inode(transaction, id_, kRootInode, root);
  return view.commit(transaction);
}

void Volume::remember(InodeNumber inode) { inodes_->remember(inode); }

// What cannot be erased now stays an orphan until the next mount; there is nobody to tell.
void Volume::forget(InodeNumber inode, std::uint64_t count) {
  if (inodes_->forget(inode, count)) (void)erase_orphan(*this, inode);
}

Result<void> Volume::open_file(InodeNumber inode, bool writable) {
  COWFS_TRY(inodes_->pin());
  const auto open = [&]() -> Result<void> {
    ReadView view(store_);
    if (writable) {
      COWFS_ASSIGN(const VolumeInfo info, view.volume(id_));
      if (info.read_only || store_.read_only()) return fail(ErrorCode::kReadOnly);
    }
    COWFS_ASSIGN(const InodeRecord record, load_inode(view, id_, inode));
    return inodes_->open(inode, writable, record.link_count == 0);
  };
  auto opened = open();
  if (!opened) inodes_->unpin();
  return opened;
}

void Volume::close_file(InodeNumber inode, bool writable) {
  if (inodes_->close(inode, writable)) (void)erase_orphan(*this, inode);
  inodes_->unpin();
}

std::vector<InodeNumber> Volume::open_writers() { return inodes_->open_writers(); }

}  // namespace cowfs
