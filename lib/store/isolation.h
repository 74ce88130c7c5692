// Takes damaged nodes out of trees: each is replaced by an empty one, and the nodes above it by copies that lead there.
//
// A copy keeps the generation of what it is a copy of, and each node is copied once, whoever leads to it: volumes share what they
// shared before. What is not on the way to a damage is not touched, nor even read, leaves least of all.
//
// Recursion: one call a level of the tree, at most kMaxTreeHeight.
#pragma once

#include <map>
#include <tuple>

#include "lib/store/repair_space.h"

namespace cowfs {

class Isolation {
 public:
  /// `walk` knows what is lost. `limit`: no node gets a later generation.
  Isolation(RepairSpace& space, const NodeWalk& walk, Generation limit) : space_(space), walk_(walk), limit_(limit) {}

  /// The root of the tree as it is without its damages.
  Result<NodePointer> clean(NodePointer root);

 private:
  Result<NodePointer> clean_node(NodePointer pointer, unsigned level, std::string_view low);
  Result<NodePointer> empty_tree(NodePointer instead_of, unsigned level, std::string_view low);

  RepairSpace& space_;
  const NodeWalk& walk_;
  const Generation limit_;
  std::map<std::tuple<NodeId, Generation, unsigned>, NodePointer> done_;
};

}  // namespace cowfs
