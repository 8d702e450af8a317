// One GPU as this process has it: a stream, on which everything happens in order, and the libraries' handles.
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <mutex>

#include "bpnet/kernels/kernels.h"

namespace bpnet::cuda {

// What a library keeps for a GPU; see product.h and convolution_library.h.
class Library {
 public:
  virtual ~Library() = default;
};

// While one lives, this thread's calls are for this GPU, then for the one before again: other libraries in
// the process may have chosen it.
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
  // Opens it at the first call. Throws a DeviceError where there is none, where the driver does not serve,
  // and in the child of a fork().
  static Device& get(int number);

  // How many the driver knows; 0 where it does not serve, and in the child of a fork().
  static int count();

  int number() const { return number_; }
  int multiprocessors() const { return multiprocessors_; }
  cudaStream_t stream() const { return stream_; }

  // While one lives, no other thread puts anything on the stream, and this thread's calls are for this GPU.
  class Turn {
   public:
    explicit Turn(Device& device);
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    std::lock_guard<std::recursive_mutex> lock_;
    CurrentGpu current_;
  };

  // (kAnswers,) in the GPU's memory: what a kernel reports to the host. To be used and read within one Turn.
  static constexpr size_t kAnswers = 512;
  uint64_t* answers();
  // Waits until the work of all but the last few calls of this function is done.
  void keep_pace();
  // Whether what is begun is recorded and not done; of the thread that has its turn.
  bool recording() const { return recording_; }
  void set_recording(bool value) { recording_ = value; }

  void wait();  // until all that was begun is done; throws what went wrong meanwhile

  std::unique_ptr<Library> products, convolutions;  // opened by their first use

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
