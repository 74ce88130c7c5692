// Volume::sync: one shared checkpoint makes everything durable, this file too.

#include "lib/volume/volume.h"

namespace cowfs {

Result<void> Volume::sync(InodeNumber inode, bool data_only) {
  (void)inode;
  (void)data_only;
  if (store_.read_only()) return {};
  return store_.sync();
}

}  // namespace cowfs
