#include "bpnet/kernels/cuda/device.h"

#include <unistd.h>

#include <map>

#include "bpnet/kernels/cuda/check.h"

namespace bpnet::cuda {
namespace {

int gpus() {
  int count = 0;
  check("cudaGetDeviceCount", cudaGetDeviceCount(&count));
  return count;
}

}  // namespace

Device::Device(int number) : number_(number) {
  check("cudaSetDevice", cudaSetDevice(number));
  check("cudaDeviceGetAttribute",
        cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, number));
  check("cudaStreamCreateWithFlags", cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  for (cudaEvent_t& event : paces_) {
    check("cudaEventCreateWithFlags", cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  }
}

// Devices are never closed: the driver may be gone when static objects are destroyed.
Device& Device::get(int number) {
  static std::mutex& mutex = *new std::mutex;
  static std::map<int, Device*>& devices = *new std::map<int, Device*>;
  static const pid_t process = getpid();  // that of the first call
  if (getpid() != process) {
    fail<DeviceError>("cuda: this process is the child of a fork() in one that had used a GPU, which the driver does ",
                      "not allow; start the process anew (multiprocessing: the method 'spawn')");
  }
  const std::lock_guard<std::mutex> lock(mutex);
  Device*& device = devices[number];
  if (!device) {
    const int there = gpus();
    if (number >= there) {
      fail<DeviceError>("device: 'cuda:", number, "' is not here; the driver knows ", there,
                        there == 1 ? " GPU" : " GPUs");
    }
    device = new Device(number);
  }
  return *device;
}

Device::Turn::Turn(Device& device) : lock_(device.mutex_) {
  check("cudaSetDevice", cudaSetDevice(device.number_));
}

// The wait is nobody's turn: other threads begin their work meanwhile.
void Device::keep_pace() {
  cudaEvent_t oldest;
  {
    const Turn turn(*this);
    oldest = paces_[pace_++ % kAhead];
  }
  check("cudaEventSynchronize", cudaEventSynchronize(oldest));
  const Turn turn(*this);
  check("cudaEventRecord", cudaEventRecord(oldest, stream_));
}

void Device::wait() {
  const Turn turn(*this);
  check("cudaStreamSynchronize", cudaStreamSynchronize(stream_));
}

}  // namespace bpnet::cuda
