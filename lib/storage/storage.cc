#include "lib/storage/storage.h"

#include <fmt/format.h>

namespace cowfs {

namespace {

std::string_view kind_folder(ArrayKind kind) {
  switch (kind) {
    case ArrayKind::kSuperblock: return "superblock";
    case ArrayKind::kNodes: return "nodes";
    case ArrayKind::kObject: return "objects";
    case ArrayKind::kJournal: return "journal";
  }
  return "unknown";
}

}  // namespace

std::string to_string(ArrayName name) {
  if (name.kind == ArrayKind::kSuperblock && name.number == 0) return "superblock";
  return fmt::format("{}/{:016x}", kind_folder(name.kind), name.number);
}

Result<void> Storage::write_vector(ArrayName name, std::uint64_t offset,
                                   const std::vector<Bytes>& in) {
  for (Bytes part : in) {
    COWFS_TRY(write(name, offset, part));
    offset += part.size();
  }
  return {};
}

}  // namespace cowfs
