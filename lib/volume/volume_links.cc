#include "lib/volume/volume_links.h"

#include <sys/stat.h>
#include <algorithm>
#include <set>

#include "lib/base/xxh3.h"
#include "lib/volume/inode_record.h"
#include "lib/volume/name_item.h"

namespace cowfs {
namespace {

/// One entry as one of its two items tells it.
struct Link {
  InodeNumber child{};
  InodeNumber directory{};
  std::uint64_t cookie = 0;
  std::uint64_t name_hash = 0;
  mode_t type = 0;  // a directory's item tells it

  auto place() const { return std::tuple(child, directory, cookie, name_hash); }
};

class LinkComparison {
 public:
  LinkComparison(VolumeItems& items, const VolumeFacts& facts, VolumeFindings& findings)
      : items_(items), facts_(facts), findings_(findings) {}

  Result<void> run() {
    COWFS_TRY(
        items_.scan([this](std::string_view key, std::string_view value) { add(key, value); }, {}));
    std::ranges::sort(names_, {}, &Link::place);
    std::ranges::sort(parents_, {}, &Link::place);
    compare();
    return {};
  }

 private:
  void add(std::string_view key, std::string_view value) {
    const InodeNumber inode{ByteReader(key).be<std::uint64_t>()};
    if (raw(inode) >= kInodeLimit || (inode != kRootInode && raw(inode) < raw(kFirstFreeInode)))
      return;
    if (kind_of(key) == KeyKind::kInode) {
      const auto record = decode_inode(value);
      if (record) types_.emplace_back(inode, record->type());
    } else if (kind_of(key) == KeyKind::kName) {
      const auto item = decode_name(key, value);
      if (item)
        names_.push_back({item->child, inode, item->cookie, hash_of(item->name), item->type});
    } else if (kind_of(key) == KeyKind::kParent) {
      ByteReader rest(rest_of(key));
      Link link{inode, InodeNumber{rest.be<std::uint64_t>()}, 0, hash_of(value), 0};
      link.cookie = rest.be<std::uint64_t>();
      if (rest.done() && check_new_name(value)) parents_.push_back(link);
    }
  }

  static std::uint64_t hash_of(std::string_view name) {
    return XXH3_64bits(name.data(), name.size());
  }

  /// 0: there is no such inode.
  mode_t type_of(InodeNumber inode) const {
    const auto found =
        std::ranges::lower_bound(types_, inode, {}, &std::pair<InodeNumber, mode_t>::first);
    return found == types_.end() || found->first != inode ? 0 : found->second;
  }

  void compare() {
    auto name = names_.begin();
    auto parent = parents_.begin();
    while (name != names_.end() || parent != parents_.end()) {
      const bool only_parent =
          name == names_.end() || (parent != parents_.end() && parent->place() < name->place());
      const bool only_name =
          parent == parents_.end() || (name != names_.end() && name->place() < parent->place());
      if (only_parent) {
        only_child_knows(*parent++);
      } else if (only_name) {
        only_directory_knows(*name++);
      } else {
        both_know(*name++);
        ++parent;
      }
    }
  }

  void both_know(const Link& link) {
    const mode_t type = type_of(link.child);
    if (type == 0) return gone(link);
    const bool second = S_ISDIR(type) && !named_directories_.insert(link.child).second;
    if (second) return remove(link, "a directory has two names: this one goes");
    if (type == link.type) return;
    put_name_item(link, type, "the entry is of another type than its inode");
  }

  // The name of an inode that is gone.
  void gone(const Link& link) { remove(link, "the inode is lost", Severity::kLoss); }

  void only_directory_knows(const Link& link) {
    const mode_t type = type_of(link.child);
    if (type == 0) return gone(link);
    if (S_ISDIR(type) && !named_directories_.insert(link.child).second)
      return remove(link, "a directory has two names: this one goes");
    const auto item = name_at(link);
    if (!item) return;
    findings_.named_again.insert(link.child);
    VolumeMend mend{parent_key_of(link), item->name, std::nullopt};
    report(link, item->name, Severity::kSafe, "the inode does not know of this name: it is told",
           {std::move(mend)});
    if (type != link.type) put_name_item(link, type, "the entry is of another type than its inode");
  }

  void only_child_knows(const Link& link) {
    const mode_t type = type_of(link.child);
    const auto name = items_.get(parent_key_of(link));
    if (!name) return;
    const bool right_place =
        link.cookie - link.cookie % kNamesOfOneHash == first_cookie(facts_.name_seed, *name);
    const bool second = S_ISDIR(type) && named_directories_.contains(link.child);
    const bool possible = type != 0 && S_ISDIR(type_of(link.directory)) && right_place && !second &&
                          is_free(link, *name);
    if (!possible) {
      return report(link, *name, Severity::kSafe, "the inode counts on a name that is not there",
                    {{parent_key_of(link), std::nullopt, std::nullopt}});
    }
    if (S_ISDIR(type)) named_directories_.insert(link.child);
    NameItem item{link.cookie, link.child, type, *name};
    given_.insert({link.directory, link.cookie});
    report(link, *name, Severity::kSafe, "the directory had lost this entry: it gets it back",
           {{name_key(link.directory, link.cookie), encode_name(item), std::nullopt}});
  }

  /// Whether the directory could have the name: its place is free, and no other place of this hash
  /// has it.
  bool is_free(const Link& link, const std::string& name) {
    if (given_.contains({link.directory, link.cookie})) return false;
    const std::uint64_t first = link.cookie - link.cookie % kNamesOfOneHash;
    for (std::uint64_t cookie = first; cookie < first + kNamesOfOneHash; ++cookie) {
      const std::string key = name_key(link.directory, cookie);
      const auto value = items_.get(key);
      if (value && cookie == link.cookie) return false;
      const auto item = value ? decode_name(key, *value) : fail(ErrorCode::kNotFound);
      if (item && item->name == name) return false;
      if (!value && cookie > link.cookie) return true;
    }
    return true;
  }

  void remove(const Link& link, const char* why, Severity severity = Severity::kSafe) {
    const auto item = name_at(link);
    report(link, item ? item->name : "?", severity, why,
           {{name_key(link.directory, link.cookie), std::nullopt, std::nullopt},
            {parent_key_of(link), std::nullopt, std::nullopt}});
  }

  void put_name_item(const Link& link, mode_t type, const char* why) {
    auto item = name_at(link);
    if (!item) return;
    item->type = type;
    report(link, item->name, Severity::kSafe, why,
           {{name_key(link.directory, link.cookie), encode_name(*item), std::nullopt}});
  }

  std::optional<NameItem> name_at(const Link& link) {
    const std::string key = name_key(link.directory, link.cookie);
    const auto value = items_.get(key);
    auto item = value ? decode_name(key, *value) : fail(ErrorCode::kNotFound);
    return item ? std::optional(std::move(*item)) : std::nullopt;
  }

  static std::string parent_key_of(const Link& link) {
    return key_of(link.child, KeyKind::kParent).be(raw(link.directory)).be(link.cookie).take();
  }

  void report(const Link& link, std::string_view name, Severity severity, std::string text,
              std::vector<VolumeMend> mends) {
    Problem problem{"link", severity, std::move(text), facts_.name};
    problem.inode = raw(link.child);
    const bool told = findings_.problems.kept().size() < ProblemList::kKept;
    if (told) {
      const std::string directory = path_in(items_, link.directory);
      problem.path = (directory == "/" ? "" : directory + "/") + std::string(name);
    }
    findings_.problems.add(std::move(problem));
    for (VolumeMend& mend : mends) findings_.mends.push_back(std::move(mend));
  }

  VolumeItems& items_;
  const VolumeFacts& facts_;
  VolumeFindings& findings_;
  std::vector<std::pair<InodeNumber, mode_t>> types_;  // ascending
  std::vector<Link> names_;
  std::vector<Link> parents_;
  std::set<InodeNumber> named_directories_;  // that have a name already
  std::set<std::pair<InodeNumber, std::uint64_t>> given_;
};

}  // namespace

Result<void> check_links(VolumeItems& items, const VolumeFacts& facts, VolumeFindings& findings) {
  return LinkComparison(items, facts, findings).run();
}

}  // namespace cowfs
