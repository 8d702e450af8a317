#pragma once

#include "bpnet/kernels/recorder.h"

namespace bpnet::cuda {

extern const Recorder kRecorder;  // steps as CUDA graphs

}  // namespace bpnet::cuda
