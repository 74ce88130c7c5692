# bench/NAME.cc -> program bench_NAME.
get_property(layers GLOBAL PROPERTY COWFS_LAYERS)
file(GLOB bench_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/bench/*.cc")
foreach(source IN LISTS bench_sources)
  get_filename_component(name "${source}" NAME_WE)
  add_executable(bench_${name} ${source})
  target_link_libraries(bench_${name} PRIVATE ${layers} cowfs_options)
endforeach()
