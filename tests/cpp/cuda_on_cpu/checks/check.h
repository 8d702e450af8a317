// What the emulated runtime promises, one case for each: the program runs one, by its name.
#pragma once

#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace checks {

struct Case {
  const char* name;
  const char* death;  // the process's message where the case ends it; null: it does not
  void (*run)();
};
std::vector<Case>& cases();

// Registers a case.
struct Add {
  Add(const char* name, void (*run)()) { cases().push_back({name, nullptr, run}); }
  Add(const char* name, const char* death, void (*run)()) { cases().push_back({name, death, run}); }
};

inline void require(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("does not hold: %s\n", what.c_str());
  std::exit(1);
}
inline void expect(cudaError_t wanted, cudaError_t found, const char* what) {
  require(wanted == found,
          std::string(what) + " is " + cudaGetErrorName(found) + " rather than " + cudaGetErrorName(wanted));
}
inline void succeed(cudaError_t found) { expect(cudaSuccess, found, "a call"); }

template <class T>
T* allocate(std::size_t count) {
  void* memory = nullptr;
  succeed(cudaMalloc(&memory, count * sizeof(T)));
  return static_cast<T*>(memory);
}
template <class T>
T* allocate_pinned(std::size_t count) {
  void* memory = nullptr;
  succeed(cudaMallocHost(&memory, count * sizeof(T)));
  return static_cast<T*>(memory);
}

inline cudaStream_t make_stream() {
  cudaStream_t stream = nullptr;
  succeed(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return stream;
}
inline cudaEvent_t make_event() {
  cudaEvent_t event = nullptr;
  succeed(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return event;
}

// After all earlier work of the stream.
template <class T>
std::vector<T> read(const T* from, std::size_t count, cudaStream_t stream = nullptr) {
  std::vector<T> numbers(count);
  succeed(cudaMemcpyAsync(numbers.data(), from, count * sizeof(T), cudaMemcpyDeviceToHost, stream));
  return numbers;
}
template <class T>
void write(T* to, const std::vector<T>& numbers, cudaStream_t stream = nullptr) {
  succeed(cudaMemcpyAsync(to, numbers.data(), numbers.size() * sizeof(T), cudaMemcpyHostToDevice, stream));
}

struct Shape {
  dim3 grid{1}, block{1};
  std::size_t shared = 0;
  cudaStream_t stream = nullptr;
};

template <class... Parameters>
cudaError_t try_launch(const Shape& shape, void (*kernel)(Parameters...),
                       std::type_identity_t<Parameters>... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared;
  config.stream = shape.stream;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}
template <class... Parameters>
void launch(const Shape& shape, void (*kernel)(Parameters...),
            std::type_identity_t<Parameters>... arguments) {
  succeed(try_launch(shape, kernel, arguments...));
}

__global__ void set_number(int* to, int value);  // *to = value
__global__ void add_number(int* to, int value);  // *to += value

}  // namespace checks
