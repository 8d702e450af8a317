# Locates CUDA: the toolkit that CMake is given or finds, or the nvidia-* wheels of the Python that builds.
# Sets CMAKE_CUDA_COMPILER, BPNET_CUDA_INCLUDES, the folder BPNET_CUDA_LIBRARIES of the runtime, the libraries
# BPNET_CUDART, BPNET_CUBLASLT and BPNET_CUDNN, and BPNET_CUDA_RPATH, the folders searched when they are
# loaded.
set(BPNET_OLDEST_CUDA 12.4)
set(BPNET_CUDA_ADVICE "install NVIDIA's CUDA toolkit ${BPNET_OLDEST_CUDA} or newer and cuDNN 9, or the wheels of both: \
pip install 'cuda-toolkit[nvcc,cudart,cublas]==13.*' nvidia-cudnn-cu13")

if(NOT Python_SITELIB)
  find_package(Python QUIET COMPONENTS Interpreter)
endif()
set(BPNET_CUDA_WHEELS "${Python_SITELIB}/nvidia" CACHE PATH "The folder nvidia of NVIDIA's wheels")

# CMake itself reads the environment variable CUDACXX.
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  file(GLOB bpnet_wheels LIST_DIRECTORIES true "${BPNET_CUDA_WHEELS}/cu[0-9]*")
  list(SORT bpnet_wheels COMPARE NATURAL ORDER DESCENDING)
  list(TRANSFORM bpnet_wheels APPEND /bin)
  find_program(BPNET_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATH_SUFFIXES bin
               PATHS ${bpnet_wheels} /usr/local/cuda/bin)
  if(NOT BPNET_NVCC)
    message(FATAL_ERROR "bpnet: BPNET_CUDA=ON, but nvcc is not found; ${BPNET_CUDA_ADVICE}; or say where it is with "
                        "-DCMAKE_CUDA_COMPILER=")
  endif()
  set(CMAKE_CUDA_COMPILER ${BPNET_NVCC})
endif()
set(bpnet_nvcc ${CMAKE_CUDA_COMPILER})
if(NOT bpnet_nvcc)
  set(bpnet_nvcc $ENV{CUDACXX})
endif()

execute_process(COMMAND ${bpnet_nvcc} --version OUTPUT_VARIABLE bpnet_said ERROR_VARIABLE bpnet_said
                RESULT_VARIABLE bpnet_status)
if(NOT bpnet_status EQUAL 0 OR NOT bpnet_said MATCHES "release ([0-9]+)\\.([0-9]+)")
  message(FATAL_ERROR "bpnet: '${bpnet_nvcc} --version' does not say which CUDA it is of: ${bpnet_said}")
endif()
set(bpnet_major ${CMAKE_MATCH_1})
set(bpnet_version ${CMAKE_MATCH_1}.${CMAKE_MATCH_2})
if(bpnet_version VERSION_LESS BPNET_OLDEST_CUDA)
  message(FATAL_ERROR "bpnet: ${bpnet_nvcc} is of CUDA ${bpnet_version}, bpnet needs ${BPNET_OLDEST_CUDA} or newer; "
                      "${BPNET_CUDA_ADVICE}")
endif()

# The toolkit's folder, then the wheels' (of CUDA 13 on one for all but cuDNN, before that one for each), then
# the system's. The wheels have no names without a version.
file(REAL_PATH "${bpnet_nvcc}" bpnet_root)
cmake_path(GET bpnet_root PARENT_PATH bpnet_root)
cmake_path(GET bpnet_root PARENT_PATH bpnet_root)
set(bpnet_hints ${bpnet_root} ${bpnet_root}/targets/${CMAKE_SYSTEM_PROCESSOR}-linux
    ${BPNET_CUDA_WHEELS}/cu${bpnet_major} ${BPNET_CUDA_WHEELS}/cuda_runtime ${BPNET_CUDA_WHEELS}/cublas
    ${BPNET_CUDA_WHEELS}/cudnn)

function(bpnet_find_cuda library header)  # names of the library's file; ARGN: its package
  string(TOUPPER BPNET_${library} variable)
  list(POP_BACK ARGN what)
  find_library(${variable} NAMES ${ARGN} HINTS ${bpnet_hints} PATH_SUFFIXES lib64 lib)
  find_path(${variable}_INCLUDE ${header} HINTS ${bpnet_hints} PATH_SUFFIXES include)
  if(NOT ${variable} OR NOT ${variable}_INCLUDE)
    message(FATAL_ERROR "bpnet: nvcc of CUDA ${bpnet_version} is ${bpnet_nvcc}, but ${what} (${header} and "
                        "${ARGN}) is not found; ${BPNET_CUDA_ADVICE}; or say where it is with -D${variable}= and "
                        "-D${variable}_INCLUDE=")
  endif()
  message(STATUS "bpnet: ${what}: ${${variable}}")
endfunction()

bpnet_find_cuda(cudart cuda_runtime.h libcudart_static.a "CUDA's runtime")
bpnet_find_cuda(cublaslt cublasLt.h libcublasLt.so.${bpnet_major} "cuBLASLt of CUDA ${bpnet_major}")
bpnet_find_cuda(cudnn cudnn.h libcudnn.so.9 "cuDNN 9")

set(BPNET_CUDA_INCLUDES ${BPNET_CUDART_INCLUDE} ${BPNET_CUBLASLT_INCLUDE} ${BPNET_CUDNN_INCLUDE})
list(REMOVE_DUPLICATES BPNET_CUDA_INCLUDES)
cmake_path(GET BPNET_CUDART PARENT_PATH BPNET_CUDA_LIBRARIES)

# The library is beside the folder nvidia once it is installed in bpnet's folder among Python's packages.
set(BPNET_CUDA_RPATH $ORIGIN/../nvidia/cu${bpnet_major}/lib $ORIGIN/../nvidia/cublas/lib $ORIGIN/../nvidia/cudnn/lib)
foreach(library ${BPNET_CUBLASLT} ${BPNET_CUDNN})
  cmake_path(GET library PARENT_PATH folder)
  cmake_path(IS_PREFIX BPNET_CUDA_WHEELS ${folder} NORMALIZE in_wheel)
  if(NOT in_wheel)
    list(APPEND BPNET_CUDA_RPATH ${folder})
  endif()
endforeach()
list(REMOVE_DUPLICATES BPNET_CUDA_RPATH)
