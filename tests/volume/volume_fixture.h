// A file system in memory for tests: formatted, open, without background threads, checked at the
// end.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/storage/memory_storage.h"
#include "lib/volume/file_system.h"
#include "lib/volume/inode_table.h"
#include "tests/support/result_matchers.h"
#include "tests/volume/volume_checker.h"

namespace cowfs {

inline StoreOptions quiet_store_options() {
  StoreOptions options;
  options.background = false;
  options.reserve_bytes = 0;
  return options;
}

class VolumeTest : public ::testing::Test {
 protected:
  void SetUp() override { start(std::make_unique<MemoryStorage>(storage_options())); }

  void TearDown() override {
    if (file_system_ == nullptr) return;
    check_all();
    main_.reset();
    if (!read_only_) {
      EXPECT_THAT(file_system_->close(), IsOk());
    }
  }

  virtual MemoryStorage::Options storage_options() { return {}; }

  void start(std::unique_ptr<MemoryStorage> storage) {
    FormatOptions format;
    format.seed = 7;
    ASSERT_THAT(FileSystem::format(*storage, owner(), 0755, format), IsOk());
    open(std::move(storage), quiet_store_options());
  }

  void open(std::unique_ptr<MemoryStorage> storage, const StoreOptions& options) {
    storage_ = storage.get();
    read_only_ = options.read_only;
    auto opened = FileSystem::open(std::move(storage), options);
    ASSERT_THAT(opened, IsOk());
    file_system_ = std::move(*opened);
    auto main = file_system_->volume(kMainVolume);
    ASSERT_THAT(main, IsOk());
    main_ = *main;
  }

  /// Closes and opens again.
  void reopen(const StoreOptions& options = quiet_store_options()) {
    main_.reset();
    ASSERT_THAT(file_system_->close(), IsOk());
    open_again(options);
  }
  /// Opens what a kill right after the last checkpoint leaves.
  void kill_and_reopen() {
    ASSERT_THAT(file_system_->store().sync(), IsOk());
    open_again(quiet_store_options());
  }

  void check_all() {
    for (const VolumeInfo& info : store().list_volumes()) check_volume(volume(info.id));
    if (!read_only_) {
      EXPECT_THAT(store().verify(), IsOk());
    }
  }

  Store& store() { return file_system_->store(); }
  FileSystem& file_system() { return *file_system_; }
  Volume& main() { return *main_; }
  Volume& volume(VolumeId id) {
    auto found = file_system_->volume(id);
    EXPECT_THAT(found, IsOk());
    return **found;
  }
  MemoryStorage& storage() { return *storage_; }

  static RequestContext user(uid_t id) {
    RequestContext context;
    context.request_id = 1;
    context.uid = id;
    context.gid = id;
    return context;
  }
  static RequestContext owner() { return user(1000); }
  static RequestContext stranger() { return user(2000); }

  InodeNumber make_file(std::string_view name, InodeNumber directory = kRootInode) {
    return inode_of(main().make_node(owner(), directory, name, S_IFREG | 0644, 0));
  }
  InodeNumber make_directory(std::string_view name, InodeNumber directory = kRootInode) {
    return inode_of(main().make_directory(owner(), directory, name, 0755));
  }
  static InodeNumber inode_of(const Result<Attributes>& attributes) {
    EXPECT_THAT(attributes, IsOk());
    return attributes ? attributes->inode : InodeNumber{};
  }
  Attributes stat(InodeNumber inode) {
    auto attributes = main().get_attributes(inode);
    EXPECT_THAT(attributes, IsOk());
    return attributes.value_or(Attributes{});
  }
  ErrorCode lookup_error(std::string_view name, InodeNumber directory = kRootInode) {
    const auto found = main().lookup(directory, name);
    EXPECT_FALSE(found.has_value());
    return found ? ErrorCode::kExists : found.error().code;
  }

  void write_text(InodeNumber inode, std::string_view text, std::uint64_t offset = 0) {
    EXPECT_THAT(main().write(owner(), inode, offset, std::as_bytes(std::span(text)), false),
                HoldsValue(text.size()));
  }
  std::string read_text(Volume& from, InodeNumber inode, std::size_t size) {
    std::string text(size, '\0');
    const auto count = from.read(inode, 0, std::as_writable_bytes(std::span(text)));
    EXPECT_THAT(count, IsOk());
    text.resize(count.value_or(0));
    return text;
  }
  /// Names in the order of reading, without "." and "..".
  static std::vector<std::string> names_in(Volume& from, InodeNumber directory) {
    std::vector<std::string> names;
    EXPECT_THAT(from.read_directory(directory, 2, false,
                                    [&](const DirectoryEntry& entry, const Attributes*) {
                                      names.emplace_back(entry.name);
                                      return true;
                                    }),
                IsOk());
    return names;
  }

  VolumeInfo fork(std::string_view name, VolumeKind kind = VolumeKind::kFork) {
    auto made = file_system_->create_volume(owner(), kMainVolume, name, kind);
    EXPECT_THAT(made, IsOk());
    return made.value_or(VolumeInfo{});
  }

 private:
  void open_again(const StoreOptions& options) {
    auto again = std::make_unique<MemoryStorage>(storage_options(), storage_->content());
    main_.reset();
    file_system_.reset();
    open(std::move(again), options);
  }

  MemoryStorage* storage_ = nullptr;
  std::unique_ptr<FileSystem> file_system_;
  std::shared_ptr<Volume> main_;
  bool read_only_ = false;
};

}  // namespace cowfs
