#include "lib/volume/volume_items.h"

namespace cowfs {
namespace {

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
  ReadView view(store_);
  return view.scan(volume_, std::string_view("\0", 1), [&](std::string_view key, std::string_view value) {
    visit(key, value);
    return true;
  });
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
