// The part of CUDA's runtime that bpnet uses, emulated on the processor.
#pragma once

#include "cuda_on_cpu/types.h"

#include "cuda_on_cpu/calls.h"
#include "cuda_on_cpu/device_code.h"
#include "cuda_on_cpu/device_math.h"
#include "cuda_on_cpu/launch.h"
