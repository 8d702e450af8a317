# 64-bit Windows, by Debian's g++-mingw-w64-x86-64-posix; Wine runs what is built.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

# The folders of the compiler's DLLs, which Wine looks through.
foreach(library libgomp-1.dll libwinpthread-1.dll)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=${library}
                  OUTPUT_VARIABLE path OUTPUT_STRIP_TRAILING_WHITESPACE)
  cmake_path(GET path PARENT_PATH folder)
  list(APPEND folders ${folder})
endforeach()
list(JOIN folders "\\\\\\;" folders)  # escaped for the list below, and again for the test file
find_program(WINE NAMES wine64 wine PATHS /usr/lib/wine)
set(CMAKE_CROSSCOMPILING_EMULATOR env WINEDEBUG=-all WINEPATH=${folders} ${WINE})
