// The items of one volume's tree for a check: from a checkpoint that may be damaged, or from an
// open store.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "lib/store/node_walk.h"
#include "lib/store/store.h"

namespace cowfs {

class VolumeItems {
 public:
  virtual ~VolumeItems() = default;

  using Visit = std::function<void(std::string_view key, std::string_view value)>;
  /// All items in key order, and what is lost between them, each in its place.
  virtual Result<void> scan(const Visit& visit, const NodeWalk::VisitLost& lost) = 0;
  /// Nothing where there is none, or it cannot be read.
  virtual std::optional<std::string> get(std::string_view key) = 0;
  /// The first item from `key` on.
  virtual std::optional<Tree::Item> first_from(std::string_view key) = 0;
};

/// `space` outlives it.
class RawVolumeItems final : public VolumeItems {
 public:
  RawVolumeItems(NodeSpace& space, NodePointer root) : space_(space), root_{root, Generation{0}} {}
  Result<void> scan(const Visit& visit, const NodeWalk::VisitLost& lost) override;
  std::optional<std::string> get(std::string_view key) override;
  std::optional<Tree::Item> first_from(std::string_view key) override;

 private:
  NodeSpace& space_;
  TreeRoot root_;
};

/// Holds no lock between calls.
class StoreVolumeItems final : public VolumeItems {
 public:
  StoreVolumeItems(Store& store, VolumeId volume) : store_(store), volume_(volume) {}
  Result<void> scan(const Visit& visit, const NodeWalk::VisitLost& lost) override;
  std::optional<std::string> get(std::string_view key) override;
  std::optional<Tree::Item> first_from(std::string_view key) override;

 private:
  Store& store_;
  const VolumeId volume_;
};

}  // namespace cowfs
