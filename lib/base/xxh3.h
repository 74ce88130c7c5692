// XXH3, the hash of everything on the host, by the widest vector instructions that this processor
// has: the library is built for the oldest of its kind, and its dispatch, where it has one (x86),
// takes the place of the plain functions. The values are the same.
#pragma once

#include <xxhash.h>

#ifdef COWFS_HAS_XXH_DISPATCH
#include <xxh_x86dispatch.h>
#endif
