#include "lib/volume/volume_items.h"

#include <vector>

namespace cowfs {
namespace {

constexpr std::size_t kItemsAtOnce = 4096;

// Gives the first item that a scan meets.
Tree::Visit take_first(std::optional<Tree::Item>& item) {
  return [&item](std::string_view key, std::string_view value) {
    item = Tree::Item{std::string(key), std::string(value)};
    return false;
  };
}

}  // namespace

Result<void> RawVolumeItems::scan(const Visit& visit, const NodeWalk::VisitLost& lost) {
  NodeWalk walk(space_, NodeWalk::Kind::kTree);
  walk.on_lost(lost);
  walk.walk(root_.root, [&](const Node& leaf) {
    for (std::size_t slot = 0; slot < leaf.count(); ++slot) visit(leaf.key(slot), leaf.value(slot));
  });
  return {};
}

std::optional<std::string> RawVolumeItems::get(std::string_view key) {
  return Tree(space_, root_).get(key).value_or(std::nullopt);
}

std::optional<Tree::Item> RawVolumeItems::first_from(std::string_view key) {
  std::optional<Tree::Item> item;
  (void)Tree(space_, root_).scan(key, take_first(item));
  return item;
}

Result<void> StoreVolumeItems::scan(const Visit& visit, const NodeWalk::VisitLost&) {
  // In parts: whoever is visited may look things up.
  std::string from(1, '\0');
  for (std::vector<Tree::Item> part(1); !part.empty();) {
    part.clear();
    {
      ReadView view(store_);
      COWFS_TRY(view.scan(volume_, from, [&](std::string_view key, std::string_view value) {
        part.push_back({std::string(key), std::string(value)});
        return part.size() < kItemsAtOnce;
      }));
    }
    for (const Tree::Item& item : part) visit(item.key, item.value);
    if (!part.empty()) from = part.back().key + '\0';
  }
  return {};
}

std::optional<std::string> StoreVolumeItems::get(std::string_view key) {
  ReadView view(store_);
  return view.get(volume_, key).value_or(std::nullopt);
}

std::optional<Tree::Item> StoreVolumeItems::first_from(std::string_view key) {
  ReadView view(store_);
  std::optional<Tree::Item> item;
  (void)view.scan(volume_, key, take_first(item));
  return item;
}

}  // namespace cowfs
