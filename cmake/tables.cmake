# One object per instruction set and element type, from the common source in kernels/cpu; and products in
# bfloat16.
set(BPNET_TABLES)
function(bpnet_compile_as_table name)
  target_link_libraries(${name} PRIVATE bpnet_flags)
  if(MSVC)
    list(TRANSFORM ARGN PREPEND /clang: OUTPUT_VARIABLE flags)
    target_compile_options(${name} PRIVATE ${flags} /clang:-ffp-contract=fast /clang:-O3)
  else()
    # -O3 of GCC would copy whole functions and loops per constant argument or condition.
    target_compile_options(${name} PRIVATE ${ARGN} -ffp-contract=fast -fno-exceptions -fno-math-errno
                           $<$<NOT:$<CONFIG:Debug>>:-O3>
                           $<$<CXX_COMPILER_ID:GNU>:-fno-unswitch-loops$<SEMICOLON>-fno-ipa-cp-clone>)
  endif()
  set(BPNET_TABLES ${BPNET_TABLES} $<TARGET_OBJECTS:${name}> PARENT_SCOPE)
endfunction()

function(bpnet_add_tables isa vector_bytes)
  foreach(real float double)
    set(name bpnet_${isa}_${real})
    add_library(${name} OBJECT cpp/bpnet/kernels/cpu/table.cpp)
    target_compile_definitions(${name} PRIVATE
      BPNET_REAL=${real} BPNET_VECTOR_BYTES=${vector_bytes} BPNET_BACKEND_NAME="${isa}"
      BPNET_TABLE_GETTER=${isa}_kernels_${real})
    bpnet_compile_as_table(${name} ${ARGN})
  endforeach()
  set(BPNET_TABLES ${BPNET_TABLES} PARENT_SCOPE)
endfunction()

function(bpnet_add_bfloat16_tables form vector_bytes)
  set(name bpnet_bfloat16_${form})
  add_library(${name} OBJECT cpp/bpnet/kernels/cpu/bfloat16/table_${form}.cpp)
  target_compile_definitions(${name} PRIVATE BPNET_REAL=float BPNET_VECTOR_BYTES=${vector_bytes})
  bpnet_compile_as_table(${name} ${ARGN})
  set(BPNET_TABLES ${BPNET_TABLES} PARENT_SCOPE)
endfunction()

bpnet_add_tables(baseline 16)
bpnet_add_bfloat16_tables(model 16)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64" AND NOT CMAKE_OSX_ARCHITECTURES MATCHES "arm64")
  bpnet_add_tables(avx2 32 -mavx2 -mfma)
  bpnet_add_tables(avx512 64 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma -mprefer-vector-width=512)
  set(BPNET_PROCESSOR cpp/bpnet/kernels/processor_x86.cpp)
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    list(APPEND BPNET_PROCESSOR cpp/bpnet/kernels/tile_permission_linux.cpp)
  else()
    list(APPEND BPNET_PROCESSOR cpp/bpnet/kernels/no_tile_permission.cpp)
  endif()
  # GCC for Windows has the options, and loads a tile with a stride of 32 bits, which its assembler refuses.
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_FLAGS "-mavx512bf16 -mamx-tile -mamx-bf16")
  check_cxx_source_compiles(
    "#include <immintrin.h>
    int main(int stride, char** memory) { _tile_loadd(0, memory, stride); }" BPNET_HAS_BFLOAT16)
  unset(CMAKE_REQUIRED_FLAGS)
else()
  set(BPNET_PROCESSOR cpp/bpnet/kernels/processor_other.cpp)
endif()
if(BPNET_HAS_BFLOAT16)
  bpnet_add_bfloat16_tables(avx512 64 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma
                            -mprefer-vector-width=512 -mavx512bf16 -mamx-tile -mamx-bf16)
else()
  list(APPEND BPNET_PROCESSOR cpp/bpnet/kernels/no_bfloat16.cpp)
endif()
