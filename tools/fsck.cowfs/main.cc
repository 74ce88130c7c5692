// fsck.cowfs: checks and repairs a store. The command line is in command_line.cc, the work in
// run.cc.
#include "lib/base/process.h"
#include "tools/fsck.cowfs/run.h"

int main(int argc, char** argv) {
  cowfs::begin_process();
  const auto command = cowfs::parse_fsck(argc, argv);
  if (const auto* code = std::get_if<cowfs::FsckExit>(&command)) return static_cast<int>(*code);
  return static_cast<int>(cowfs::run_fsck(std::get<cowfs::FsckCommand>(command)));
}
