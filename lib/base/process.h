// What a program of ours settles before anything else.
#pragma once

#include <cstddef>

namespace cowfs {

/// To be called at the start of main(), before anything is opened.
///
/// Descriptors 0 to 2 are held: those that are closed lead to /dev/null, opened so that using them
/// fails as before (EBADF). Else the next files that are opened would be stdin, stdout and stderr,
/// and what is said would be written into them: a line of the log into a store's superblock. Ends
/// the program where that cannot be done.
///
/// A file that grows beyond the limit of setrlimit(2) is an error (EFBIG), no signal that kills.
void begin_process();

/// How many files this process may have open (RLIMIT_NOFILE), now.
std::size_t descriptor_limit();

}  // namespace cowfs
