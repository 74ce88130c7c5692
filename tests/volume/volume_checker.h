// Checks that a volume's tree is whole: every name has its inode, every inode the right number of
// names, each entry its two items, each directory one parent and the figures that follow from its
// entries, each file the blocks of its extents, each inode without names an orphan item, and
// nothing is left of inodes that are gone.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <utility>

#include "lib/volume/file_data.h"
#include "lib/volume/inode_record.h"
#include "lib/volume/name_item.h"
#include "lib/volume/volume.h"
#include "tests/support/result_matchers.h"

namespace cowfs {

class VolumeChecker {
 public:
  explicit VolumeChecker(Volume& volume) : volume_(volume) {}

  void run() {
    {
      ReadView view(volume_.store());
      ASSERT_THAT(view.scan(volume_.id(), std::string_view("\0", 1),
                            [&](std::string_view key, std::string_view value) {
                              visit(key, value);
                              return !::testing::Test::HasFatalFailure();
                            }),
                  IsOk());
    }
    for (const auto& [inode, record] : records_) check_inode(inode, record);
    EXPECT_EQ(names_, parents_) << "names and parent items differ";
    for (const InodeNumber inode : others_) EXPECT_TRUE(records_.contains(inode)) << raw(inode);
    for (const InodeNumber inode : orphans_) EXPECT_TRUE(records_.contains(inode)) << raw(inode);
  }

 private:
  using Link = std::tuple<InodeNumber, InodeNumber, std::uint64_t, std::string>;

  void visit(std::string_view key, std::string_view value) {
    const InodeNumber inode{ByteReader(key).be<std::uint64_t>()};
    ByteReader rest(rest_of(key));
    switch (kind_of(key)) {
      case KeyKind::kInode: {
        const auto record = decode_inode(value);
        ASSERT_THAT(record, IsOk());
        records_[inode] = *record;
        break;
      }
      case KeyKind::kName: {
        const auto item = decode_name(key, value);
        ASSERT_THAT(item, IsOk());
        const std::uint64_t first = first_cookie(volume_.store().name_seed(), item->name);
        EXPECT_EQ(item->cookie - item->cookie % 256, first) << item->name;
        EXPECT_TRUE(directories_[inode].insert(item->name).second) << "twice: " << item->name;
        sizes_[inode] += item->name.size() + 32;
        if (S_ISDIR(item->type)) ++subdirectories_[inode];
        types_[item->child] = item->type;
        names_.insert({item->child, inode, item->cookie, item->name});
        others_.insert(inode);
        break;
      }
      case KeyKind::kParent: {
        const InodeNumber directory{rest.be<std::uint64_t>()};
        const auto cookie = rest.be<std::uint64_t>();
        parents_.insert({inode, directory, cookie, std::string(value)});
        ++links_[inode];
        others_.insert(inode);
        break;
      }
      case KeyKind::kOrphan:
        if (decode_orphan(value) == OrphanState::kUnlinked) {
          orphans_.insert(InodeNumber{rest.be<std::uint64_t>()});
        }
        break;
      case KeyKind::kExtent: {
        const auto extent = decode_extent(key, value);
        ASSERT_TRUE(extent.has_value());
        blocks_[inode] += extent->blocks.count;
        others_.insert(inode);
        break;
      }
      default: others_.insert(inode);
    }
  }

  void check_inode(InodeNumber inode, const InodeRecord& record) {
    SCOPED_TRACE("inode " + std::to_string(raw(inode)));
    EXPECT_EQ(record.link_count == 0, orphans_.contains(inode));
    if (links_.contains(inode)) {
      EXPECT_EQ(types_[inode], record.type());
    }
    if (!record.is_directory()) {
      EXPECT_EQ(record.link_count, links_[inode]);
      EXPECT_EQ(record.blocks, blocks_[inode]);
      EXPECT_FALSE(directories_.contains(inode));
      return;
    }
    EXPECT_EQ(record.size, sizes_[inode]);
    if (record.link_count == 0) {
      EXPECT_EQ(sizes_[inode], 0u);
      EXPECT_EQ(links_[inode], 0u);
      return;
    }
    EXPECT_EQ(record.link_count, 2 + subdirectories_[inode]);
    EXPECT_EQ(links_[inode], inode == kRootInode ? 0u : 1u);
  }

  Volume& volume_;
  std::map<InodeNumber, InodeRecord> records_;
  std::map<InodeNumber, std::set<std::string>> directories_;
  std::map<InodeNumber, std::uint64_t> sizes_;
  std::map<InodeNumber, std::uint32_t> subdirectories_;
  std::map<InodeNumber, std::uint32_t> links_;
  std::map<InodeNumber, mode_t> types_;
  std::map<InodeNumber, std::uint64_t> blocks_;
  std::set<Link> names_;
  std::set<Link> parents_;
  std::set<InodeNumber> orphans_;
  std::set<InodeNumber> others_;  // inodes that have any item but their own
};

inline void check_volume(Volume& volume) {
  SCOPED_TRACE("volume " + std::to_string(raw(volume.id())));
  VolumeChecker(volume).run();
}

}  // namespace cowfs
