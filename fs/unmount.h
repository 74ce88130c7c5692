// `cowfs --unmount`: takes the mount away and waits until its daemon has made all durable and let
// go of the store.
#pragma once

#include "fs/options.h"
#include "lib/base/error.h"

namespace cowfs {

/// kInvalidArgument: no cowfs is mounted there. kBusy: it is in use. kAccessDenied: unmounted, but
/// the store's directory may not be opened, so that there was nothing to wait for.
Result<void> unmount_and_wait(const Options& options);

}  // namespace cowfs
