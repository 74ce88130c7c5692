// Mends what the items of one volume mean, in a store that is open: phase after phase of
// volume_check.h, by transactions.
//
// Each phase scans anew and is done when its transactions are committed; the whole goes around
// until a round finds nothing. A read-only volume is mended, too: what is damaged in it is no
// snapshot of anything. Cut off anywhere, the next repair goes on.
#pragma once

#include "lib/volume/volume_check.h"

namespace cowfs {

/// Single-threaded; the caller holds no lock, and nobody else uses the store. What was mended.
Result<ProblemList> repair_volume(Store& store, const VolumeFacts& facts);

}  // namespace cowfs
