// A new store in memory.
#pragma once

#include <memory>

#include "lib/storage/memory_storage.h"
#include "lib/store/store.h"
#include "tests/support/result_matchers.h"

namespace cowfs {

inline std::unique_ptr<MemoryStorage> formatted() {
  auto storage = std::make_unique<MemoryStorage>();
  EXPECT_THAT(Store::format(*storage, {.seed = 7}), IsOk());
  return storage;
}

}  // namespace cowfs
