// Items of a volume's tree that make no sense, in trees that are sound: inodes, names, attributes,
// extents, orphans.
//
// The input: changes, at most kMostItemChanges. Each chooses an item of `main` by its number and
// patches, cuts, doubles or erases it, or puts it under another key. Then the store is used
// (exercise.h).
#include <vector>

#include "lib/base/check.h"
#include "lib/store/key.h"
#include "lib/store/store.h"
#include "tests/fuzz/exercise.h"
#include "tests/fuzz/sample_store.h"
#include "tests/fuzz/target.h"

namespace cowfs::fuzz {
namespace {

constexpr int kMostItemChanges = 12;

struct Item {
  std::string key;
  std::string value;
};

std::vector<Item> items_of_main(Store& store) {
  std::vector<Item> items;
  const ReadView view(store);
  const auto done = view.scan(kMainVolume, std::string_view("\0", 1),
                              [&](std::string_view key, std::string_view value) {
                                items.push_back({std::string(key), std::string(value)});
                                return true;
                              });
  COWFS_CHECK(done.has_value());
  return items;
}

void patch(std::string& text, Source& source) {
  const std::string_view bytes = source.take(1 + source.below(8, 1));
  if (!text.empty() && !bytes.empty())
    text.replace(source.below(text.size(), 2), bytes.size(), bytes);
}

/// Extents that make no sense are refused by the journal and by the store's own code: store_fuzz.cc
/// puts those into a tree.
bool can_be_put(const Item& item) {
  return item.key.size() >= 9 && item.key.size() <= kMaxKeySize &&
         item.value.size() <= kMaxValueSize &&
         (kind_of(item.key) != KeyKind::kExtent || decode_extent(item.key, item.value));
}

void change(Transaction& transaction, const std::vector<Item>& items, Source& source) {
  Item item = items[source.below(items.size())];
  const std::string old_key = item.key;
  switch (source.below(6, 1)) {
    case 0:
    case 1: patch(item.value, source); break;
    case 2: item.value.resize(source.below(kMaxValueSize + 1)); break;
    case 3: transaction.erase(kMainVolume, item.key); return;
    case 4: patch(item.key, source); break;
    default: item.key = items[source.below(items.size())].key;
  }
  if (!can_be_put(item)) return;
  if (item.key != old_key && source.flag()) transaction.erase(kMainVolume, old_key);
  transaction.put(kMainVolume, item.key, item.value);
}

}  // namespace

COWFS_FUZZ_TARGET(volume) {
  Source source(input);
  const auto flags = source.number(1);
  auto owned = std::make_unique<MemoryStorage>(MemoryStorage::Options{},
                                               (flags & 1) != 0 ? killed_store() : closed_store());
  MemoryStorage& storage = *owned;
  auto store = Store::open(std::move(owned), quiet_options());
  COWFS_CHECK(store.has_value());
  const std::vector<Item> items = items_of_main(**store);
  Transaction transaction;
  for (int i = 0; i < kMostItemChanges && !source.done(); ++i) change(transaction, items, source);
  {
    const Operation operation(**store);
    UpdateView view(**store, operation);
    if (!view.commit(transaction)) return;
  }
  if ((flags & 2) == 0) (void)(*store)->close();  // else the items are in the journal alone
  exercise(std::make_unique<MemoryStorage>(MemoryStorage::Options{}, storage.content()),
           (flags & 4) != 0, flags >> 3);
}

}  // namespace cowfs::fuzz
