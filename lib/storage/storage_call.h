// One call to a Storage, as a value: for the call log of MemoryStorage and for test doubles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/storage/storage.h"

namespace cowfs {

enum class StorageCallKind : std::uint8_t {
  kCreate,
  kRemove,
  kRead,
  kWrite,  // write_vector too
  kReserve,
  kPunch,
  kResize,  // `offset` is the new size
  kSize,
  kSync,
  kStartWriteback,
  kSyncNames,  // `name.number` means nothing
  kList,       // `name.number` means nothing
  kSpace,      // `name` means nothing
};

struct StorageCall {
  StorageCallKind kind = StorageCallKind::kCreate;
  ArrayName name;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::shared_ptr<const std::vector<std::byte>> data =
      nullptr;  // what a recorded write wrote; never changed
};

/// "write", "sync_names", ...
std::string_view storage_call_name(StorageCallKind kind);

/// "write nodes/0000000000000001 offset 4096 length 4096": a line for failing tests.
std::string to_string(const StorageCall& call);

}  // namespace cowfs
