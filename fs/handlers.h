// The handlers of requests, by family; each is a few lines: decode, call, reply.
//
// Each function here adds its family to the table that libfuse calls. What is not in the table at
// the end is answered ENOSYS by libfuse, which the kernel remembers: FLUSH (we need none; locks are
// the kernel's), ACCESS (the kernel checks permissions), POLL, BMAP, SETLK, FLOCK.
#pragma once

#include "fs/fuse_compat.h"

namespace cowfs {

void add_name_handlers(fuse_lowlevel_ops& table);                // ops_names.cc
void add_attribute_handlers(fuse_lowlevel_ops& table);           // ops_attributes.cc
void add_file_handlers(fuse_lowlevel_ops& table);                // ops_files.cc
void add_range_handlers(fuse_lowlevel_ops& table);               // ops_ranges.cc
void add_directory_handlers(fuse_lowlevel_ops& table);           // ops_directories.cc
void add_extended_attribute_handlers(fuse_lowlevel_ops& table);  // ops_xattr.cc
void add_ioctl_handlers(fuse_lowlevel_ops& table);               // ops_ioctl.cc

}  // namespace cowfs
