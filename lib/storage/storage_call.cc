#include "lib/storage/storage_call.h"

#include <fmt/format.h>

namespace cowfs {

std::string_view storage_call_name(StorageCallKind kind) {
  switch (kind) {
    case StorageCallKind::kCreate: return "create";
    case StorageCallKind::kRemove: return "remove";
    case StorageCallKind::kRead: return "read";
    case StorageCallKind::kWrite: return "write";
    case StorageCallKind::kReserve: return "reserve";
    case StorageCallKind::kPunch: return "punch";
    case StorageCallKind::kResize: return "resize";
    case StorageCallKind::kSize: return "size";
    case StorageCallKind::kSync: return "sync";
    case StorageCallKind::kStartWriteback: return "start_writeback";
    case StorageCallKind::kSyncNames: return "sync_names";
    case StorageCallKind::kList: return "list";
    case StorageCallKind::kSpace: return "space";
  }
  return "unknown";
}

std::string to_string(const StorageCall& call) {
  return fmt::format("{} {} offset {} length {}", storage_call_name(call.kind),
                     to_string(call.name), call.offset, call.length);
}

}  // namespace cowfs
