// Items of a volume that contradict each other, one way at a time: found, mended, and nothing else
// harmed.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>

#include "lib/volume/borrowed_storage.h"
#include "lib/volume/file_data.h"
#include "lib/volume/inode_record.h"
#include "lib/volume/name_item.h"
#include "lib/volume/orphans.h"
#include "lib/volume/own_object.h"
#include "tests/fsck/damaged_store.h"
#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

using testing::Contains;
using testing::Field;
using testing::IsEmpty;

/// What is broken: a volume that holds dir/file (three blocks), dir/link, dir/sub/, dir/symlink
/// (two chunks), dir/other.
struct Scene {
  Store& store;
  VolumeId volume{};
  InodeNumber directory{}, file{}, sub{}, symlink{}, other{};

  std::string get(const std::string& key) const {
    ReadView view(store);
    return view.get(volume, key).value().value_or("");
  }
  InodeRecord record(InodeNumber inode) const { return *decode_inode(get(inode_key(inode))); }
  NameItem name(std::string_view text, InodeNumber in) const {
    ReadView view(store);
    return *find_name(view, volume, in, text, store.name_seed())->item;
  }
  std::string name_key_of(std::string_view text) const {
    return name_key(directory, name(text, directory).cookie);
  }
  std::string parent_key_of(std::string_view text) const {
    const NameItem item = name(text, directory);
    return key_of(item.child, KeyKind::kParent).be(raw(directory)).be(item.cookie).take();
  }
  Extent extent(InodeNumber inode) const {
    const std::string key = extent_key(inode, 0);
    return *decode_extent(key, get(key));
  }
};

using Break = std::function<void(const Scene&, Transaction&)>;

struct Breakage {
  const char* name;
  Break make;
  const char* code;               // of a problem that must be told
  std::set<std::string> changed;  // paths that may be other than before
};

void PrintTo(const Breakage& breakage, std::ostream* out) { *out << breakage.name; }

RequestContext owner() {
  RequestContext context;
  context.request_id = 1;
  context.uid = context.gid = 1000;
  return context;
}

StoreOptions quiet_options() {
  StoreOptions options;
  options.background = false;
  options.reserve_bytes = 0;
  return options;
}

class BrokenVolume : public testing::TestWithParam<Breakage> {
 protected:
  void SetUp() override {
    ASSERT_THAT(FileSystem::format(storage_, owner(), 0755, {.seed = 7}), IsOk());
    auto opened = FileSystem::open(std::make_unique<BorrowedStorage>(storage_), quiet_options());
    ASSERT_THAT(opened, IsOk());
    Volume& main = **(*opened)->volume(kMainVolume);
    directory_ = main.make_directory(owner(), kRootInode, "dir", 0755)->inode;
    file_ = main.make_node(owner(), directory_, "file", S_IFREG | 0644, 0)->inode;
    const std::string bytes(3 * kBlockSize, 'f');
    ASSERT_THAT(main.write(owner(), file_, 0, std::as_bytes(std::span(bytes)), false), IsOk());
    ASSERT_THAT(main.link(owner(), file_, directory_, "link"), IsOk());
    ASSERT_THAT(main.set_extended_attribute(owner(), file_, "user.long", std::string(2000, 'a'),
                                            AttributeMode::kAny),
                IsOk());
    sub_ = main.make_directory(owner(), directory_, "sub", 0755)->inode;
    const auto below = main.make_directory(owner(), sub_, "below", 0755);
    ASSERT_THAT(below, IsOk());
    const auto deep = main.make_node(owner(), below->inode, "deep", S_IFREG | 0644, 0);
    ASSERT_THAT(deep, IsOk());
    ASSERT_THAT(main.write(owner(), deep->inode, 0, std::as_bytes(std::span(bytes)), false),
                IsOk());
    symlink_ = main.make_symlink(owner(), directory_, "symlink", std::string(1000, 't'))->inode;
    other_ = main.make_node(owner(), directory_, "other", S_IFREG | 0600, 0)->inode;
    ASSERT_THAT(main.write(owner(), other_, 0, std::as_bytes(std::span(bytes)), false), IsOk());
    ASSERT_THAT((*opened)->create_volume(owner(), kMainVolume, "snapshot", VolumeKind::kSnapshot),
                IsOk());
    ASSERT_THAT((*opened)->close(), IsOk());
    before_ = read_all(storage_);
  }

  void break_it(VolumeId volume, const Break& make) {
    auto store = Store::open(std::make_unique<BorrowedStorage>(storage_), quiet_options());
    ASSERT_THAT(store, IsOk());
    {
      Transaction transaction;
      make(Scene{**store, volume, directory_, file_, sub_, symlink_, other_}, transaction);
      transaction.allow_read_only();
      Operation operation(**store);
      UpdateView view(**store, operation);
      ASSERT_THAT(view.commit(transaction), IsOk());
    }
    ASSERT_THAT((*store)->close(), IsOk());
  }

  MemoryStorage storage_;
  InodeNumber directory_{}, file_{}, sub_{}, symlink_{}, other_{};
  Contents before_;
};

TEST_P(BrokenVolume, IsFoundAndMended) {
  const Breakage& breakage = GetParam();
  for (const std::string volume : {"main", "snapshot"}) {
    SCOPED_TRACE(volume);
    break_it(volume == "main" ? kMainVolume : VolumeId{1}, breakage.make);
    if (HasFatalFailure()) return;
    const auto found = check_store(storage_);
    ASSERT_THAT(found, IsOk());
    EXPECT_THAT(found->problems.kept(), Contains(AllOf(Field(&Problem::code, breakage.code),
                                                       Field(&Problem::volume, volume))))
        << text_of(found->problems);
    const auto mended = repair_store(storage_);
    ASSERT_THAT(mended, IsOk()) << text_of(found->problems);
    const auto after = check_store(storage_);
    ASSERT_THAT(after, IsOk());
    EXPECT_TRUE(after->problems.clean()) << text_of(found->problems) << "mended:\n"
                                         << text_of(*mended) << "left:\n"
                                         << text_of(after->problems);
  }
  std::set<std::string> allowed;
  for (const std::string& path : breakage.changed) {
    allowed.insert("main:" + path);
    allowed.insert("snapshot:" + path);
  }
  for (const std::string& path : differences(before_, read_all(storage_)))
    EXPECT_TRUE(allowed.contains(path)) << path;
}

void change_record(const Scene& s, Transaction& t, InodeNumber inode,
                   const std::function<void(InodeRecord&)>& change) {
  InodeRecord record = s.record(inode);
  change(record);
  put_inode(t, s.volume, inode, record);
}

std::string chunk_key_of(InodeNumber inode, const char* name, std::uint16_t chunk) {
  return key_of(inode, KeyKind::kAttribute).bytes(name).be(std::uint8_t{0}).be(chunk).take();
}

const Breakage kBreakages[] = {
    {"an_entry_is_gone",
     [](const Scene& s, Transaction& t) { t.erase(s.volume, s.name_key_of("file")); },
     "link",
     {}},
    {"a_parent_item_is_gone",
     [](const Scene& s, Transaction& t) { t.erase(s.volume, s.parent_key_of("link")); },
     "link",
     {}},
    {"both_items_are_gone",
     [](const Scene& s, Transaction& t) {
       t.erase(s.volume, s.name_key_of("other"));
       t.erase(s.volume, s.parent_key_of("other"));
     },
     "no-name",
     {"dir/other"}},
    {"a_directory_has_no_name",
     [](const Scene& s, Transaction& t) {
       t.erase(s.volume, s.name_key_of("sub"));
       t.erase(s.volume, s.parent_key_of("sub"));
     },
     "no-name",
     {"dir/sub", "dir/sub/below", "dir/sub/below/deep"}},
    {"an_inode_is_gone",
     [](const Scene& s, Transaction& t) {
       t.erase(s.volume, inode_key(s.other));
       t.erase(s.volume, extent_key(s.other, 0));
       t.release(s.extent(s.other).blocks);
     },
     "link",
     {"dir/other"}},
    {"the_record_of_a_file_is_gone",
     [](const Scene& s, Transaction& t) { t.erase(s.volume, inode_key(s.file)); },
     "inode",
     {}},
    {"the_record_of_a_directory_is_gone",
     [](const Scene& s, Transaction& t) { t.erase(s.volume, inode_key(s.sub)); },
     "inode",
     {}},
    {"the_record_of_a_link_is_gone",
     [](const Scene& s, Transaction& t) { t.erase(s.volume, inode_key(s.symlink)); },
     "inode",
     {}},
    {"a_record_makes_no_sense",
     [](const Scene& s, Transaction& t) { t.put(s.volume, inode_key(s.file), "?"); },
     "inode",
     {}},
    {"the_root_is_gone",
     [](const Scene& s, Transaction& t) { t.erase(s.volume, inode_key(kRootInode)); },
     "inode",
     {}},
    {"a_link_count_is_wrong",
     [](const Scene& s, Transaction& t) {
       change_record(s, t, s.file, [](InodeRecord& r) { r.link_count = 7; });
     },
     "link-count",
     {}},
    {"a_directory_counts_wrong",
     [](const Scene& s, Transaction& t) {
       change_record(s, t, s.directory, [](InodeRecord& r) { r.link_count = 9, r.size = 1; });
     },
     "link-count",
     {}},
    {"blocks_are_too_many",
     [](const Scene& s, Transaction& t) {
       change_record(s, t, s.file, [](InodeRecord& r) { r.blocks = 1; });
     },
     "inode",
     {}},
    {"data_is_gone",
     [](const Scene& s, Transaction& t) {
       t.erase(s.volume, extent_key(s.other, 0));
       t.release(s.extent(s.other).blocks);
     },
     "data-lost",
     {"dir/other"}},
    {"a_flag_is_wrong",
     [](const Scene& s, Transaction& t) {
       change_record(s, t, s.file, [](InodeRecord& r) { r.flags = kInodeHasCapability; });
     },
     "inode",
     {}},
    {"a_truncation_is_not_noted",
     [](const Scene& s, Transaction& t) {
       change_record(s, t, s.file, [](InodeRecord& r) { r.flags = kInodeTruncating; });
     },
     "orphan",
     {}},
    {"a_truncation_is_noted_for_nothing",
     [](const Scene& s, Transaction& t) {
       t.put(s.volume, orphan_key(s.file), encode_truncated_orphan(1));
     },
     "orphan",
     {}},
    {"an_orphan_has_a_name",
     [](const Scene& s, Transaction& t) { t.put(s.volume, orphan_key(s.file), ""); },
     "orphan",
     {}},
    {"an_orphan_is_gone",
     [](const Scene& s, Transaction& t) { t.put(s.volume, orphan_key(InodeNumber{99999}), ""); },
     "orphan",
     {}},
    {"an_orphan_item_makes_no_sense",
     [](const Scene& s, Transaction& t) { t.put(s.volume, orphan_key(s.file), "xyz"); },
     "orphan",
     {}},
    {"an_attribute_has_a_gap",
     [](const Scene& s, Transaction& t) {
       t.erase(s.volume, chunk_key_of(s.file, "user.long", 1));
     },
     "attribute",
     {"dir/file", "dir/link"}},
    {"an_attribute_has_no_name",
     [](const Scene& s, Transaction& t) {
       t.put(s.volume, key_of(s.file, KeyKind::kAttribute).bytes("rubbish").take(), "x");
     },
     "attribute",
     {}},
    {"a_target_is_cut",
     [](const Scene& s, Transaction& t) {
       t.erase(s.volume, key_of(s.symlink, KeyKind::kSymlink).be(std::uint16_t{1}).take());
     },
     "symlink",
     {"dir/symlink"}},
    {"extents_overlap",
     [](const Scene& s, Transaction& t) {
       Extent extent = s.extent(s.file);
       extent.file_block = 1;
       t.put(s.volume, extent_key(s.file, 1), encode_extent(extent));
       t.retain(extent.blocks);
     },
     "extent",
     {}},
    {"data_lies_past_the_end",
     [](const Scene& s, Transaction& t) {
       Extent extent = s.extent(s.file);
       extent.file_block = 100;
       t.put(s.volume, extent_key(s.file, 100), encode_extent(extent));
       t.retain(extent.blocks);
     },
     "extent",
     {}},
    {"a_directory_has_data",
     [](const Scene& s, Transaction& t) {
       t.put(s.volume, extent_key(s.sub, 0), encode_extent(s.extent(s.file)));
       t.retain(s.extent(s.file).blocks);
     },
     "extent",
     {}},
    {"an_own_object_makes_no_sense",
     [](const Scene& s, Transaction& t) {
       t.put(s.volume, own_object_key(s.file, 0), std::string(16, 'x'));
     },
     "own-object",
     {}},
    {"directories_lie_in_a_circle",
     [](const Scene& s, Transaction& t) {
       // dir moves below dir/sub.
       const NameItem item = s.name("dir", kRootInode);
       erase_name(t, s.volume, kRootInode, item);
       put_name(t, s.volume, s.sub, item);
     },
     "circle",
     {"dir", "dir/file", "dir/link", "dir/sub", "dir/sub/below", "dir/sub/below/deep",
      "dir/symlink", "dir/other"}},
    {"a_directory_has_two_names",
     [](const Scene& s, Transaction& t) {
       NameItem item = s.name("sub", s.directory);
       item.name = "second";
       item.cookie = first_cookie(s.store.name_seed(), item.name);
       put_name(t, s.volume, kRootInode, item);
     },
     "link",
     {"dir/sub", "dir/sub/below", "dir/sub/below/deep"}},
    {"an_entry_lies_in_a_wrong_place",
     [](const Scene& s, Transaction& t) {
       NameItem item = s.name("file", s.directory);
       erase_name(t, s.volume, s.directory, item);
       item.cookie = 77 << 8;
       put_name(t, s.volume, s.directory, item);
     },
     "name",
     {"dir/file"}},
    {"an_entry_is_there_twice",
     [](const Scene& s, Transaction& t) {
       NameItem item = s.name("file", s.directory);
       ++item.cookie;
       put_name(t, s.volume, s.directory, item);
     },
     "name",
     {}},
    {"an_entry_makes_no_sense",
     [](const Scene& s, Transaction& t) { t.put(s.volume, s.name_key_of("other"), "?"); },
     "name",
     {}},
    {"an_entry_has_a_wrong_type",
     [](const Scene& s, Transaction& t) {
       NameItem item = s.name("file", s.directory);
       item.type = S_IFDIR;
       t.put(s.volume, name_key(s.directory, item.cookie), encode_name(item));
     },
     "link",
     {}},
    {"a_file_has_entries",
     [](const Scene& s, Transaction& t) {
       put_name(t, s.volume, s.other,
                {first_cookie(s.store.name_seed(), "x"), s.file, S_IFREG, "x"});
     },
     "name",
     {}},
    {"a_reserved_inode_has_items",
     [](const Scene& s, Transaction& t) { t.put(s.volume, inode_key(InodeNumber{5}), "x"); },
     "item",
     {}},
    {"an_inode_is_too_high",
     [](const Scene& s, Transaction& t) {
       t.put(s.volume, inode_key(InodeNumber{kInodeLimit + 1}), "x");
     },
     "item",
     {}},
    {"only_attributes_are_left",
     [](const Scene& s, Transaction& t) {
       t.put(s.volume, chunk_key_of(InodeNumber{5000}, "user.x", 0), "x");
     },
     "inode",
     {}},
};

INSTANTIATE_TEST_SUITE_P(All, BrokenVolume, testing::ValuesIn(kBreakages),
                         [](const auto& param) { return param.param.name; });

const Breakage& breakage_named(std::string_view name) {
  return *std::ranges::find(kBreakages, name, &Breakage::name);
}

class LostAndFound : public BrokenVolume {
 protected:
  std::map<std::string, std::string> main_after_repair() {
    break_it(kMainVolume, GetParam().make);
    EXPECT_THAT(repair_store(storage_), IsOk());
    return read_all(storage_).at("main");
  }
  static std::string place_of(InodeNumber inode) {
    return "lost+found/#" + std::to_string(raw(inode));
  }
};

class LostFile : public LostAndFound {};

TEST_P(LostFile, IsThereWithItsBytes) {
  const auto main = main_after_repair();
  EXPECT_EQ(main.at(place_of(other_)), before_.at("main").at("dir/other"));
  EXPECT_FALSE(main.contains("dir/other"));
}

INSTANTIATE_TEST_SUITE_P(Names, LostFile, testing::Values(breakage_named("both_items_are_gone")));

class LostDirectory : public LostAndFound {};

TEST_P(LostDirectory, IsThereWithAllThatIsBelowIt) {
  const auto main = main_after_repair();
  for (const std::string path : {"", "/below", "/below/deep"}) {
    ASSERT_TRUE(main.contains(place_of(sub_) + path)) << path;
    EXPECT_EQ(main.at(place_of(sub_) + path), before_.at("main").at("dir/sub" + path));
  }
  EXPECT_FALSE(main.contains("dir/sub"));
}

INSTANTIATE_TEST_SUITE_P(Names, LostDirectory,
                         testing::Values(breakage_named("a_directory_has_no_name")));

}  // namespace
}  // namespace cowfs
