// Streams and events.
#include <thread>

#include "check.h"

namespace checks {
namespace {

const Add late("nothing is done before the host waits", [] {
  const cudaStream_t stream = make_stream();
  auto* const number = allocate<int>(1);
  auto* const pinned = allocate_pinned<int>(1);
  *pinned = 1;
  launch({1, 1, 0, stream}, set_number, number, 2);
  succeed(cudaMemcpyAsync(pinned, number, 4, cudaMemcpyDeviceToHost, stream));
  require(*pinned == 1, "the old number is there");
  succeed(cudaStreamSynchronize(stream));
  require(*pinned == 2, "the new one is, after a wait");
});

const Add sources("an array may change once its copy was begun, unless it is pinned", [] {
  const cudaStream_t stream = make_stream();
  auto* const numbers = allocate<int>(2);
  auto* const pinned = allocate_pinned<int>(1);
  int pageable = 1;
  *pinned = 1;
  succeed(cudaMemcpyAsync(numbers, &pageable, 4, cudaMemcpyHostToDevice, stream));
  succeed(cudaMemcpyAsync(numbers + 1, pinned, 4, cudaMemcpyHostToDevice, stream));
  pageable = *pinned = 2;
  require(read(numbers, 2, stream) == std::vector<int>{1, 2}, "what was read, and when");
});

const Add device_wait("cudaDeviceSynchronize waits for every stream of the GPU", [] {
  const cudaStream_t first = make_stream(), second = make_stream();
  auto* const numbers = allocate<int>(2);
  auto* const pinned = allocate_pinned<int>(2);
  for (const auto& [stream, i] : {std::pair(first, 0), std::pair(second, 1)}) {
    launch({1, 1, 0, stream}, set_number, numbers + i, 5);
    succeed(cudaMemcpyAsync(pinned + i, numbers + i, 4, cudaMemcpyDeviceToHost, stream));
  }
  succeed(cudaDeviceSynchronize());
  require(pinned[0] == 5 && pinned[1] == 5, "both are done");
});

// The value of a number after one stream set it to 1 and another to 2.
int race(bool ordered) {
  static const cudaStream_t first = make_stream(), second = make_stream();
  static const cudaEvent_t event = make_event();
  static int* const number = allocate<int>(1);
  launch({1, 1, 0, first}, set_number, number, 1);
  succeed(cudaEventRecord(event, first));
  if (ordered) succeed(cudaStreamWaitEvent(second, event));
  launch({1, 1, 0, second}, set_number, number, 2);
  succeed(cudaDeviceSynchronize());
  return read(number, 1)[0];
}
const Add events("two streams have no order but that of events", [] {
  int count[3] = {};
  for (int i = 0; i < 200; ++i) ++count[race(false)];
  require(count[1] > 0 && count[2] > 0, "both orders are seen");
  for (int i = 0; i < 200; ++i) require(race(true) == 2, "an event orders them");
});

const Add event_wait("waiting for an event does what came before it", [] {
  const cudaStream_t stream = make_stream();
  const cudaEvent_t event = make_event();
  succeed(cudaEventSynchronize(event));  // never recorded
  auto* const number = allocate<int>(1);
  auto* const pinned = allocate_pinned<int>(1);
  *pinned = 0;
  launch({1, 1, 0, stream}, set_number, number, 5);
  succeed(cudaMemcpyAsync(pinned, number, 4, cudaMemcpyDeviceToHost, stream));
  succeed(cudaEventRecord(event, stream));
  succeed(cudaEventSynchronize(event));
  require(*pinned == 5, "it is done");
});

const Add unfinished("waiting for a stream leaves others behind", [] {
  const cudaStream_t first = make_stream(), second = make_stream();
  auto* const numbers = allocate<int>(1);
  auto* const pinned = allocate_pinned<int>(1);
  *pinned = 0;
  for (int i = 0; i < 1000; ++i) launch({1, 1, 0, second}, set_number, numbers, 1);
  succeed(cudaMemcpyAsync(pinned, numbers, 4, cudaMemcpyDeviceToHost, second));
  launch({1, 1, 0, first}, set_number, allocate<int>(1), 1);
  succeed(cudaStreamSynchronize(first));
  require(*pinned == 0, "the other stream is not done");
});

const Add queries("asking makes progress by and by", [] {
  const cudaStream_t stream = make_stream();
  const cudaEvent_t event = make_event();
  auto* const number = allocate<int>(1);
  for (int i = 0; i < 20; ++i) launch({1, 1, 0, stream}, set_number, number, i);
  int asked = 0;
  for (cudaError_t error; (error = cudaStreamQuery(stream)) != cudaSuccess; ++asked) {
    expect(cudaErrorNotReady, error, "the answer");
  }
  require(asked > 3, "not at once");
  launch({1, 1, 0, stream}, set_number, number, 7);
  succeed(cudaEventRecord(event, stream));
  while (cudaEventQuery(event) == cudaErrorNotReady) {
  }
  expect(cudaSuccess, cudaGetLastError(), "the last error, as not being ready is none");
});

const Add devices("a GPU's streams are its own", [] {
  int device = -1, count = 0;
  succeed(cudaGetDeviceCount(&count));
  require(count == 2, "two GPUs");
  expect(cudaErrorInvalidDevice, cudaSetDevice(2), "a third");
  const cudaStream_t first = make_stream();
  const cudaEvent_t event = make_event();
  auto* const number = allocate<int>(1);
  succeed(cudaSetDevice(1));
  const cudaStream_t second = make_stream();
  expect(cudaErrorInvalidResourceHandle, try_launch({1, 1, 0, first}, set_number, number, 1), "a launch");
  expect(cudaErrorInvalidResourceHandle, cudaEventRecord(event, second), "a record");
  succeed(cudaStreamWaitEvent(second, event));
  std::thread([&] { succeed(cudaGetDevice(&device)); }).join();
  require(device == 0, "a new thread begins with the first");
  succeed(cudaGetDevice(&device));
  require(device == 1, "and this one keeps its own");
});

const Add destroyed("a stream that is destroyed ends its work", [] {
  const cudaStream_t stream = make_stream();
  auto* const number = allocate<int>(1);
  launch({1, 1, 0, stream}, set_number, number, 4);
  succeed(cudaStreamDestroy(stream));
  expect(cudaErrorInvalidResourceHandle, cudaStreamSynchronize(stream), "its use afterwards");
  succeed(cudaDeviceSynchronize());
  require(read(number, 1)[0] == 4, "the number is set");
});

const Add host_functions("the host's functions have their turn", [] {
  auto* const number = allocate<int>(1);
  auto* const pinned = allocate_pinned<int>(2);
  pinned[1] = 0;
  launch({}, set_number, number, 6);
  succeed(cudaMemcpyAsync(pinned, number, 4, cudaMemcpyDeviceToHost));
  succeed(cudaLaunchHostFunc(
      nullptr, [](void* p) { static_cast<int*>(p)[1] = static_cast<int*>(p)[0] + 1; }, pinned));
  require(pinned[1] == 0, "not at once");
  succeed(cudaStreamSynchronize(nullptr));
  require(pinned[1] == 7, "after what came before");
});
const Add host_waits("a host function that waits", "may not call the runtime", [] {
  succeed(cudaLaunchHostFunc(nullptr, [](void*) { cudaDeviceSynchronize(); }, nullptr));
  cudaDeviceSynchronize();
});
const Add host_function_reads("a host function reads the GPU's memory", "", [] {
  auto* const number = allocate<int>(1);
  launch({}, set_number, number, 6);
  succeed(cudaLaunchHostFunc(
      nullptr, [](void* p) { std::printf("%d", *static_cast<volatile int*>(p)); }, number));
  cudaDeviceSynchronize();
});

const Add threads("several threads use it at once", [] {
  constexpr int kThreads = 4, kTimes = 200;
  std::vector<std::thread> users;
  for (int t = 0; t < kThreads; ++t) {
    users.emplace_back([t] {
      succeed(cudaSetDevice(t % 2));
      const cudaStream_t stream = make_stream();
      auto* const number = allocate<int>(1);
      succeed(cudaMemsetAsync(number, 0, 4, stream));
      for (int i = 0; i < kTimes; ++i) {
        launch({1, 1, 0, stream}, add_number, number, t);
        if (i % 10 == 0) succeed(cudaStreamSynchronize(stream));
      }
      require(read(number, 1, stream)[0] == t * kTimes, "each has its own sum");
      succeed(cudaFree(number));
    });
  }
  for (std::thread& user : users) user.join();
});

}  // namespace
}  // namespace checks
