// Steps that a device makes again by itself, without the host's calls of each kernel.
#pragma once

#include "bpnet/kernels/kernels.h"

namespace bpnet {

struct Recorder {
  // What work(argument) begins on the device is recorded and not done. Within it nothing may take memory,
  // wait for the device, or copy from the host or to it. Null where the device could not record it; what work
  // throws for another reason comes out. Either way the device is as before.
  void* (*record)(const Context&, void (*work)(const void* argument), const void* argument);
  void (*replay)(const Context&, void* recording);  // it is done, after all that was begun before
  void (*release)(void* recording) noexcept;
};

}  // namespace bpnet
