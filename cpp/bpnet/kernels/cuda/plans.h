// How a library computes an operation of some sizes, determined once.
#pragma once

#include <map>

#include "bpnet/kernels/cuda/check.h"
#include "bpnet/kernels/cuda/device.h"

namespace bpnet::cuda {

// Key is ordered by <. The caller holds the device's Lock.
template <class Key, class Plan>
class Plans {
 public:
  // The plan of this key, created by make() where there is none. That may allocate and wait, which cannot be
  // recorded.
  template <class Make>
  Plan& get(const Device& device, const Key& key, const Make& make) {
    const auto found = plans_.find(key);
    if (found != plans_.end()) return found->second;
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    check("cudaStreamIsCapturing", cudaStreamIsCapturing(device.stream(), &status));
    if (status != cudaStreamCaptureStatusNone) {
      fail<DeviceError>("cuda: an operation of new sizes cannot be recorded; run it once without recording");
    }
    return plans_.emplace(key, make()).first->second;
  }

 private:
  std::map<Key, Plan> plans_;
};

}  // namespace bpnet::cuda
