// The picture of the textbooks: processes left and right, physical memory between them.
//
//   process 1        physical memory        process 2
//   [ A.0 'A' ] ---> [ f0  'A' ]       <--- [ A.0 'A' ]
//   [ C.0 'X' ] ---> [ f3  'X'  copy ]
//
// An SVG without scripts, whose text can be selected. Colours are those of Okabe and Ito, told
// apart by the colour-blind, and never say anything alone: a read-only entry is dashed and says
// `ro`, a copied frame has a thick edge and says `copy of f2`, a free frame says `free`.
#pragma once

#include <string>

#include "lib/sim/event.h"
#include "lib/sim/machine.h"

namespace cowfs {

/// What the machine looks like; `title` above it, and the frames that `events` copied highlighted.
/// `arrow` names its arrow-heads: pictures in one page need different names, since a browser draws
/// none that it finds in a hidden picture.
std::string draw_machine(const sim::Machine& machine, const std::string& title,
                         const sim::Events& events, const std::string& arrow = "arrow");

/// &, <, > and quotes as entities.
std::string escape_markup(std::string_view text);

}  // namespace cowfs
