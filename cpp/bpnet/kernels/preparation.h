// Weights as a backend multiplies by them in forward, made once for many calls with the same weights. A table
// beside that of the kernels, which a backend may lack.
#pragma once

#include "bpnet/kernels/kernels.h"

namespace bpnet {

template <class T>
struct Preparation {
  // Bytes of the prepared weights, which do not depend on n; 0: for these sizes there is no gain.
  size_t (*linear_size)(LinearSizes);
  // prepared = the weights w (out, in)
  void (*linear)(Context&, LinearSizes, const T* w, void* prepared);
  // Kernels::linear_forward with them, the same bits.
  void (*linear_forward)(Context&, LinearSizes, const T* x, const void* prepared, const T* bias, Activation,
                         T* y);

  // The same for convolutions; `convolution` needs convolution_workspace.
  size_t (*convolution_size)(const ConvolutionSizes&);
  void (*convolution)(Context&, const ConvolutionSizes&, const T* w, void* prepared);
  void (*convolution_forward)(Context&, const ConvolutionSizes&, const T* x, const void* prepared,
                              const T* bias, Activation, T* y);
};

// Of the tables in bfloat16, named and defined as these are (tables.h).
const Preparation<float>* amx_preparation();
const Preparation<float>* avx512_bf16_preparation();
const Preparation<float>* amx_model_preparation();
const Preparation<float>* avx512_bf16_model_preparation();

}  // namespace bpnet
