// For tests of the tests: one named care of the store is left out, and the crash tests must notice.
//
// Each value names something that the store does so that nothing is lost; StoreOptions::omit leaves
// exactly that out. Production code never sets it. (The syncs themselves are left out by a storage
// double, tests/support.)
#pragma once

#include <cstdint>

namespace cowfs {

enum class Omit : std::uint8_t {
  kNothing,
  kDataBeforeMark,     // a mark is durable only after the data that it vouches for is
  kAllDataBeforeFork,  // a fork is durable only after all data written before it is, in place too
  kClearedTailBeforeSize,  // zeros past the end of a file are durable before the size that shows
                           // them
  kReplayLimit,            // after a power cut records count up to the last mark only
  kJournalHeld,            // segments are used again only when neither slot needs them
  kJournalBeforeSlot,      // a checkpoint makes the journal durable, for the older slot, before it
                           // switches slots
  kNodesHeld,              // freed nodes keep their bytes until neither slot refers to them
  kOtherSlotHeld,          // at opening, the nodes of the older slot are held
  kInFlightRecorded,       // a checkpoint records blocks on their way to an extent
  kPacksClosed,            // after an unclean end open packs are cut and closed
  kOverwritesDeclared,     // ranges are declared before blocks in them are overwritten in place
  kDeclarationSynced,      // and durably so, but for new blocks
  kDeclarationsCarried,    // a checkpoint declares ranges in use again
  kRecoveredDataSynced,    // data that a recovered journal refers to is made durable by the
                           // checkpoint that ends recovery
};

}  // namespace cowfs
