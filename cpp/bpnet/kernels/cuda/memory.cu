#include "bpnet/kernels/cuda/memory.h"

#include <cstring>
#include <map>
#include <mutex>

#include "bpnet/kernels/cuda/check.h"
#include "bpnet/kernels/cuda/device.h"
#include "bpnet/kernels/cuda/feed.h"
#include "bpnet/kernels/cuda/launch.h"

namespace bpnet::cuda {
namespace {

// A few numbers are sent as a kernel's argument, which costs less than a copy.
struct Few {
  unsigned char bytes[128];
};

struct PutFew {
  unsigned char* to;
  Few few;

  __device__ void operator()(size_t i) const { to[i] = few.bytes[i]; }
};

class DeviceMemory final : public Memory {
 public:
  explicit DeviceMemory(int number) : number_(number) {}

  bool is_host() const override { return false; }
  int device() const override { return number_; }
  std::size_t steps_unread() const override { return 32; }
  void keep_pace() const override { Device::get(number_).keep_pace(); }

  void* allocate(std::size_t bytes) const override {
    Device& device = Device::get(number_);
    const Device::Lock lock(device);
    void* memory = nullptr;
    const cudaError_t error = cudaMalloc(&memory, bytes == 0 ? 1 : bytes);
    if (error == cudaErrorMemoryAllocation) {
      std::string need;
      append_text(need, bytes), append_text(need, " bytes are needed on GPU "), append_text(need, number_);
      refuse_memory(std::move(need));
    }
    check("cudaMalloc", error);
    return memory;
  }

  // It fails only once the driver is shut down: there is nothing to free then.
  void release(void* memory, std::size_t) const noexcept override {
    try {
      const Device::Lock lock(Device::get(number_));
      static_cast<void>(cudaFree(memory));
    } catch (const Error&) {
    }
  }

  void clear(void* to, std::size_t bytes) const override {
    Device& device = Device::get(number_);
    const Device::Lock lock(device);
    check("cudaMemsetAsync", cudaMemsetAsync(to, 0, bytes, device.stream()));
  }

  void to_backend(void* to, const void* host, std::size_t bytes) const override {
    Device& device = Device::get(number_);
    const Device::Lock lock(device);
    if (device.recording()) {
      fail<DeviceError>("cuda: ", bytes,
                        " bytes are sent from the host within a recorded step, whose replay would ",
                        "send the same ones again");
    }
    if (bytes <= sizeof(Few)) {
      PutFew put{static_cast<unsigned char*>(to), {}};
      std::memcpy(put.few.bytes, host, bytes);
      Context context{nullptr, 0, number_};
      return launch_each(context, bytes, put);
    }
    check("cudaMemcpyAsync", cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice, device.stream()));
    check("cudaStreamSynchronize", cudaStreamSynchronize(device.stream()));
  }

  void to_host(void* host, const void* from, std::size_t bytes) const override {
    Device& device = Device::get(number_);
    const Device::Lock lock(device);
    check("cudaMemcpyAsync", cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, device.stream()));
    check("cudaStreamSynchronize", cudaStreamSynchronize(device.stream()));
  }

  void within(void* to, const void* from, std::size_t bytes) const override {
    Device& device = Device::get(number_);
    const Device::Lock lock(device);
    check("cudaMemcpyAsync", cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, device.stream()));
  }

  std::size_t free_bytes() const override {
    const Device::Lock lock(Device::get(number_));
    std::size_t free = 0, total = 0;
    check("cudaMemGetInfo", cudaMemGetInfo(&free, &total));
    return free;
  }

  std::unique_ptr<Feed> make_feed(std::size_t bytes) const override {
    return cuda::make_feed(number_, bytes);
  }

 private:
  int number_;
};

}  // namespace

const Memory& memory_of(int device) {
  static std::mutex& mutex = *new std::mutex;
  static std::map<int, DeviceMemory>& memories = *new std::map<int, DeviceMemory>;
  const std::lock_guard<std::mutex> lock(mutex);
  return memories.try_emplace(device, device).first->second;
}

}  // namespace bpnet::cuda
