// A whole store whose arrays are changed as the input says (changed_store.h), then checked,
// repaired, checked again and, where that went, opened and read.
//
// The first byte: the flags of changed_store(); 16 also what a checkpoint that a daemon holds would
// get: the superblock comes from the store, too.
#include "lib/base/check.h"
#include "lib/store/superblock.h"
#include "lib/volume/fsck.h"
#include "tests/fuzz/changed_store.h"
#include "tests/fuzz/exercise.h"
#include "tests/fuzz/target.h"

namespace cowfs::fuzz {

COWFS_FUZZ_TARGET(fsck) {
  Source source(input);
  const auto flags = source.number(1);
  auto storage = changed_store(flags, source);
  if ((flags & 16) != 0) {
    std::string slot(kSuperblockSize, '\0');
    (void)storage->read({ArrayKind::kSuperblock, 0}, 0, std::as_writable_bytes(std::span(slot)));
    (void)check_held_checkpoint(*storage, slot);
  }
  const auto found = check_store(*storage, {.scrub = true});
  if (!found || found->problems.clean() || !repair_store(*storage)) return;
  const auto after = check_store(*storage);
  COWFS_CHECK(after.has_value());
  exercise(std::move(storage), true, 0);
}

}  // namespace cowfs::fuzz
