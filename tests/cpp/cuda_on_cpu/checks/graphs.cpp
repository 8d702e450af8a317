// Captures and graphs.
#include <thread>

#include "check.h"

namespace checks {
namespace {

cudaGraphExec_t instantiate(cudaGraph_t graph) {
  cudaGraphExec_t exec = nullptr;
  succeed(cudaGraphInstantiate(&exec, graph, 0));
  succeed(cudaGraphDestroy(graph));
  return exec;
}
cudaGraphExec_t end(cudaStream_t stream) {
  cudaGraph_t graph = nullptr;
  succeed(cudaStreamEndCapture(stream, &graph));
  return instantiate(graph);
}
void expect_invalid(cudaStream_t stream) {
  cudaStreamCaptureStatus status;
  succeed(cudaStreamIsCapturing(stream, &status));
  require(status == cudaStreamCaptureStatusInvalidated, "the capture is invalid");
  cudaGraph_t graph = nullptr;
  expect(cudaErrorStreamCaptureInvalidated, cudaStreamEndCapture(stream, &graph), "its end");
  require(!graph, "there is no graph");
  succeed(cudaStreamIsCapturing(stream, &status));
  require(status == cudaStreamCaptureStatusNone, "the stream is as before");
}

const Add replays("a graph is replayed", [] {
  const cudaStream_t stream = make_stream();
  auto* const number = allocate<int>(1);
  succeed(cudaMemsetAsync(number, 0, 4, stream));
  int value = 3;
  succeed(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  launch({1, 1, 0, stream}, add_number, number, value);
  launch({1, 1, 0, stream}, add_number, number, value);
  value = 100;  // arguments were copied
  const cudaGraphExec_t exec = end(stream);
  require(read(number, 1, stream)[0] == 0, "capturing does nothing");
  const unsigned long long before = cuda_on_cpu_calls("kernel"),
                           launches = cuda_on_cpu_calls("cudaLaunchKernelEx");
  for (int i = 0; i < 3; ++i) succeed(cudaGraphLaunch(exec, stream));
  succeed(cudaGraphExecDestroy(exec));  // after it has ended
  require(read(number, 1, stream)[0] == 18, "three times 6");
  require(cuda_on_cpu_calls("kernel") - before == 6, "six kernels ran");
  require(cuda_on_cpu_calls("cudaLaunchKernelEx") == launches, "and none was launched by itself");
  require(cuda_on_cpu_calls("cudaGraphLaunch") == 3, "but the graph, three times");
});

const Add pinned("a graph copies what pinned memory holds when it runs", [] {
  const cudaStream_t stream = make_stream();
  auto* const number = allocate<int>(1);
  auto* const from = allocate_pinned<int>(2);
  succeed(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  succeed(cudaMemcpyAsync(number, from, 4, cudaMemcpyHostToDevice, stream));
  launch({1, 1, 0, stream}, add_number, number, 1);
  succeed(cudaMemcpyAsync(from + 1, number, 4, cudaMemcpyDeviceToHost, stream));
  const cudaGraphExec_t exec = end(stream);
  for (from[0] = 5; from[0] < 8; ++from[0]) {
    succeed(cudaGraphLaunch(exec, stream));
    succeed(cudaStreamSynchronize(stream));
    require(from[1] == from[0] + 1, "the number came and went");
  }
});

// `call` fails on a stream that captures, which invalidates it.
void forbid(cudaStreamCaptureMode mode, const char* what, cudaError_t (*call)(cudaStream_t, int*)) {
  const cudaStream_t stream = make_stream();
  auto* const number = allocate<int>(1);
  succeed(cudaStreamBeginCapture(stream, mode));
  launch({1, 1, 0, stream}, set_number, number, 1);
  expect(cudaErrorStreamCaptureUnsupported, call(stream, number), what);
  expect(cudaErrorStreamCaptureInvalidated, try_launch({1, 1, 0, stream}, set_number, number, 1),
         "a launch thereafter");
  expect_invalid(stream);
}
const Add forbidden("what a capture forbids fails and invalidates it", [] {
  for (const auto mode : {cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal}) {
    forbid(mode, "cudaStreamSynchronize", [](cudaStream_t s, int*) { return cudaStreamSynchronize(s); });
    forbid(mode, "cudaStreamQuery", [](cudaStream_t s, int*) { return cudaStreamQuery(s); });
    forbid(mode, "cudaDeviceSynchronize", [](cudaStream_t, int*) { return cudaDeviceSynchronize(); });
    forbid(mode, "cudaMalloc", [](cudaStream_t, int*) {
      void* memory = nullptr;
      return cudaMalloc(&memory, 4);
    });
    forbid(mode, "cudaFree", [](cudaStream_t, int* number) { return cudaFree(number); });
    forbid(mode, "cudaMallocHost", [](cudaStream_t, int*) {
      void* memory = nullptr;
      return cudaMallocHost(&memory, 4);
    });
    forbid(mode, "cudaMemcpy", [](cudaStream_t, int* number) {
      int own = 0;
      return cudaMemcpy(&own, number, 4, cudaMemcpyDeviceToHost);
    });
    forbid(mode, "a copy of pageable memory", [](cudaStream_t s, int* number) {
      int own = 0;
      return cudaMemcpyAsync(number, &own, 4, cudaMemcpyHostToDevice, s);
    });
    forbid(mode, "a copy to pageable memory", [](cudaStream_t s, int* number) {
      int own = 0;
      return cudaMemcpyAsync(&own, number, 4, cudaMemcpyDeviceToHost, s);
    });
  }
});

const Add relaxed("a relaxed capture allows memory to be allocated", [] {
  const cudaStream_t stream = make_stream();
  succeed(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  auto* const number = allocate<int>(1);
  launch({1, 1, 0, stream}, set_number, number, 9);
  succeed(cudaGraphLaunch(end(stream), stream));
  require(read(number, 1, stream)[0] == 9, "the number");
});

cudaError_t allocate_elsewhere() {
  cudaError_t error = cudaSuccess;
  std::thread([&] {
    void* memory = nullptr;
    error = cudaMalloc(&memory, 4);
  }).join();
  return error;
}
const Add other_threads("a thread's capture is its own, unless it is global", [] {
  const cudaStream_t stream = make_stream();
  succeed(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  succeed(allocate_elsewhere());
  end(stream);
  succeed(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  expect(cudaErrorStreamCaptureUnsupported, allocate_elsewhere(), "memory for another thread");
  expect_invalid(stream);
  succeed(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  std::thread([&] {
    cudaGraph_t graph = nullptr;
    expect(cudaErrorStreamCaptureWrongThread, cudaStreamEndCapture(stream, &graph),
           "an end by another thread");
  }).join();
  end(stream);
});

const Add misuse("captures that cannot begin or end", [] {
  const cudaStream_t stream = make_stream();
  cudaGraph_t graph = nullptr;
  expect(cudaErrorIllegalState, cudaStreamEndCapture(stream, &graph), "an end without a begin");
  expect(cudaErrorStreamCaptureUnsupported, cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeRelaxed),
         "a capture of CUDA's own stream");
  succeed(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  expect(cudaErrorIllegalState, cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed),
         "a second begin");
  succeed(cudaGraphLaunch(end(stream), stream));  // of nothing
});

// numbers[0] = 1; then on two streams numbers[1] += numbers[0] and numbers[2] += numbers[0]; then the sum of
// both.
__global__ void add_other(int* to, const int* from) { *to += *from; }
const Add branches("a graph has the branches that events make", [] {
  const cudaStream_t first = make_stream(), second = make_stream();
  const cudaEvent_t began = make_event(), ended = make_event();
  auto* const numbers = allocate<int>(4);
  succeed(cudaStreamBeginCapture(first, cudaStreamCaptureModeThreadLocal));
  launch({1, 1, 0, first}, set_number, numbers, 1);
  succeed(cudaEventRecord(began, first));
  succeed(cudaStreamWaitEvent(second, began));
  launch({1, 1, 0, second}, add_other, numbers + 1, numbers);
  succeed(cudaEventRecord(ended, second));
  launch({1, 1, 0, first}, add_other, numbers + 2, numbers);
  succeed(cudaStreamWaitEvent(first, ended));
  launch({1, 1, 0, first}, add_other, numbers + 3, numbers + 1);
  launch({1, 1, 0, first}, add_other, numbers + 3, numbers + 2);
  const cudaGraphExec_t exec = end(first);
  expect(cudaErrorCapturedEvent, cudaEventSynchronize(ended), "a wait for an event of a capture");
  for (int i = 0; i < 50; ++i) {
    write(numbers, {0, 10, 20, 0}, first);
    succeed(cudaGraphLaunch(exec, first));
    require(read(numbers, 4, first) == std::vector<int>{1, 11, 21, 32}, "the numbers");
  }
});

const Add unjoined("a branch that is not joined", [] {
  const cudaStream_t first = make_stream(), second = make_stream();
  const cudaEvent_t event = make_event();
  auto* const number = allocate<int>(1);
  succeed(cudaStreamBeginCapture(first, cudaStreamCaptureModeThreadLocal));
  succeed(cudaEventRecord(event, first));
  succeed(cudaStreamWaitEvent(second, event));
  launch({1, 1, 0, second}, set_number, number, 1);
  cudaGraph_t graph = nullptr;
  expect(cudaErrorStreamCaptureUnmatched, cudaStreamEndCapture(second, &graph), "an end on the branch");
  expect(cudaErrorStreamCaptureInvalidated, cudaStreamEndCapture(first, &graph), "an end thereafter");

  succeed(cudaStreamBeginCapture(first, cudaStreamCaptureModeThreadLocal));
  succeed(cudaEventRecord(event, first));
  succeed(cudaStreamWaitEvent(second, event));
  launch({1, 1, 0, second}, set_number, number, 1);
  expect(cudaErrorStreamCaptureUnjoined, cudaStreamEndCapture(first, &graph), "an end");
  launch({1, 1, 0, second}, set_number, number, 1);
  succeed(cudaStreamSynchronize(second));
});

const Add isolated("a capture waits for nothing outside", [] {
  const cudaStream_t stream = make_stream(), outside = make_stream();
  const cudaEvent_t event = make_event();
  succeed(cudaEventRecord(event, outside));
  succeed(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  expect(cudaErrorStreamCaptureIsolation, cudaStreamWaitEvent(stream, event), "a wait");
  expect_invalid(stream);
});

}  // namespace
}  // namespace checks
