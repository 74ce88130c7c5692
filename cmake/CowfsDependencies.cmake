# Third-party libraries; docs/dependencies.md says why each. All are Debian packages (scripts/setup installs them), but
# libfuse, which scripts/setup builds from Debian's newer source package where the installed one is too old.

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET GLOBAL libxxhash)
add_library(xxhash::xxhash ALIAS PkgConfig::xxhash)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
if(COWFS_TESTS)
  find_package(GTest REQUIRED)
endif()

include(CowfsLibfuse)
