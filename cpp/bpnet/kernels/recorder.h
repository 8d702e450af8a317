// Steps that a device replays without a call of the host for each kernel.
#pragma once

#include "bpnet/kernels/kernels.h"

namespace bpnet {

struct Recorder {
  // Records the operations that work(argument) starts on the device, without executing them. It must not
  // allocate memory, wait for the device, or copy from the host or to it. Null where the device could not
  // record it; other exceptions of work are passed on. Either way the device is as before.
  void* (*record)(const Context&, void (*work)(const void* argument), const void* argument);
  void (*replay)(const Context&, void* recording);  // executed after all earlier operations
  void (*release)(void* recording) noexcept;
};

}  // namespace bpnet
