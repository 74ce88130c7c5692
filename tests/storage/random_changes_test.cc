// Random changes of one array against a plain vector of bytes, on every tenant.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "tests/storage/bytes_support.h"
#include "tests/storage/tenants.h"

namespace cowfs {
namespace {

constexpr std::size_t kLimit = 40000;  // ten pages: edges are hit often

class RandomChanges : public TenantTest {
 protected:
  std::size_t below(std::size_t bound) { return random_() % bound; }

  void grow(std::size_t size) { expected_.resize(std::max(expected_.size(), size)); }

  /// An offset or a length, at the edge of a page in half of the cases.
  std::size_t position() { return below(2) == 0 ? below(kLimit) : below(kLimit / 4096) * 4096; }

  void write() {
    const std::size_t offset = position();
    const std::string text(1 + below(9000), static_cast<char>('a' + below(26)));
    ASSERT_THAT(storage().write(kArray, offset, as_bytes(text)), IsOk());
    grow(offset + text.size());
    expected_.replace(offset, text.size(), text);
  }

  void punch() {
    const std::size_t offset = position();
    const std::size_t length = 1 + position();
    ASSERT_THAT(storage().punch(kArray, offset, length), IsOk());
    for (std::size_t i = offset; i < std::min(offset + length, expected_.size()); ++i) {
      expected_[i] = '\0';
    }
  }

  void resize() {
    const std::size_t size = position();
    ASSERT_THAT(storage().resize(kArray, size), IsOk());
    expected_.resize(size);
  }

  void reserve() {
    const std::size_t offset = position();
    const std::size_t length = 1 + below(5000);
    ASSERT_THAT(storage().reserve(kArray, offset, length), IsOk());
    grow(offset + length);
  }

  std::mt19937_64 random_{20240229};
  std::string expected_;
};
INSTANTIATE_TEST_SUITE_P(Tenants, RandomChanges, ::testing::Values(Tenant::kMemory, Tenant::kHost),
                         tenant_name);

TEST_P(RandomChanges, LeaveTheBytesThatAPlainVectorHolds) {
  ASSERT_THAT(storage().create(kArray), IsOk());
  for (int step = 0; step < 2000; ++step) {
    switch (below(6)) {
      case 0: punch(); break;
      case 1: resize(); break;
      case 2: reserve(); break;
      default: write(); break;
    }
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_THAT(storage().size(kArray), HoldsValue(expected_.size())) << "step " << step;
    const std::size_t offset = position();
    std::string tail = expected_.substr(std::min(offset, expected_.size()));
    tail.resize(kLimit, '\0');
    ASSERT_TRUE(read_text(storage(), kArray, offset, kLimit) == tail) << "step " << step;
  }
}

}  // namespace
}  // namespace cowfs
