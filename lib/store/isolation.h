// Takes damaged nodes out of trees: each is replaced by an empty one, and the nodes above it by
// copies that lead there. An inner node whose children were found gets a new one above them instead
// (foundlings.h).
//
// A copy keeps the generation of what it is a copy of, and each node is copied once, whoever leads
// to it: volumes share what they shared before. What is not on the way to a damage is not touched,
// nor even read, leaves least of all.
//
// Recursion: one call a level of the tree, at most kMaxTreeHeight.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "lib/store/foundlings.h"
#include "lib/store/repair_space.h"

namespace cowfs {

class Isolation {
 public:
  /// `walk` knows what is lost. `limit`: no node gets a later generation. `foundlings`, if any,
  /// with the ranges that are lost.
  Isolation(RepairSpace& space, const NodeWalk& walk, Generation limit,
            Foundlings* foundlings = nullptr,
            const std::vector<StoreSurvey::Lost>* ranges = nullptr);

  /// The root of the tree as it is without its damages.
  Result<NodePointer> clean(NodePointer root);

  /// What was replaced by nothing.
  const std::vector<LostNode>& emptied() const { return emptied_; }
  /// How many were put together again.
  std::size_t rebuilt() const { return rebuilt_; }

 private:
  Result<NodePointer> clean_node(NodePointer pointer, unsigned level, std::string_view low,
                                 const std::optional<std::string>& high);
  Result<NodePointer> empty_tree(NodePointer instead_of, unsigned level, std::string_view low);
  Result<NodePointer> replacement(NodePointer lost, const NodeWalk::LostKey& how,
                                  std::string_view low);
  Result<NodePointer> put_together(const LostNode& lost, std::vector<Foundling> children,
                                   unsigned level);
  /// A chain of nodes with one child each above `node`, up to `level`.
  Result<NodePointer> raise(NodePointer node, unsigned from, unsigned level, std::string_view low,
                            Generation generation);

  RepairSpace& space_;
  const NodeWalk& walk_;
  const Generation limit_;
  Foundlings* const foundlings_;
  std::vector<LostNode> emptied_;
  std::size_t rebuilt_ = 0;
  std::map<NodeWalk::LostKey, const LostNode*> ranges_;
  std::map<NodeWalk::LostKey, NodePointer> replaced_;
  std::map<std::tuple<NodeId, Generation, unsigned>, NodePointer> cleaned_;
};

}  // namespace cowfs
