#include "bpnet/kernels/cuda/device.h"

#include <unistd.h>

#include <map>

#include "bpnet/kernels/cuda/check.h"
#include "bpnet/kernels/cuda/memory.h"

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

uint64_t* Device::answers() {
  if (!answers_) answers_ = static_cast<uint64_t*>(memory_of(number_).allocate(kAnswers * sizeof(uint64_t)));
  return answers_;
}

void Device::wait() {
  const Turn turn(*this);
  check("cudaStreamSynchronize", cudaStreamSynchronize(stream_));
}

}  // namespace bpnet::cuda
