// How tests copy trees.
#pragma once

#include "lib/volume/tree_clone.h"

namespace cowfs {

/// As `cp -a` does.
inline constexpr TreeClonePolicy kArchive{.mode = true,
                                          .ownership = true,
                                          .timestamps = true,
                                          .links = true,
                                          .attributes = true,
                                          .umask = 022};

}  // namespace cowfs
