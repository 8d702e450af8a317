# The GPU's kernels, relative to the project: what nvcc compiles, and tests/cpp/cuda_on_cpu with the host's compiler.
set(BPNET_CUDA_SOURCES cpp/bpnet/core/text.cpp cpp/bpnet/core/threads/fork.cpp)
foreach(name activation batch_norm bias_activation chain clip column_sums convolution convolution_direct device
        dropout elementwise feed gather layout linear local_response loss memory module online optimizer pooling
        recorder softmax sums table)
  list(APPEND BPNET_CUDA_SOURCES cpp/bpnet/kernels/cuda/${name}.cu)
endforeach()
