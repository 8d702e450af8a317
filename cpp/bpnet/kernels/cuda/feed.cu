#include "bpnet/kernels/cuda/feed.h"

#include "bpnet/kernels/cuda/check.h"
#include "bpnet/kernels/cuda/device.h"
#include "bpnet/kernels/cuda/memory.h"

namespace bpnet::cuda {
namespace {

// Orders the work of two streams.
class Event {
 public:
  Event() { check("cudaEventCreateWithFlags", cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  ~Event() { static_cast<void>(cudaEventDestroy(event_)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(cudaStream_t stream) { check("cudaEventRecord", cudaEventRecord(event_, stream)); }
  void hold_back(cudaStream_t stream) {  // until the recorded work is done
    check("cudaStreamWaitEvent", cudaStreamWaitEvent(stream, event_, 0));
  }
  void wait() { check("cudaEventSynchronize", cudaEventSynchronize(event_)); }

 private:
  cudaEvent_t event_ = nullptr;
};

class Stream {
 public:
  Stream() { check("cudaStreamCreateWithFlags", cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() {
    static_cast<void>(cudaStreamSynchronize(stream_));
    static_cast<void>(cudaStreamDestroy(stream_));
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

// Host memory that the GPU reads directly.
class Pinned {
 public:
  explicit Pinned(std::size_t bytes) {
    const cudaError_t error = cudaHostAlloc(&data_, bytes, cudaHostAllocDefault);
    if (error == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());
      std::string message = "cuda: ";
      append_text(message, bytes),
          message += " bytes of pinned host memory are needed to copy data to the GPU, ";
      message += "which could not be allocated; choose a smaller batch";
      throw OutOfMemory(message);
    }
    check("cudaHostAlloc", error);
  }
  ~Pinned() { static_cast<void>(cudaFreeHost(data_)); }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;

  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
};

class DeviceBytes {
 public:
  DeviceBytes(const Memory& memory, std::size_t bytes)
      : memory_(memory), bytes_(bytes), data_(memory.allocate(bytes)) {}
  ~DeviceBytes() { memory_.release(data_, bytes_); }
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;

  void* data() const { return data_; }

 private:
  const Memory& memory_;
  std::size_t bytes_;
  void* data_;
};

class DeviceFeed final : public Feed {
 public:
  DeviceFeed(Device& device, std::size_t bytes) : device_(device), slots_{{device, bytes}, {device, bytes}} {}

  ~DeviceFeed() override {  // after the GPU has finished using its memory
    try {
      const Device::Lock lock(device_);
      static_cast<void>(cudaStreamSynchronize(copies_));
    } catch (const Error&) {
    }
  }

  void* fill() override {
    next_ ^= 1;
    slots_[next_].copied.wait();
    return slots_[next_].host.data();
  }

  // A slot's bytes on the GPU were last used before the other slot was sent.
  const void* send(std::size_t bytes) override {
    const Device::Lock lock(device_);
    Slot &slot = slots_[next_], &other = slots_[next_ ^ 1];
    other.used.record(device_.stream());
    slot.used.hold_back(copies_);
    check("cudaMemcpyAsync",
          cudaMemcpyAsync(slot.there.data(), slot.host.data(), bytes, cudaMemcpyHostToDevice, copies_));
    slot.copied.record(copies_);
    slot.copied.hold_back(device_.stream());
    return slot.there.data();
  }

 private:
  struct Slot {
    Slot(const Device& device, std::size_t bytes) : host(bytes), there(memory_of(device.number()), bytes) {}
    Pinned host;
    DeviceBytes there;
    Event copied, used;
  };

  Device& device_;
  Slot slots_[2];
  Stream copies_;
  int next_ = 0;
};

}  // namespace

std::unique_ptr<Feed> make_feed(int number, std::size_t bytes) {
  Device& device = Device::get(number);
  const Device::Lock lock(device);
  return std::make_unique<DeviceFeed>(device, bytes == 0 ? 1 : bytes);
}

}  // namespace bpnet::cuda
