// The invariants of a machine, each by its number; checked between operations.
//
//   I1  a frame's references = entries that name it + the page cache's own + pins; the zero frame
//   is exempt I2  every frame is either used or in the free list, once I3  no writable entry: of
//   the zero frame; in an area without write permission; of a page of a file in a
//       private area; of an anonymous frame with several entries
//   I4  every entry lies in an area; areas of one address space do not overlap
//   I5  a slot's references = entries and object pages that name it; every slot is used or free,
//   once I6  a page that counts as clean has the bytes of its backing store I7  users of an address
//   space = processes in it; a vfork parent waits while its child shares its memory I8  an
//   exclusive frame has one entry at most, and no slot that others name I9  all memory and files
//   are those of the reference model (lib/sim/session.h compares them) I10 when all processes are
//   gone and all files forgotten, no frame and no slot is used
#pragma once

#include <optional>
#include <string>

#include "lib/sim/machine.h"

namespace cowfs::sim {

struct Violation {
  std::string invariant;  // "I3"
  std::string text;
};

/// The first of I1 to I8 that is broken.
std::optional<Violation> check_invariants(const Machine& machine);

/// I10, of a machine whose processes have all exited; forgets its files.
std::optional<Violation> check_nothing_is_left(Machine& machine);

}  // namespace cowfs::sim
