// The two items of each entry against each other, one by one: for a volume where their sums differ
// (volume_check.h).
//
// An entry that a directory has and its inode does not, or the reverse, gets its other item where
// that is possible: each is a copy of the other, so that what a damaged node held comes back.
// Memory: 40 bytes an item.
#pragma once

#include "lib/volume/volume_check.h"

namespace cowfs {

/// Adds problems and mends of the phase `links`.
Result<void> check_links(VolumeItems& items, const VolumeFacts& facts, VolumeFindings& findings);

}  // namespace cowfs
