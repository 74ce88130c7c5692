#include "tests/store/store_model.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kKeys = 400;

std::string content_bytes(std::uint64_t content) {
  std::string block(kBlockSize, '\0');
  for (std::size_t i = 0; i < kBlockSize; i += 8) {
    const std::uint64_t word = content * 0x9e3779b97f4a7c15u + i;
    std::memcpy(block.data() + i, &word, 8);
  }
  return block;
}

std::uint64_t content_of(const std::string& block) {
  std::uint64_t word = 0;
  std::memcpy(&word, block.data(), 8);
  // the inverse of the multiplier modulo 2^64
  const std::uint64_t content = word * 0xf1de83e19937733du;
  return content_bytes(content) == block ? content : 0;
}

VolumeId id_of(Store& store, const std::string& name) {
  auto info = store.find_volume(name);
  EXPECT_THAT(info, IsOk()) << name;
  return info ? info->id : VolumeId{kVolumeLimit};
}

}  // namespace

std::string StoreModel::random_key() {
  const std::uint64_t n = below(kKeys);
  if (n % 2 == 0) return key_of(16 + n / 8, KeyKind::kName).be(n).take();
  return extent_key(InodeNumber{16 + n / 8}, n);
}

std::string StoreModel::random_volume(bool writable) {
  std::vector<std::string> names;
  for (const auto& [name, volume] : state_) {
    if (!writable || !volume.read_only) names.push_back(name);
  }
  return names[below(names.size())];
}

void StoreModel::write_block(ObjectNumber object, std::uint64_t block, std::uint64_t content) {
  const std::string bytes = content_bytes(content);
  written_[{raw(object), block}].push_back(content);
  ASSERT_THAT(store_.write_blocks(object, block, std::as_bytes(std::span(bytes))), IsOk());
}

void StoreModel::release_old(Transaction& transaction, const std::string& key,
                             const ModelItem* old) {
  if (old == nullptr || old->content == 0) return;
  transaction.release(decode_extent(key, old->value)->blocks);
}

void StoreModel::put_some(const std::string& name) {
  Operation operation(store_);
  const VolumeId id = id_of(store_, name);
  ModelVolume volume = state_[name];
  Transaction transaction;
  for (std::uint64_t i = 0; i < 1 + below(6); ++i) {
    const std::string key = random_key();
    ModelItem item;
    const auto old = volume.items.find(key);
    if (kind_of(key) == KeyKind::kExtent) {
      auto ranges = store_.allocate(1);
      ASSERT_THAT(ranges, IsOk());
      item.content = next_content_++;
      ASSERT_NO_FATAL_FAILURE(
          write_block(ranges->front().object, ranges->front().first, item.content));
      const Extent extent{ByteReader(rest_of(key)).be<std::uint64_t>(), ranges->front(),
                          store_.birth_generation()};
      item.value = encode_extent(extent);
    } else {
      item.value = std::string(below(300), static_cast<char>('a' + below(26)));
    }
    release_old(transaction, key, old == volume.items.end() ? nullptr : &old->second);
    transaction.put(id, key, item.value);
    volume.items[key] = item;
  }
  UpdateView view(store_, operation);
  ASSERT_THAT(view.commit(transaction), IsOk());
  state_[name] = std::move(volume);
}

void StoreModel::erase_some(const std::string& name) {
  Operation operation(store_);
  const VolumeId id = id_of(store_, name);
  ModelVolume volume = state_[name];
  Transaction transaction;
  for (std::uint64_t i = 0; i < 1 + below(12) && !volume.items.empty(); ++i) {
    auto it = volume.items.lower_bound(random_key());
    if (it == volume.items.end()) it = volume.items.begin();
    release_old(transaction, it->first, &it->second);
    transaction.erase(id, it->first);
    volume.items.erase(it);
  }
  UpdateView view(store_, operation);
  ASSERT_THAT(view.commit(transaction), IsOk());
  state_[name] = std::move(volume);
}

// Writes in place where that is allowed.
void StoreModel::overwrite(const std::string& name) {
  Operation operation(store_);
  const VolumeId id = id_of(store_, name);
  for (auto& [key, item] : state_[name].items) {
    if (item.content == 0 || below(8) != 0) continue;
    Generation shared_at{0};
    {
      ReadView view(store_);
      shared_at = *view.shared_at(id);
    }
    const Extent extent = *decode_extent(key, item.value);
    if (extent.birth <= shared_at) continue;
    item.content = next_content_++;
    OverwriteGuard guard(store_);
    ASSERT_THAT(guard.add(extent.blocks), HoldsValue(true));
    guard.writing();
    ASSERT_NO_FATAL_FAILURE(write_block(extent.blocks.object, extent.blocks.first, item.content));
    guard.written();
    UpdateView view(store_, operation);
    Transaction transaction;
    transaction.put(id, key, item.value);
    ASSERT_THAT(view.commit(transaction), IsOk());
    return;
  }
}

void StoreModel::clone(const std::string& from, const std::string& to) {
  Operation operation(store_);
  Transaction transaction;
  ModelVolume source = state_[from];
  const std::string key = random_key();
  const auto found = source.items.lower_bound(key);
  if (found == source.items.end() || found->second.content == 0) return;
  ModelItem shared = found->second;
  Extent extent = *decode_extent(found->first, shared.value);
  extent.birth = kBirthShared;
  shared.value = encode_extent(extent);
  const std::string target = extent_key(InodeNumber{900 + below(20)}, extent.file_block);
  const auto old = state_[to].items.find(target);
  transaction.retain(extent.blocks);
  release_old(transaction, target, old == state_[to].items.end() ? nullptr : &old->second);
  transaction.put(id_of(store_, to), target, shared.value);
  if (!source.read_only) transaction.put(id_of(store_, from), found->first, shared.value);
  UpdateView view(store_, operation);
  ASSERT_THAT(view.commit(transaction), IsOk());
  if (!source.read_only) state_[from].items[found->first] = shared;
  state_[to].items[target] = shared;
}

void StoreModel::fork(const std::string& parent) {
  const bool snapshot = below(2) == 0;
  const std::string name = "v" + std::to_string(next_name_++);
  auto made = store_.fork_volume({}, id_of(store_, parent), name,
                                 snapshot ? VolumeKind::kSnapshot : VolumeKind::kFork);
  ASSERT_THAT(made, IsOk());
  ModelVolume copy = state_[parent];
  copy.read_only = snapshot;
  state_[name] = std::move(copy);
}

void StoreModel::remove(const std::string& name) {
  ASSERT_THAT(store_.delete_volume({}, id_of(store_, name)), IsOk());
  state_.erase(name);
}

void StoreModel::step() {
  const std::uint64_t choice = below(100);
  if (choice < 45) put_some(random_volume(true));
  else if (choice < 60) erase_some(random_volume(true));
  else if (choice < 75) overwrite(random_volume(true));
  else if (choice < 85) clone(random_volume(false), random_volume(true));
  else if (choice < 92) fork(random_volume(false));
  else if (const std::string name = random_volume(false); name != "main") remove(name);
}

void StoreModel::delete_everything() {
  const ModelState all = state_;
  for (const auto& [name, volume] : all) {
    if (name != "main") remove(name);
  }
  while (!state_["main"].items.empty()) ASSERT_NO_FATAL_FAILURE(erase_some("main"));
}

void StoreModel::compare(Store& store, const ModelState& expected, const StoreModel* history) {
  std::vector<std::string> names;
  for (const VolumeInfo& info : store.list_volumes()) names.push_back(info.name);
  std::vector<std::string> expected_names;
  for (const auto& [name, volume] : expected) expected_names.push_back(name);
  ASSERT_EQ(names, expected_names);
  for (const auto& [name, volume] : expected) {
    const VolumeId id = id_of(store, name);
    std::map<std::string, std::string> found;
    {
      ReadView view(store);
      ASSERT_THAT(view.scan(id, "",
                            [&](std::string_view key, std::string_view value) {
                              found.emplace(key, value);
                              return true;
                            }),
                  IsOk());
    }
    ASSERT_EQ(found.size(), volume.items.size()) << name;
    for (const auto& [key, item] : volume.items) {
      ASSERT_EQ(found[key], item.value) << name;
      if (item.content == 0) continue;
      const Extent extent = *decode_extent(key, item.value);
      std::string block(kBlockSize, '\0');
      ASSERT_THAT(store.read_data(extent.blocks.object, extent.blocks.first * kBlockSize,
                                  std::as_writable_bytes(std::span(block))),
                  IsOk());
      const std::uint64_t content = content_of(block);
      if (content == item.content) continue;
      ASSERT_TRUE(history != nullptr && !volume.read_only) << name << ": a block changed";
      const auto& written = history->written_.at({raw(extent.blocks.object), extent.blocks.first});
      const auto from = std::ranges::find(written, item.content);
      ASSERT_TRUE(std::find(from, written.end(), content) != written.end() || content == 0)
          << name << ": a block holds what was never its";
    }
  }
}

}  // namespace cowfs
