// The nodes below damaged inner nodes: whole, and nobody leads to them any more.
//
// How they are known. The store's tree keeps how many references lead to each node, and which nodes
// are in use. A node with more references than a recount found is the child of a node that is lost.
// Its keys say where it belongs, and its generation, which is never above its parent's, to which of
// several trees.
//
// For the store's own tree no counts are kept: there the newest version of each part of the lost
// range that lies anywhere in the node array is taken.
//
// What is put together is whole, and nearly always what was there; it is looked at again before it
// counts.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "lib/storage/storage.h"
#include "lib/store/store_survey.h"

namespace cowfs {

struct Foundling {
  NodePointer pointer;
  unsigned level = 0;
  std::string first;  // key; of an inner node, its own lower bound
  std::string last;   // key, of the items below it
};

class Foundlings {
 public:
  /// `space` and `survey` outlive it. Reads the nodes in question.
  Foundlings(NodeSpace& space, Storage& storage, const StoreSurvey& survey);

  /// Children of a lost node, in key order, each on a level below `level` (kMaxTreeHeight where
  /// that is not known). They are nobody else's from now on.
  std::vector<Foundling> take_children(const LostNode& lost, unsigned level);
  /// Nodes in use that cannot be read, and that nobody leads to: what they held cannot be told.
  std::uint64_t unreadable() const { return unreadable_; }

 private:
  struct Candidate {
    Foundling node;
    std::uint64_t missing = 0;  // references
    bool reached = false;       // what lies below it is led to
  };

  void find_candidates(Storage& storage, const StoreSurvey& survey);
  void add_candidate(Storage& storage, NodeId id, std::uint64_t missing, bool reached);
  void reach(const Foundling& node);
  std::string last_key_below(const Node& node);

  NodeSpace& space_;
  std::map<NodeId, Candidate> candidates_;
  std::uint64_t unreadable_ = 0;
};

/// Items of the store's own tree within a lost range: the newest version of each part of it.
std::vector<std::pair<std::string, std::string>> salvage_store_items(Storage& storage,
                                                                     const LostNode& lost,
                                                                     std::uint64_t segments,
                                                                     Generation limit);

}  // namespace cowfs
