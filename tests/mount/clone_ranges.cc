// clone_ranges SEED STEPS SOURCE_DIR TARGET_DIR
//
// Copies ranges between files with copy_file_range, in a random mix with writes, truncates, punches
// and stores through shared mappings, and compares every file with what a plain array of bytes
// says, after each copy and at the end. SOURCE_DIR and TARGET_DIR may be one directory, or lie in
// two volumes of a mount. Also checks the errors and edges of the call.
#include <linux/falloc.h>
#include <sys/mman.h>

#include <algorithm>

#include "tests/mount/support.h"

namespace {

using namespace mount_test;

constexpr std::size_t kFiles = 4;
constexpr std::size_t kLimit = 512 * 1024;  // bytes of a file

struct File {
  std::string path;
  Fd fd;
  std::vector<char> bytes;  // what it must hold
};

class Model {
 public:
  Model(std::uint64_t seed, const std::string& first_dir, const std::string& second_dir)
      : random_(seed) {
    for (std::size_t i = 0; i < kFiles; ++i) {
      const std::string path = (i % 2 == 0 ? first_dir : second_dir) + "/ranges" +
                               std::to_string(seed) + "." + std::to_string(i);
      files_.push_back({path, open_file(path, O_RDWR | O_CREAT | O_EXCL), {}});
    }
  }

  void run(std::uint64_t steps) {
    for (std::uint64_t step = 0; step < steps; ++step) {
      File& file = files_[below(kFiles)];
      switch (below(8)) {
        case 0: write(file); break;
        case 1: truncate(file); break;
        case 2: punch(file); break;
        case 3: store(file); break;
        default: copy(files_[below(kFiles)], file); break;
      }
    }
    for (File& file : files_) {
      check(file);
      const Fd fresh = open_file(file.path, O_RDONLY);
      expect_bytes(file.bytes, read_range(fresh.get(), 0, kLimit * 2),
                   file.path + ", opened again");
      must(::unlink(file.path.c_str()), "unlink");
    }
  }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  std::uint64_t place(std::uint64_t limit) {
    return below(2) == 0 ? below(limit / 4096) * 4096 : below(limit);
  }
  std::uint64_t length() { return below(2) == 0 ? (1 + below(32)) * 4096 : 1 + below(100000); }

  void write(File& file) {
    const std::uint64_t offset = place(kLimit / 2);
    const std::vector<char> bytes = pattern(random_(), offset, length());
    write_all(file.fd.get(), bytes, offset);
    put(file, offset, bytes);
  }
  void truncate(File& file) {
    file.bytes.resize(place(kLimit / 2), 0);
    must(::ftruncate(file.fd.get(), static_cast<off_t>(file.bytes.size())), "ftruncate");
  }
  void punch(File& file) {
    const std::uint64_t offset = place(kLimit / 2);
    const std::uint64_t size = length();
    must(::fallocate(file.fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     static_cast<off_t>(offset), static_cast<off_t>(size)),
         "punch");
    for (std::uint64_t i = offset; i < std::min<std::uint64_t>(offset + size, file.bytes.size());
         ++i)
      file.bytes[i] = 0;
  }
  // The mapping goes at once, its pages stay dirty: the next copy must see them.
  void store(File& file) {
    if (file.bytes.empty()) return;
    const std::uint64_t offset = below(file.bytes.size());
    const std::vector<char> bytes =
        pattern(random_(), offset, std::min<std::uint64_t>(length(), file.bytes.size() - offset));
    void* map =
        ::mmap(nullptr, file.bytes.size(), PROT_READ | PROT_WRITE, MAP_SHARED, file.fd.get(), 0);
    expect(map != MAP_FAILED, "mmap");
    std::memcpy(static_cast<char*>(map) + offset, bytes.data(), bytes.size());
    put(file, offset, bytes);
    if (below(2) == 0) {
      File& target = files_[below(kFiles)];
      if (&target != &file) copy(file, target);
    }
    must(::munmap(map, file.bytes.size()), "munmap");
  }

  void copy(File& source, File& target) {
    const std::uint64_t from = place(kLimit / 2);
    const std::uint64_t to = place(kLimit / 2);
    std::uint64_t size = length();
    if (from < source.bytes.size())
      size = std::min<std::uint64_t>(size, source.bytes.size() - from);
    auto in = static_cast<off_t>(from);
    auto out = static_cast<off_t>(to);
    const bool overlaps = &source == &target && from < to + size && to < from + size;
    if (overlaps) {
      if (from < source.bytes.size()) {
        must_fail(::copy_file_range(source.fd.get(), &in, target.fd.get(), &out, size, 0), EINVAL,
                  "overlapping copy");
      }
      return;
    }
    if (from >= source.bytes.size()) {
      expect(::copy_file_range(source.fd.get(), &in, target.fd.get(), &out, size, 0) == 0,
             "copy from beyond the end");
      return check(target);
    }
    const std::vector<char> bytes(source.bytes.begin() + static_cast<std::ptrdiff_t>(from),
                                  source.bytes.begin() + static_cast<std::ptrdiff_t>(from + size));
    std::uint64_t done = 0;
    while (done < size) {
      const auto n =
          must(::copy_file_range(source.fd.get(), &in, target.fd.get(), &out, size - done, 0),
               "copy_file_range");
      expect(n > 0,
             "copy_file_range stopped at " + std::to_string(done) + " of " + std::to_string(size));
      done += static_cast<std::uint64_t>(n);
    }
    expect(static_cast<std::uint64_t>(in) == from + size &&
               static_cast<std::uint64_t>(out) == to + size,
           "offsets after the copy");
    put(target, to, bytes);
    check(target);
    check(source);
  }

  static void put(File& file, std::uint64_t offset, std::span<const char> bytes) {
    if (file.bytes.size() < offset + bytes.size()) file.bytes.resize(offset + bytes.size(), 0);
    std::ranges::copy(bytes, file.bytes.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  static void check(const File& file) {
    expect_bytes(file.bytes, read_range(file.fd.get(), 0, kLimit * 2), file.path);
    expect(stat_of(file.fd.get()).st_size == static_cast<off_t>(file.bytes.size()),
           file.path + ": size by fstat");
  }

  std::mt19937_64 random_;
  std::vector<File> files_;
};

void check_edges(const std::string& first_dir, const std::string& second_dir) {
  const std::string from = first_dir + "/edges.from";
  const std::string to = second_dir + "/edges.to";
  const std::vector<char> bytes = pattern(7, 0, 100001);
  const Fd source = open_file(from, O_RDWR | O_CREAT | O_TRUNC);
  const Fd target = open_file(to, O_RDWR | O_CREAT | O_TRUNC);
  write_all(source.get(), bytes, 0);

  // A length far beyond the end, as cp asks for; positions of the descriptors move on.
  must(::lseek(source.get(), 0, SEEK_SET), "lseek");
  std::int64_t done = 0;
  for (std::int64_t n = 1; n != 0; done += n) {
    n = must(
        ::copy_file_range(source.get(), nullptr, target.get(), nullptr, std::size_t{1} << 62, 0),
        "copy of all");
  }
  expect(done == 100001, "copied " + std::to_string(done));
  expect_bytes(bytes, read_range(target.get(), 0, 200000), "copy of all");

  // Over the end of the target, leaving a hole before.
  off_t in = 3;
  off_t out = 300000;
  expect(::copy_file_range(source.get(), &in, target.get(), &out, 5000, 0) == 5000,
         "copy beyond the end of the target");
  expect_bytes(std::vector<char>(300000 - 100001, 0),
               read_range(target.get(), 100001, 300000 - 100001), "the hole");
  expect_bytes(std::span(bytes).subspan(3, 5000), read_range(target.get(), 300000, 9999),
               "the piece behind it");

  // Wrong descriptors and flags.
  const Fd read_only = open_file(to, O_RDONLY);
  const Fd appending = open_file(to, O_WRONLY | O_APPEND);
  const Fd write_only = open_file(from, O_WRONLY);
  const Fd directory = open_file(first_dir, O_RDONLY | O_DIRECTORY);
  must_fail(::copy_file_range(source.get(), nullptr, read_only.get(), nullptr, 10, 0), EBADF,
            "to a read-only descriptor");
  must_fail(::copy_file_range(source.get(), nullptr, appending.get(), nullptr, 10, 0), EBADF,
            "to an appending one");
  must_fail(::copy_file_range(write_only.get(), nullptr, target.get(), nullptr, 10, 0), EBADF,
            "from a write-only one");
  must_fail(::copy_file_range(directory.get(), nullptr, target.get(), nullptr, 10, 0), EISDIR,
            "from a directory");
  must_fail(::copy_file_range(source.get(), nullptr, target.get(), nullptr, 10, 1), EINVAL,
            "with flags");

  // Each side changes alone afterwards, over block borders too.
  in = out = 0;
  must(::ftruncate(target.get(), 0), "ftruncate");
  expect(::copy_file_range(source.get(), &in, target.get(), &out, 100001, 0) == 100001,
         "second copy");
  write_all(source.get(), pattern(8, 4000, 9000), 4000);
  expect_bytes(bytes, read_range(target.get(), 0, 200000), "the copy after a write to its source");
  const std::vector<char> source_now = read_range(source.get(), 0, 200000);
  write_all(target.get(), pattern(9, 12345, 50000), 12345);
  must(::ftruncate(target.get(), 70000), "ftruncate");
  must(::ftruncate(target.get(), 90000), "ftruncate");
  expect_bytes(source_now, read_range(source.get(), 0, 200000),
               "the source after writes to its copy");
  must(::unlink(from.c_str()), "unlink");
  must(::unlink(to.c_str()), "unlink");
}

}  // namespace

int main(int argc, char** argv) {
  expect(argc == 5, "usage: clone_ranges SEED STEPS SOURCE_DIR TARGET_DIR");
  check_edges(argv[3], argv[4]);
  Model(std::stoull(argv[1]), argv[3], argv[4]).run(std::stoull(argv[2]));
  return 0;
}
