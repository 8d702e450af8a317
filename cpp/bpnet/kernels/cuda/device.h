// One GPU in this process: a stream, on which everything is executed in order, and the libraries' handles.
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <mutex>

#include "bpnet/kernels/kernels.h"

namespace bpnet::cuda {

// A library's state for a GPU; see product.h and convolution_library.h.
class Library {
 public:
  virtual ~Library() = default;
};

// While one exists, this is the thread's current GPU; then the previous one is restored, which other
// libraries in the process may have chosen.
class CurrentGpu {
 public:
  explicit CurrentGpu(int number);
  ~CurrentGpu();
  CurrentGpu(const CurrentGpu&) = delete;
  CurrentGpu& operator=(const CurrentGpu&) = delete;

 private:
  int number_, before_;
};

class Device {
 public:
  // Opens it at the first call. Throws a DeviceError where there is none, where the driver is unusable, and
  // in the child of a fork().
  static Device& get(int number);

  // How many the driver reports; 0 where it is unusable, and in the child of a fork().
  static int count();

  int number() const { return number_; }
  int multiprocessors() const { return multiprocessors_; }
  cudaStream_t stream() const { return stream_; }

  // While one exists, no other thread queues anything on the stream, and this is the thread's current GPU.
  class Lock {
   public:
    explicit Lock(Device& device);
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    std::lock_guard<std::recursive_mutex> lock_;
    CurrentGpu current_;
  };

  // (kAnswers,) in the GPU's memory: results of a kernel for the host. To be written and read within one
  // Lock.
  static constexpr size_t kAnswers = 512;
  uint64_t* answers();
  // Waits until the work before all but the last few calls of this function is done.
  void keep_pace();
  // Whether operations are recorded and not executed; of the thread that holds the Lock.
  bool recording() const { return recording_; }
  void set_recording(bool value) { recording_ = value; }

  void wait();  // until all queued work is done; throws its errors

  std::unique_ptr<Library> products, convolutions;  // opened at their first use

 private:
  explicit Device(int number);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  int number_;
  int multiprocessors_ = 0;
  cudaStream_t stream_ = nullptr;
  uint64_t* answers_ = nullptr;
  std::recursive_mutex mutex_;
  bool recording_ = false;
  static constexpr int kAhead = 4;
  cudaEvent_t paces_[kAhead] = {};
  unsigned pace_ = 0;  // the oldest
};

inline Device& device_of(const Context& context) { return Device::get(context.device); }

}  // namespace bpnet::cuda
