# The layering rule is part of the build: an include that points upward fails it.
if(EXISTS "${CMAKE_SOURCE_DIR}/scripts/check_layers")
  add_custom_target(check_layers ALL
    COMMAND "${CMAKE_SOURCE_DIR}/scripts/check_layers"
    COMMENT "Checking that includes point downward"
    VERBATIM)
endif()
