# One object per instruction set and element type, from the one text in kernels/cpu.
set(BPNET_TABLES)
function(bpnet_add_tables isa vector_bytes)
  foreach(real float double)
    set(name bpnet_${isa}_${real})
    add_library(${name} OBJECT cpp/bpnet/kernels/cpu/table.cpp)
    target_link_libraries(${name} PRIVATE bpnet_flags)
    target_compile_definitions(${name} PRIVATE
      BPNET_REAL=${real} BPNET_VECTOR_BYTES=${vector_bytes} BPNET_BACKEND_NAME="${isa}"
      BPNET_TABLE_GETTER=${isa}_kernels_${real})
    if(MSVC)
      list(TRANSFORM ARGN PREPEND /clang: OUTPUT_VARIABLE flags)
      target_compile_options(${name} PRIVATE ${flags} /clang:-ffp-contract=fast /clang:-O3)
    else()
      # -O3 of GCC would copy whole functions and loops per constant argument or condition.
      target_compile_options(${name} PRIVATE ${ARGN} -ffp-contract=fast -fno-exceptions -fno-math-errno
                             $<$<NOT:$<CONFIG:Debug>>:-O3>
                             $<$<CXX_COMPILER_ID:GNU>:-fno-unswitch-loops$<SEMICOLON>-fno-ipa-cp-clone>)
    endif()
    list(APPEND BPNET_TABLES $<TARGET_OBJECTS:${name}>)
  endforeach()
  set(BPNET_TABLES ${BPNET_TABLES} PARENT_SCOPE)
endfunction()

bpnet_add_tables(baseline 16)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64" AND NOT CMAKE_OSX_ARCHITECTURES MATCHES "arm64")
  bpnet_add_tables(avx2 32 -mavx2 -mfma)
  bpnet_add_tables(avx512 64 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma -mprefer-vector-width=512)
  set(BPNET_PROCESSOR cpp/bpnet/kernels/processor_x86.cpp)
else()
  set(BPNET_PROCESSOR cpp/bpnet/kernels/processor_other.cpp)
endif()
