// A whole store whose arrays are changed as the input says (changed_store.h), then opened and used
// (exercise.h).
//
// The first byte: the flags of changed_store(); 16 read-only; 32 and above which volume is changed.
#include "tests/fuzz/changed_store.h"
#include "tests/fuzz/exercise.h"
#include "tests/fuzz/target.h"

namespace cowfs::fuzz {

COWFS_FUZZ_TARGET(store) {
  Source source(input);
  const auto flags = source.number(1);
  exercise(changed_store(flags, source), (flags & 16) != 0, flags >> 5);
}

}  // namespace cowfs::fuzz
