// The tenants that every promise of lib/storage/storage.h is tested on.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "lib/storage/host_storage.h"
#include "lib/storage/memory_storage.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_dir.h"

namespace cowfs {

enum class Tenant { kMemory, kHost };

inline std::string tenant_name(const ::testing::TestParamInfo<Tenant>& info) {
  return info.param == Tenant::kMemory ? "Memory" : "Host";
}

/// A fixture with an empty store of each tenant.
class TenantTest : public ::testing::TestWithParam<Tenant> {
 protected:
  void SetUp() override {
    if (GetParam() == Tenant::kMemory) {
      storage_ = std::make_unique<MemoryStorage>();
      return;
    }
    Result<std::unique_ptr<HostStorage>> host = HostStorage::create(folder_ / "store");
    ASSERT_THAT(host, IsOk());
    storage_ = *std::move(host);
  }

  Storage& storage() { return *storage_; }

 private:
  TempDir folder_;
  std::unique_ptr<Storage> storage_;
};

}  // namespace cowfs
