# Third-party libraries; docs/dependencies.md says why each. All are Debian packages (scripts/setup installs them), but
# libfuse, which scripts/setup builds from Debian's newer source package where the installed one is too old.

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)  # used as headers alone: its shared library would bring libstdc++'s back (COWFS_STATIC_RUNTIME)
find_package(PkgConfig REQUIRED)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET GLOBAL libxxhash)
add_library(xxhash::xxhash ALIAS PkgConfig::xxhash)
# On x86 the library also has its functions for newer vector instructions, chosen when a program starts (lib/base/xxh3.h).
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_LIBRARIES PkgConfig::xxhash)
check_cxx_source_compiles("#include <xxhash.h>
#include <xxh_x86dispatch.h>
int main() { return static_cast<int>(XXH3_64bits_dispatch(\"\", 0)); }" COWFS_HAS_XXH_DISPATCH)
unset(CMAKE_REQUIRED_LIBRARIES)
if(COWFS_HAS_XXH_DISPATCH)
  target_compile_definitions(PkgConfig::xxhash INTERFACE COWFS_HAS_XXH_DISPATCH)
endif()
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
if(COWFS_TESTS)
  find_package(GTest REQUIRED)
endif()

include(CowfsLibfuse)
