#include "bpnet/kernels/cuda/device.h"

#include <map>

#include "bpnet/core/threads/fork.h"
#include "bpnet/kernels/cuda/check.h"
#include "bpnet/kernels/cuda/memory.h"

namespace bpnet::cuda {
namespace {

// Whether this is the child of a fork() in a process that had called this.
bool has_forked() {
  static const std::uint64_t before = fork_count();
  return fork_count() != before;
}

void refuse_after_fork() {
  if (!has_forked()) return;
  fail<DeviceError>(
      "cuda: this process is the child of a fork() in one that had used a GPU, which the driver does not ",
      "allow; start the process again (multiprocessing: the method 'spawn')");
}

int attribute(cudaDeviceAttr which, int number) {
  int value = 0;
  check("cudaDeviceGetAttribute", cudaDeviceGetAttribute(&value, which, number));
  return value;
}

// An older GPU refuses every kernel.
void check_capability(int number) {
  const int major = attribute(cudaDevAttrComputeCapabilityMajor, number);
  if (major >= 8) return;
  fail<DeviceError>("device: 'cuda:", number, "' has compute capability ", major, ".",
                    attribute(cudaDevAttrComputeCapabilityMinor, number),
                    ", bpnet needs 8.0 or newer; choose another GPU, or the device 'cpu'");
}

}  // namespace

// Set also where it is already current: this creates the context that the libraries need.
CurrentGpu::CurrentGpu(int number) : number_(number), before_(number) {
  check("cudaGetDevice", cudaGetDevice(&before_));
  check("cudaSetDevice", cudaSetDevice(number));
}

CurrentGpu::~CurrentGpu() {
  if (before_ != number_) static_cast<void>(cudaSetDevice(before_));
}

Device::Device(int number) : number_(number) {
  check_capability(number);
  const CurrentGpu current(number);
  multiprocessors_ = attribute(cudaDevAttrMultiProcessorCount, number);
  check("cudaStreamCreateWithFlags", cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  for (cudaEvent_t& event : paces_) {
    check("cudaEventCreateWithFlags", cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  }
}

int Device::count() {
  int count = 0;
  return has_forked() || cudaGetDeviceCount(&count) != cudaSuccess ? 0 : count;
}

// Devices are never closed: the driver may be unloaded when static objects are destroyed.
Device& Device::get(int number) {
  static std::mutex& mutex = *new std::mutex;
  static std::map<int, Device*>& devices = *new std::map<int, Device*>;
  refuse_after_fork();
  const std::lock_guard<std::mutex> lock(mutex);
  Device*& device = devices[number];
  if (!device) {
    int there = 0;
    const cudaError_t error = cudaGetDeviceCount(&there);
    if (error != cudaSuccess) {
      fail<DeviceError>("device: 'cuda:", number,
                        "' is not available; the driver says: ", cudaGetErrorString(error), " (",
                        cudaGetErrorName(error), "); nvidia-smi lists the GPUs that the driver sees");
    }
    if (number >= there) {
      fail<DeviceError>("device: 'cuda:", number, "' is not available; the driver lists ", there,
                        there == 1 ? " GPU" : " GPUs");
    }
    device = new Device(number);
  }
  return *device;
}

// In a forked child another thread's lock is never released.
Device::Lock::Lock(Device& device) : lock_((refuse_after_fork(), device.mutex_)), current_(device.number_) {}

uint64_t* Device::answers() {
  if (!answers_) answers_ = static_cast<uint64_t*>(memory_of(number_).allocate(kAnswers * sizeof(uint64_t)));
  return answers_;
}

// The lock is not held during the wait, so that other threads can queue their work.
void Device::keep_pace() {
  cudaEvent_t oldest;
  {
    const Lock lock(*this);
    oldest = paces_[pace_++ % kAhead];
  }
  check("cudaEventSynchronize", cudaEventSynchronize(oldest));
  const Lock lock(*this);
  check("cudaEventRecord", cudaEventRecord(oldest, stream_));
}

void Device::wait() {
  const Lock lock(*this);
  check("cudaStreamSynchronize", cudaStreamSynchronize(stream_));
}

}  // namespace bpnet::cuda
