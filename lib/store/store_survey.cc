#include "lib/store/store_survey.h"

#include <algorithm>

namespace cowfs {

StoreSurvey::StoreSurvey(NodeSpace& space, const Superblock& superblock)
    : facts_(std::make_unique<StoreFacts>()),
      store_walk_(std::make_unique<NodeWalk>(space, NodeWalk::Kind::kTree)),
      volume_walk_(std::make_unique<NodeWalk>(space, NodeWalk::Kind::kForest)) {
  facts_->superblock = superblock;
}

Result<StoreSurvey> StoreSurvey::make(NodeSpace& space, Storage& storage,
                                      const Superblock& superblock) {
  StoreSurvey survey(space, superblock);
  COWFS_ASSIGN(survey.facts_->files, storage.list(ArrayKind::kObject));
  COWFS_ASSIGN(survey.facts_->segments, storage.list(ArrayKind::kNodes));
  survey.walk_store();
  survey.walk_volumes();
  survey.facts_->runs = survey.blocks_.take_runs();
  StoreFacts& facts = *survey.facts_;
  facts.newest =
      std::max({facts.newest, survey.store_walk_->newest(), survey.volume_walk_->newest()});
  survey.store_walk_->on_lost({});
  survey.volume_walk_->on_lost({});
  return survey;
}

void StoreSurvey::walk_store() {
  store_walk_->on_lost(
      [this](const LostNode& node) { lost_.push_back({.node = node, .of_store = true}); });
  store_walk_->walk(facts_->superblock.root,
                    [this](const Node& leaf) { facts_->items.add_leaf(leaf); });
}

void StoreSurvey::walk_volumes() {
  NodeWalk& walk = *volume_walk_;
  walk.forbid(store_walk_->tally());
  const auto visit = [this](const Node& leaf) { add_leaf(leaf); };
  for (const auto& [id, record] : facts_->items.volumes) {
    walk.on_lost([this, volume = id](const LostNode& node) {
      lost_.push_back({.node = node, .volume = volume});
    });
    walk.walk(record.root.root, visit);
  }
  walk.on_lost([this](const LostNode& node) { lost_.push_back({.node = node, .dropped = true}); });
  for (const DroppedNode& dropped : facts_->items.dropped)
    walk.walk_part(dropped.pointer, dropped.references, visit);
}

void StoreSurvey::add_leaf(const Node& leaf) {
  for (std::size_t slot = 0; slot < leaf.count(); ++slot) {
    const std::string_view key = leaf.key(slot);
    const KeyKind kind = kind_of(key);
    if (kind == KeyKind::kExtent) {
      const auto extent = decode_extent(key, leaf.value(slot));
      if (!extent) continue;  // it refers to nothing that anybody could count
      blocks_.add(extent->blocks);
      facts_->newest = std::max(facts_->newest, extent->birth);
    } else if (kind == KeyKind::kInode) {
      ++inodes_;
      const auto inode = ByteReader(key).be<std::uint64_t>();
      if (inode < kInodeLimit) facts_->highest_inode = std::max(facts_->highest_inode, inode);
    }
  }
}

}  // namespace cowfs
