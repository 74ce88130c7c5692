# What `cmake --install` puts where: commands for everybody in bin, for the administrator in sbin, manual pages, completions.

# mount(8) and umount(8) look for their helpers in /sbin only: with a prefix other than /usr give -DCOWFS_HELPER_DIR=/sbin.
set(COWFS_HELPER_DIR "${CMAKE_INSTALL_SBINDIR}" CACHE STRING "Where mount.cowfs, mount.fuse.cowfs, umount.fuse.cowfs go")

get_property(tools GLOBAL PROPERTY COWFS_TOOLS)
foreach(tool IN LISTS tools)
  if(tool MATCHES "\\.cowfs$")
    install(TARGETS ${tool} RUNTIME DESTINATION "${CMAKE_INSTALL_SBINDIR}")
  else()
    install(TARGETS ${tool} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endforeach()

if(TARGET cowfs)
  install(TARGETS cowfs RUNTIME DESTINATION "${CMAKE_INSTALL_SBINDIR}")
  if(COWFS_HELPER_DIR STREQUAL CMAKE_INSTALL_SBINDIR)
    set(helper_target cowfs)
  else()
    set(helper_target "${CMAKE_INSTALL_FULL_SBINDIR}/cowfs")
  endif()
  foreach(helper IN ITEMS mount.cowfs mount.fuse.cowfs umount.cowfs umount.fuse.cowfs)
    file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/helpers")
    file(CREATE_LINK "${helper_target}" "${CMAKE_BINARY_DIR}/helpers/${helper}" SYMBOLIC)
    install(FILES "${CMAKE_BINARY_DIR}/helpers/${helper}" DESTINATION "${COWFS_HELPER_DIR}")
  endforeach()
endif()

foreach(section RANGE 1 8)
  file(GLOB pages CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/man/*.${section}")
  if(pages)
    install(FILES ${pages} DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
  endif()
endforeach()

file(GLOB bash_completions CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/completions/bash/*")
if(bash_completions)
  install(FILES ${bash_completions} DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
endif()
install(FILES LICENSE CHANGELOG.md docs/dependencies.md DESTINATION "${CMAKE_INSTALL_DOCDIR}")
if(COWFS_LIBFUSE_KIND STREQUAL "private static")
  install(FILES "${COWFS_DEPS_DIR}/libfuse/LGPL2.txt"
    DESTINATION "${CMAKE_INSTALL_DOCDIR}" RENAME libfuse-LGPL-2.1.txt)
endif()
