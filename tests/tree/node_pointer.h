// The place in the array of nodes that tests of single nodes give theirs.
#pragma once

#include "lib/tree/node.h"

namespace cowfs {

inline constexpr NodePointer kPointer{NodeId{7}, Generation{9}};

}  // namespace cowfs
