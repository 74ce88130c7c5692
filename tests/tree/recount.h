// Counts every reference of a MemoryNodeSpace anew from its trees' roots and compares: nothing
// leaks, nothing dangles.
//
// It checks on the way what one node cannot show by itself: levels, bounds that parents set for the
// keys of their children, and that a node younger than its tree's last fork is the tree's alone.
#pragma once

#include <span>
#include <string>

#include "tests/tree/memory_node_space.h"

namespace cowfs {

/// What is wrong first; empty when all is well. `roots`: all trees of the space.
std::string recount(const MemoryNodeSpace& space, std::span<const TreeRoot> roots);

}  // namespace cowfs
