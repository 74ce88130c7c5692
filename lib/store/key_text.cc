#include "lib/store/key_text.h"

#include "lib/store/key.h"

namespace cowfs {
namespace {

std::string number(std::string_view rest) {
  return std::to_string(ByteReader(rest).be<std::uint64_t>());
}

std::string kind_text(std::string_view key) {
  const std::string_view rest = rest_of(key);
  switch (kind_of(key)) {
    case KeyKind::kInode: return "its record";
    case KeyKind::kName: return rest.empty() ? "its names" : "its names from hash " + number(rest);
    case KeyKind::kParent: return "its parents";
    case KeyKind::kAttribute: return "its extended attributes";
    case KeyKind::kSymlink: return "its target";
    case KeyKind::kExtent:
      return rest.size() < 8 ? "its extents" : "its extent at block " + number(rest);
    case KeyKind::kOwnObject: return "its own objects";
    case KeyKind::kInlineData: return "its inline data";
    case KeyKind::kOrphan: return "orphans";
    case KeyKind::kVolume: return "volumes";
    case KeyKind::kVolumeName: return "names of volumes";
    case KeyKind::kObject: return "objects";
    case KeyKind::kBlockCount: return "counts of blocks";
    case KeyKind::kNodeCount: return "counts of nodes";
    case KeyKind::kNodeSegment: return "bitmaps of nodes";
    case KeyKind::kPendingFree: return "space to be freed";
    case KeyKind::kDroppedNode: return "dropped nodes";
    case KeyKind::kBlockChecksum: return "checksums";
    case KeyKind::kEncoding: return "encodings";
    case KeyKind::kProject: return "projects";
  }
  return "kind " + std::to_string(static_cast<unsigned>(kind_of(key)));
}

}  // namespace

std::string describe_key(std::string_view key) {
  if (key.empty()) return "the start";
  // A separator can be the front of a key only.
  std::string whole(key);
  if (whole.size() < sizeof(std::uint64_t)) whole.resize(sizeof(std::uint64_t), '\0');
  const auto inode = ByteReader(whole).be<std::uint64_t>();
  const std::string owner = inode == kStoreKeyInode ? "" : "inode " + std::to_string(inode);
  if (key.size() < kKeyPrefixSize) return owner.empty() ? "the start" : owner;
  return owner.empty() ? kind_text(key) : owner + ", " + kind_text(key);
}

std::string describe_range(std::string_view from, const std::optional<std::string>& to) {
  return "from " + describe_key(from) + " to " + (to ? describe_key(*to) : "the end");
}

}  // namespace cowfs
