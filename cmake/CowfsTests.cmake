# tests/support -> library; tests/NAME -> gtest binary test_NAME, one ctest entry with a label; tests/mount -> scripts that
# mount, with test programs of their own; tests/fuzz -> one fuzz target a file (only with COWFS_SANITIZE=fuzzer).

get_property(layers GLOBAL PROPERTY COWFS_LAYERS)
set(test_libs ${layers} cowfs_options GTest::gmock GTest::gtest)

file(GLOB support CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/support/*.cc")
if(support)
  add_library(cowfs_test_support STATIC ${support})
  target_link_libraries(cowfs_test_support PUBLIC ${test_libs})
  list(PREPEND test_libs cowfs_test_support)
endif()

# Labels: the folders below are levels of their own, every other folder holds unit tests of a layer.
set(level_folders model crash format)

# Tests need not be fast themselves: they are compiled at a lower level than what they test.
function(cowfs_compile_as_test target)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(${target} PRIVATE -O1 -g1)
  endif()
endfunction()

function(cowfs_add_test_folder folder)
  get_filename_component(name "${folder}" NAME)
  file(GLOB sources CONFIGURE_DEPENDS "${folder}/*.cc")
  if(NOT sources)
    return()
  endif()
  add_executable(test_${name} ${sources})
  cowfs_compile_as_test(test_${name})
  target_link_libraries(test_${name} PRIVATE ${test_libs} GTest::gtest_main)
  if(name STREQUAL "fs" AND TARGET cowfs_fs)
    target_link_libraries(test_${name} PRIVATE cowfs_fs)
  elseif(name STREQUAL "tools" AND TARGET cowfs_tools_common)
    target_link_libraries(test_${name} PRIVATE cowfs_tools_common)
  elseif(TARGET cowfs_tool_${name})
    target_link_libraries(test_${name} PRIVATE cowfs_tool_${name})
  endif()
  target_compile_definitions(test_${name} PRIVATE COWFS_TEST_DATA_DIR="${folder}/data")
  if(name IN_LIST level_folders)
    set(label ${name})
  else()
    set(label unit)
  endif()
  # Half of the time goes into one test: it runs beside the others.
  if(name STREQUAL "crash")
    cowfs_add_gtest(crash_states test_${name} ${label} "--gtest_filter=Crash.*")
    cowfs_add_gtest(crash_others test_${name} ${label} "--gtest_filter=-Crash.*")
  else()
    cowfs_add_gtest(${name} test_${name} ${label})
  endif()
endfunction()

# cowfs_add_gtest(NAME BINARY LABEL [argument...])
function(cowfs_add_gtest name binary label)
  # scripts/test reads the report of this name.
  add_test(NAME ${name} COMMAND ${binary} "--gtest_output=xml:${CMAKE_BINARY_DIR}/reports/test_${name}.xml" ${ARGN})
  # Sanitizers make the tree's model some twenty times slower: shorter histories there.
  set(operations "")
  if(COWFS_SANITIZE)
    set(operations ";COWFS_OPS=3000")
  endif()
  # The longest begin first.
  set(cost 0)
  if(name MATCHES "^(crash_states|crash_others|volume|tree)$")
    set(cost 100)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 1500 COST ${cost}
    ENVIRONMENT "COWFS_BIN_DIR=${CMAKE_BINARY_DIR}/bin;COWFS_SRC_DIR=${CMAKE_SOURCE_DIR}${operations}")
endfunction()

file(GLOB folders CONFIGURE_DEPENDS LIST_DIRECTORIES true "${CMAKE_SOURCE_DIR}/tests/*")
foreach(folder IN LISTS folders)
  get_filename_component(name "${folder}" NAME)
  if(IS_DIRECTORY "${folder}" AND NOT name MATCHES "^(support|mount|fuzz)$")
    cowfs_add_test_folder("${folder}")
  endif()
endforeach()

# Sanitizers are for what needs no mount.
if(NOT COWFS_SANITIZE)
  file(GLOB mount_programs CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/mount/*.cc")
  foreach(source IN LISTS mount_programs)
    get_filename_component(name "${source}" NAME_WE)
    add_executable(${name} ${source})
    cowfs_compile_as_test(${name})
    target_link_libraries(${name} PRIVATE ${layers} cowfs_options)
    if(TARGET cowfs_test_support)
      target_link_libraries(${name} PRIVATE cowfs_test_support)
    endif()
  endforeach()

  file(GLOB mount_scripts CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/mount/*_test.sh")
  foreach(script IN LISTS mount_scripts)
    get_filename_component(name "${script}" NAME_WE)
    string(REGEX REPLACE "_test$" "" name "${name}")
    add_test(NAME mount.${name} COMMAND bash "${script}")
    set_tests_properties(mount.${name} PROPERTIES
      LABELS mount SKIP_RETURN_CODE 77 RUN_SERIAL TRUE TIMEOUT 1800
      ENVIRONMENT "COWFS_BIN_DIR=${CMAKE_BINARY_DIR}/bin;COWFS_SRC_DIR=${CMAKE_SOURCE_DIR}")
  endforeach()
endif()

if(COWFS_SANITIZE MATCHES "fuzzer")
  file(GLOB fuzz_targets CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/fuzz/*.cc")
  foreach(source IN LISTS fuzz_targets)
    get_filename_component(name "${source}" NAME_WE)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE ${layers} cowfs_options)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endforeach()
endif()
