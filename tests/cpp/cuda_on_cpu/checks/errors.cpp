// Errors that a test injects, and counts.
#include <cstring>

#include "check.h"

namespace checks {
namespace {

const Add names("errors have CUDA's names", [] {
  require(std::strcmp(cudaGetErrorName(cudaErrorMemoryAllocation), "cudaErrorMemoryAllocation") == 0,
          "the name");
  require(std::strcmp(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory") == 0, "the message");
  require(std::strcmp(cudaGetErrorName(cudaError_t(12345)), "unrecognized error code") == 0, "of none");
});

const Add counted("calls are counted", [] {
  require(cuda_on_cpu_calls("cudaMalloc") == 0 && cuda_on_cpu_calls("kernel") == 0, "none");
  auto* const number = allocate<int>(1);
  launch({}, set_number, number, 1);
  require(cuda_on_cpu_calls("cudaMalloc") == 1 && cuda_on_cpu_calls("cudaLaunchKernelEx") == 1, "one");
  require(cuda_on_cpu_calls("kernel") == 0, "a kernel is counted when it runs");
  succeed(cudaStreamSynchronize(nullptr));
  require(cuda_on_cpu_calls("kernel") == 1, "then");
});

const Add one_fails("a call fails where a test asks for it", [] {
  void* memory = nullptr;
  cuda_on_cpu_fail("cudaMalloc:2:cudaErrorMemoryAllocation,cudaMemGetInfo:1:cudaErrorUnknown");
  succeed(cudaMalloc(&memory, 4));
  expect(cudaErrorMemoryAllocation, cudaMalloc(&memory, 4), "the second");
  succeed(cudaMalloc(&memory, 4));
  std::size_t free = 0, total = 0;
  expect(cudaErrorUnknown, cudaMemGetInfo(&free, &total), "another function");
  expect(cudaErrorUnknown, cudaPeekAtLastError(), "the last error");
  expect(cudaErrorUnknown, cudaGetLastError(), "the last error, which is forgotten");
  succeed(cudaGetLastError());
});

const Add sticky("a GPU does not get over some failures", [] {
  auto* const number = allocate<int>(1);
  cuda_on_cpu_fail("cudaMemsetAsync:1");
  expect(cudaErrorLaunchFailure, cudaMemsetAsync(number, 0, 4), "the call");
  expect(cudaErrorLaunchFailure, cudaStreamSynchronize(nullptr), "another");
  expect(cudaErrorLaunchFailure, cudaFree(number), "a third");
  expect(cudaErrorLaunchFailure, cudaGetLastError(), "the last error");
  expect(cudaErrorLaunchFailure, cudaGetLastError(), "the last error, which stays");
  succeed(cudaSetDevice(1));
  allocate<int>(1);
});

const Add kernel_fails("a kernel that fails is reported by the next wait", [] {
  auto* const number = allocate<int>(1);
  cuda_on_cpu_fail("kernel:2:cudaErrorIllegalAddress");
  for (int i = 0; i < 4; ++i) launch({}, set_number, number, i);
  expect(cudaErrorIllegalAddress, cudaStreamSynchronize(nullptr), "the wait");
  require(cuda_on_cpu_calls("kernel") == 2, "nothing ran thereafter");
  expect(cudaErrorIllegalAddress, try_launch({}, set_number, number, 1), "a launch");
});

const Add wrong_rule("a rule that is none", "which of its calls fails",
                     [] { cuda_on_cpu_fail("cudaMalloc"); });
const Add wrong_error("an error that is none", "no error is called 'cudaErrorFoo'",
                      [] { cuda_on_cpu_fail("cudaMalloc:1:cudaErrorFoo"); });

}  // namespace
}  // namespace checks
