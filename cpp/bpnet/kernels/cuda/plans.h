// How a library does a thing of some sizes, found out once.
#pragma once

#include <map>

#include "bpnet/kernels/cuda/check.h"
#include "bpnet/kernels/cuda/device.h"

namespace bpnet::cuda {

// Key is ordered by <. Whoever calls has the device's turn.
template <class Key, class Plan>
class Plans {
 public:
  // The plan of this key, made by make() where there is none. That may allocate and wait, which cannot be
  // recorded.
  template <class Make>
  Plan& get(const Device& device, const Key& key, const Make& make) {
    const auto found = plans_.find(key);
    if (found != plans_.end()) return found->second;
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    check("cudaStreamIsCapturing", cudaStreamIsCapturing(device.stream(), &status));
    if (status != cudaStreamCaptureStatusNone) {
      fail<DeviceError>(
          "cuda: work of sizes that were not met before cannot be recorded; do it once without");
    }
    return plans_.emplace(key, make()).first->second;
  }

 private:
  std::map<Key, Plan> plans_;
};

}  // namespace bpnet::cuda
