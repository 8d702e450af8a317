// The one header a C++ user includes.
#pragma once

#include "bpnet/core/error.h"
#include "bpnet/core/parallel.h"
#include "bpnet/io/checkpoint.h"
#include "bpnet/io/idx.h"
#include "bpnet/io/preprocessing.h"
#include "bpnet/kernels/dispatch.h"
#include "bpnet/layers/activation.h"
#include "bpnet/layers/dropout.h"
#include "bpnet/layers/flatten.h"
#include "bpnet/layers/linear.h"
#include "bpnet/network/network.h"
#include "bpnet/training/check_gradients.h"
#include "bpnet/training/metrics.h"
#include "bpnet/training/trace.h"
#include "bpnet/training/trainer.h"
#include "bpnet/version.h"
