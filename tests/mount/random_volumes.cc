// random_volumes SEED STEPS MOUNT COWSNAP [REMOUNT]
//
// The model test over a real mount: random file operations, snapshots, forks, clones and deletions
// in all volumes of a mount, next to a plain reference (volume_model.h). All volumes are compared
// with it again and again, and at the end, when every volume and file is removed. Each choice comes
// from the seed: the same arguments repeat a run. A failure prints the last steps.
//
// REMOUNT is a program that is called, with all files closed, with the word `remount` (unmount and
// mount again) or `kill` (the daemon dies after `cowsnap sync`). MOUNT is empty at the beginning.
#include <sys/wait.h>

#include "tests/mount/random_volume_steps.h"

namespace {

using namespace mount_test;

Steps* running = nullptr;

void tell_last_steps() {
  if (running != nullptr) running->tell();
}

}  // namespace

int main(int argc, char** argv) {
  expect(argc == 5 || argc == 6, "usage: random_volumes SEED STEPS MOUNT COWSNAP [REMOUNT]");
  const std::uint64_t seed = std::strtoull(argv[1], nullptr, 10);
  const std::uint64_t count = std::strtoull(argv[2], nullptr, 10);
  std::fprintf(stderr, "seed %ju, %ju steps\n", static_cast<std::uintmax_t>(seed),
               static_cast<std::uintmax_t>(count));
  ::umask(0);
  Steps steps(seed, argv[3], argv[4], argc == 6 ? argv[5] : "");
  running = &steps;
  std::atexit(tell_last_steps);
  for (std::uint64_t number = 0; number < count; ++number) {
    steps.step();
    if (number % 400 == 399) steps.compare_all();
  }
  steps.remove_all();
  running = nullptr;
}
