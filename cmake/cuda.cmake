# libbpnet_cuda: the GPU's kernels, in a separate library that is loaded when a network requests a GPU.
# Nothing else links CUDA.
option(BPNET_CUDA "Build the kernels for NVIDIA's GPUs" OFF)
if(NOT BPNET_CUDA)
  return()
endif()
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  message(FATAL_ERROR "bpnet: BPNET_CUDA=ON is for Linux, this is ${CMAKE_SYSTEM_NAME}")
endif()
include(${CMAKE_CURRENT_LIST_DIR}/cuda_toolkit.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/cuda_sources.cmake)

if(NOT DEFINED CMAKE_CUDA_HOST_COMPILER AND NOT DEFINED ENV{CUDAHOSTCXX})
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
endif()
# CMake links a program to test the compiler; nvcc does not find a wheel's libraries by itself.
string(APPEND CMAKE_CUDA_FLAGS " -L${BPNET_CUDA_LIBRARIES}")
# Code for the A100 and the H100, and PTX that the driver compiles for later ones.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES AND NOT DEFINED ENV{CUDAARCHS})
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90)
endif()
enable_language(CUDA)
set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)  # unknown to older CMakes for nvcc
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)

add_library(bpnet_cuda MODULE ${BPNET_CUDA_SOURCES} cpp/bpnet/kernels/cuda/cublaslt.cpp
                              cpp/bpnet/kernels/cuda/cudnn.cpp)
target_include_directories(bpnet_cuda PRIVATE ${PROJECT_SOURCE_DIR}/cpp)
target_include_directories(bpnet_cuda SYSTEM PRIVATE ${BPNET_CUDA_INCLUDES})
target_compile_definitions(bpnet_cuda PRIVATE BPNET_BACKEND_NAME="cuda")
target_compile_options(bpnet_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wshadow;$<$<BOOL:${BPNET_WERROR}>:-Werror>>
  $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-Xcompiler=-Wall,-Wextra,-Wshadow>
  $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${BPNET_WERROR}>>:-Werror;all-warnings>)
find_package(Threads REQUIRED)
target_link_libraries(bpnet_cuda PRIVATE ${BPNET_CUDART} ${BPNET_CUBLASLT} ${BPNET_CUDNN} ${CMAKE_DL_LIBS}
                                         Threads::Threads rt)
target_link_options(bpnet_cuda PRIVATE
  LINKER:-z,defs LINKER:--version-script=${CMAKE_CURRENT_LIST_DIR}/cuda_exports.map)
set_target_properties(bpnet_cuda PROPERTIES
  CUDA_RUNTIME_LIBRARY None  # named above
  LINKER_LANGUAGE CXX
  LINK_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/cuda_exports.map
  INSTALL_RPATH "${BPNET_CUDA_RPATH}")
install(TARGETS bpnet_cuda LIBRARY DESTINATION $<IF:$<BOOL:${BPNET_PYTHON}>,.,lib> COMPONENT cuda)
