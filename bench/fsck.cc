// How fast a check is: makes a store with so many small files and prints inodes a minute.
//
//   bench_fsck DIR [INODES] [SNAPSHOTS]     default 1,000,000 inodes, 3 snapshots with some changes
//   in between
//
// DIR is on the host filesystem to be measured; the store in it is removed at the end. Caches are
// warm: for a cold figure keep the store (COWFS_BENCH_KEEP=1), drop them, and run `fsck.cowfs -fn`.
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "lib/base/check.h"
#include "lib/storage/host_storage.h"
#include "lib/volume/file_system.h"
#include "lib/volume/fsck.h"

namespace {

using namespace cowfs;

constexpr std::uint64_t kFilesInDirectory = 500;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void fill(FileSystem& file_system, std::uint64_t inodes, std::uint64_t snapshots) {
  const auto main = *file_system.volume(kMainVolume);
  const RequestContext context;
  const std::string bytes(3000, 'x');
  const std::uint64_t part = inodes / (snapshots + 1) + 1;
  InodeNumber directory = kRootInode;
  for (std::uint64_t i = 0; i < inodes; ++i) {
    if (i % kFilesInDirectory == 0)
      directory = main->make_directory(context, kRootInode, "dir" + std::to_string(i), 0755)->inode;
    const auto file =
        main->make_node(context, directory, "file" + std::to_string(i), S_IFREG | 0644, 0);
    COWFS_CHECK(file);
    COWFS_CHECK(main->write(context, file->inode, 0, std::as_bytes(std::span(bytes)), false));
    if (i % part == part - 1)
      COWFS_CHECK(file_system.create_volume(context, kMainVolume, "s" + std::to_string(i),
                                            VolumeKind::kSnapshot));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: bench_fsck DIR [INODES] [SNAPSHOTS]\n"), 2;
  const std::string path = std::string(argv[1]) + "/bench-fsck-store";
  const std::uint64_t inodes = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000;
  const std::uint64_t snapshots = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 3;
  {
    auto storage = HostStorage::create(path);
    COWFS_CHECK(storage);
    COWFS_CHECK(FileSystem::format(**storage, {}, 0755));
    auto file_system = FileSystem::open(std::move(*storage));
    COWFS_CHECK(file_system);
    fill(**file_system, inodes, snapshots);
    COWFS_CHECK((*file_system)->close());
  }
  auto storage = HostStorage::open(path, StorageMode::kReadOnly);
  COWFS_CHECK(storage);
  const auto begin = std::chrono::steady_clock::now();
  const auto report = check_store(**storage);
  const double seconds = seconds_since(begin);
  COWFS_CHECK(report && report->problems.clean());
  std::printf("fsck_inodes_per_minute %.0f\n", static_cast<double>(report->inodes) / seconds * 60);
  std::printf("fsck_distinct_inodes_per_minute %.0f\n", static_cast<double>(inodes) / seconds * 60);
  std::printf("fsck_seconds %.2f for %llu inodes of %llu volumes, %llu nodes\n", seconds,
              static_cast<unsigned long long>(report->inodes),
              static_cast<unsigned long long>(report->volumes),
              static_cast<unsigned long long>(report->nodes));
  if (std::getenv("COWFS_BENCH_KEEP") == nullptr) std::filesystem::remove_all(path);
  return 0;
}
