// big_directory DIR ENTRIES
//
// Positions in a directory of many entries: every name is listed exactly once; telldir/seekdir
// return to the same entry at any time, also after other entries were made and removed; a reader
// that stands in the directory while entries come and go sees each name that was there all the
// while exactly once; removing while reading removes all.
#include <dirent.h>

#include <algorithm>
#include <memory>
#include <set>

#include "tests/mount/support.h"

namespace {

using namespace mount_test;

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

Dir open_dir(const std::string& path) {
  DIR* dir = ::opendir(path.c_str());
  expect(dir != nullptr, "opendir " + path + ": " + std::strerror(errno));
  return Dir(dir);
}

// The next name, empty at the end.
std::string next_name(const Dir& dir) {
  errno = 0;
  const dirent* entry = ::readdir(dir.get());
  expect(entry != nullptr || errno == 0, std::string("readdir: ") + std::strerror(errno));
  return entry == nullptr ? std::string() : entry->d_name;
}

constexpr const char* kPrefix = "entry-with-a-name-of-some-length-";

std::string name_of(std::uint64_t number) { return kPrefix + std::to_string(number); }

void make(const std::string& path, std::uint64_t number) {
  open_file(path + "/" + name_of(number), O_WRONLY | O_CREAT | O_EXCL);
}
void remove(const std::string& path, std::uint64_t number) {
  must(::unlink((path + "/" + name_of(number)).c_str()), "unlink");
}

void check_all_once(const std::string& path, std::uint64_t entries) {
  std::set<std::string> seen;
  const Dir dir = open_dir(path);
  for (std::string name = next_name(dir); !name.empty(); name = next_name(dir)) {
    expect(seen.insert(name).second, name + " is listed twice");
  }
  expect(seen.size() == entries + 2,
         std::to_string(seen.size()) + " names listed, expected " + std::to_string(entries + 2));
  expect(seen.contains(".") && seen.contains(".."), ". or .. is missing");
}

struct Place {
  long position;
  std::string name;  // what is read at the position
};

std::vector<Place> places_of(const Dir& dir) {
  std::vector<Place> places;
  while (true) {
    const long position = ::telldir(dir.get());
    std::string name = next_name(dir);
    if (name.empty()) return places;
    places.push_back({position, std::move(name)});
  }
}

void check_positions(const std::string& path, std::uint64_t entries) {
  const Dir dir = open_dir(path);
  const std::vector<Place> places = places_of(dir);
  std::set<long> positions;
  for (const Place& place : places)
    expect(positions.insert(place.position).second, "a position is given twice");
  const auto is_new = [&](const std::string& name) {
    return name.starts_with(kPrefix) && std::stoull(name.substr(std::strlen(kPrefix))) >= entries;
  };
  std::mt19937_64 random(1);
  const auto check_some = [&](const std::string& when) {
    for (int i = 0; i < 500; ++i) {
      const Place& place = places[random() % places.size()];
      ::seekdir(dir.get(), place.position);
      std::string name = next_name(dir);
      while (is_new(name)) name = next_name(dir);  // may come or not
      expect(name == place.name,
             "seekdir " + when + " leads to " + name + ", expected " + place.name);
    }
  };
  check_some("back");
  for (std::uint64_t i = 0; i < 1000; ++i) make(path, entries + i);
  ::rewinddir(dir.get());
  check_some("after 1000 entries were made");
  for (std::uint64_t i = 0; i < 1000; ++i) remove(path, entries + i);
  ::rewinddir(dir.get());
  check_some("after 1000 entries were removed");
}

void check_reader_among_changes(const std::string& path, std::uint64_t entries) {
  const Dir dir = open_dir(path);
  std::set<std::string> seen;
  std::uint64_t made = 0;
  for (std::string name = next_name(dir); !name.empty(); name = next_name(dir)) {
    if (name.find("-new") == std::string::npos)
      expect(seen.insert(name).second, name + " is listed twice among changes");
    if (seen.size() % 50 != 0) continue;
    ++made;
    open_file(path + "/" + name_of(made) + "-new", O_WRONLY | O_CREAT);
    if (made > 5) must(::unlink((path + "/" + name_of(made - 5) + "-new").c_str()), "unlink");
  }
  expect(seen.size() == entries + 2, std::to_string(seen.size()) +
                                         " old names listed among changes, expected " +
                                         std::to_string(entries + 2));
  for (std::uint64_t i = made > 5 ? made - 4 : 1; i <= made; ++i)
    must(::unlink((path + "/" + name_of(i) + "-new").c_str()), "unlink");
}

void check_removal_while_reading(const std::string& path) {
  const Dir dir = open_dir(path);
  for (std::string name = next_name(dir); !name.empty(); name = next_name(dir)) {
    if (name != "." && name != "..") must(::unlink((path + "/" + name).c_str()), "unlink " + name);
  }
  must(::rmdir(path.c_str()), "rmdir: something was left");
}

}  // namespace

int main(int argc, char** argv) {
  expect(argc == 3, "usage: big_directory DIR ENTRIES");
  const std::string path = std::string(argv[1]) + "/big";
  const std::uint64_t entries = std::stoull(argv[2]);
  must(::mkdir(path.c_str(), 0755), "mkdir");
  for (std::uint64_t i = 0; i < entries; ++i) make(path, i);
  check_all_once(path, entries);
  check_positions(path, entries);
  check_reader_among_changes(path, entries);
  check_all_once(path, entries);
  check_removal_while_reading(path);
  return 0;
}
