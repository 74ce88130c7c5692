// memcpy between mappings of files, which may fail: a page behind the end of a file that was
// truncated, or one that a full disk has no room for, is SIGBUS.
//
// install_sigbus_guard() is called once by main(). A signal outside of a guarded copy ends the
// program as before. The one place where a signal handler must find something: a pointer of the
// thread's own.
#pragma once

#include <cstddef>

namespace cowfs {

enum class GuardedCopy { kDone, kSourceFailed, kTargetFailed };

void install_sigbus_guard();
GuardedCopy copy_guarded(void* to, const void* from, std::size_t size);

}  // namespace cowfs
