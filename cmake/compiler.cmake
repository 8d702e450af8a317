# C++, by a compiler that builds bpnet; where there is none, what to install.
set(BPNET_COMPILER_ADVICE "Install one:
  Debian, Ubuntu   apt install g++
  Fedora           dnf install gcc-c++
  Arch             pacman -S gcc
  Alpine           apk add g++
  conda            conda install cxx-compiler
  macOS            xcode-select --install
  Windows          Visual Studio's build tools with C++ and its Clang, then set CMAKE_GENERATOR_TOOLSET=ClangCL
or install a wheel, which needs no compiler:
  pip install --only-binary backpropnet backpropnet")

# The compilers that CMake searches; on Windows it queries Visual Studio.
get_property(bpnet_languages GLOBAL PROPERTY ENABLED_LANGUAGES)
if(UNIX AND NOT "CXX" IN_LIST bpnet_languages AND NOT CMAKE_CXX_COMPILER AND NOT CMAKE_TOOLCHAIN_FILE
   AND "$ENV{CXX}" STREQUAL "")
  find_program(BPNET_FOUND_COMPILER NAMES c++ CC g++ aCC cl bcc xlC icpx icx clang++)
  mark_as_advanced(BPNET_FOUND_COMPILER)
  if(NOT BPNET_FOUND_COMPILER)
    message(FATAL_ERROR "bpnet: to be built from source it needs a C++20 compiler, GCC 11, Clang 14 or newer, and none is "
                        "on the PATH; the environment variable CXX names one elsewhere.\n${BPNET_COMPILER_ADVICE}")
  endif()
endif()
enable_language(CXX)

if(NOT CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  message(FATAL_ERROR "bpnet: ${CMAKE_CXX_COMPILER_ID} has no vector extensions; use GCC, Clang or clang-cl "
                      "(-T ClangCL or -DCMAKE_CXX_COMPILER=clang-cl)")
endif()
set(bpnet_oldest_GNU 11)
set(bpnet_oldest_Clang 14)
if(DEFINED bpnet_oldest_${CMAKE_CXX_COMPILER_ID}
   AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS bpnet_oldest_${CMAKE_CXX_COMPILER_ID})
  message(FATAL_ERROR "bpnet: ${CMAKE_CXX_COMPILER} is ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}, bpnet needs "
                      "GCC 11, Clang 14 or newer.\n${BPNET_COMPILER_ADVICE}")
endif()
