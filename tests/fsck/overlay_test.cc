// OverlayStorage: what is done to it reads like a storage of its own, and what lies below does not
// change.
#include <gmock/gmock.h>

#include "lib/storage/overlay_storage.h"
#include "tests/fsck/damaged_store.h"
#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

ArrayName array(std::uint64_t number) { return {ArrayKind::kObject, number}; }

std::string bytes_of(Storage& storage, ArrayName name, std::uint64_t offset, std::size_t size) {
  std::string bytes(size, '?');
  const auto read = storage.read(name, offset, std::as_writable_bytes(std::span(bytes)));
  return read ? bytes : std::string(error_code_name(read.error().code));
}

void change(Storage& storage, std::mt19937_64 random) {
  const ArrayName name = array(random() % 6);
  const std::uint64_t offset = random() % 20'000;
  switch (random() % 8) {
    case 0: (void)storage.create(name); return;
    case 1: (void)storage.remove(name); return;
    case 2: (void)storage.resize(name, offset); return;
    case 3: (void)storage.reserve(name, offset, random() % 9'000); return;
    default: break;
  }
  const std::string bytes(random() % 9'000, static_cast<char>('a' + random() % 26));
  (void)storage.write(name, offset, std::as_bytes(std::span(bytes)));
}

TEST(Overlay, ReadsAsIfTheChangesHadBeenMade) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    MemoryStorage below;
    std::mt19937_64 random(seed);
    for (int i = 0; i < 30; ++i) change(below, std::mt19937_64(random()));
    const ArraySet before = below.content();
    const auto model = copy_of(below);
    OverlayStorage overlay(below);
    for (int i = 0; i < 60; ++i) {
      const std::mt19937_64 step(random());
      change(*model, step);
      change(overlay, step);
      ASSERT_TRUE(overlay.list(ArrayKind::kObject).value() ==
                  model->list(ArrayKind::kObject).value())
          << "step " << i;
      for (std::uint64_t number = 0; number < 6; ++number) {
        ASSERT_EQ(overlay.size(array(number)).value_or(7), model->size(array(number)).value_or(7));
        ASSERT_EQ(bytes_of(overlay, array(number), 100, 30'000),
                  bytes_of(*model, array(number), 100, 30'000))
            << "step " << i << " array " << number;
      }
    }
    const ArraySet after = below.content();
    ASSERT_EQ(before.size(), after.size());
    for (const auto& [name, content] : before) EXPECT_TRUE(*content == *after.at(name));
  }
}

}  // namespace
}  // namespace cowfs
