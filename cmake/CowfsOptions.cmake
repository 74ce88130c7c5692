# Compiler settings shared by every target, gathered in the interface target `cowfs_options`.

option(COWFS_TESTS "Build the tests" ON)
option(COWFS_BENCH "Build the benchmarks of bench/" OFF)
option(COWFS_STATIC_RUNTIME
       "Link libstdc++ and libgcc into the tools: finding their symbols at each start takes longer than many a clone" ON)
set(COWFS_SANITIZE "" CACHE STRING
    "Sanitizers, a comma-separated list: address,undefined | thread | fuzzer (clang only; may be joined with address)")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
# Checks stay on in optimized builds: NDEBUG is never defined.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
# Not in the cache: there CMake has it already, empty, because a preset chose the build type.
set(CMAKE_CXX_FLAGS_SANITIZED "-O1 -g1")

find_program(COWFS_CCACHE ccache)
if(COWFS_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${COWFS_CCACHE}")
endif()

add_library(cowfs_options INTERFACE)
target_include_directories(cowfs_options INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_definitions(cowfs_options INTERFACE
  COWFS_VERSION="${PROJECT_VERSION}" _GNU_SOURCE _FILE_OFFSET_BITS=64 _GLIBCXX_ASSERTIONS)
target_compile_options(cowfs_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fstack-protector-strong)

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # libstdc++ 12 uses what it calls deprecated (get_temporary_buffer), which only clang reports there.
  target_compile_options(cowfs_options INTERFACE -Wno-deprecated-declarations)
endif()

if(COWFS_SANITIZE)
  # The fuzzer's own main() belongs to fuzz targets only; all the other code just gets its coverage hooks.
  string(REGEX REPLACE "(^|,)fuzzer(,|$)" "\\1fuzzer-no-link\\2" sanitizers "${COWFS_SANITIZE}")
  target_compile_options(cowfs_options INTERFACE
    -fsanitize=${sanitizers} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(cowfs_options INTERFACE -fsanitize=${sanitizers})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Under sanitizers gcc 12 sees uninitialized values in std::regex (gcc bug 105562). The release build has the warning.
    target_compile_options(cowfs_options INTERFACE -Wno-maybe-uninitialized)
  endif()
elseif(CMAKE_BUILD_TYPE MATCHES "^Rel")
  target_compile_options(cowfs_options INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
