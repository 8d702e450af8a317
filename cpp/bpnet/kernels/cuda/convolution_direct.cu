#include "bpnet/kernels/cuda/convolution_direct.h"

#include "bpnet/kernels/cuda/block.h"
#include "bpnet/kernels/cuda/launch.h"

namespace bpnet::cuda {
namespace {

// One element of an image's map, by its index.
struct Position {
  size_t image, row, column, channel;

  __device__ Position(size_t i, size_t height, size_t width, size_t channels) {
    channel = i % channels;
    i /= channels;
    column = i % width;
    i /= width;
    row = i % height;
    image = i / height;
  }
};

__device__ inline size_t at(size_t image, size_t row, size_t column, size_t channel, size_t height,
                            size_t width, size_t channels) {
  return ((image * height + row) * width + column) * channels + channel;
}

// The input of output o at tap t of the kernel; from axis.in on it is padding.
__device__ inline size_t seen(const WindowAxis& axis, size_t o, size_t t) {
  return o * axis.stride + t * axis.dilation - axis.before;  // wraps where it is negative
}

// Whether some output has input i at tap t of the kernel; `o` is set to it.
__device__ inline bool sees(const WindowAxis& axis, size_t i, size_t t, size_t& o) {
  const size_t from = i + axis.before, offset = t * axis.dilation;
  if (from < offset || (from - offset) % axis.stride != 0) return false;
  o = (from - offset) / axis.stride;
  return o < axis.out;
}

template <class T>
struct Forward {
  ConvolutionSizes s;
  const T *x, *w;
  T* y;

  __device__ void operator()(size_t index) const {
    const WindowAxis &h = s.height, &v = s.width;
    const Position o(index, h.out, v.out, s.out_channels);
    const size_t in = s.channels / s.groups, first = o.channel / (s.out_channels / s.groups) * in;
    double sum = 0;
    for (size_t ty = 0; ty < h.kernel; ++ty) {
      const size_t iy = seen(h, o.row, ty);
      if (iy >= h.in) continue;
      for (size_t tx = 0; tx < v.kernel; ++tx) {
        const size_t ix = seen(v, o.column, tx);
        if (ix >= v.in) continue;
        const T* const from = x + at(o.image, iy, ix, first, h.in, v.in, s.channels);
        const T* const weight = w + (o.channel * in * h.kernel + ty) * v.kernel + tx;
        for (size_t j = 0; j < in; ++j) sum += double(from[j]) * double(weight[j * h.kernel * v.kernel]);
      }
    }
    y[index] = T(sum);
  }
};

template <class T>
struct BackwardInput {
  ConvolutionSizes s;
  const T *grad_y, *w;
  T* grad_x;

  __device__ void operator()(size_t index) const {
    const WindowAxis &h = s.height, &v = s.width;
    const Position i(index, h.in, v.in, s.channels);
    const size_t in = s.channels / s.groups, out = s.out_channels / s.groups, window = h.kernel * v.kernel;
    const size_t first = i.channel / in * out, j = i.channel % in;
    double sum = 0;
    for (size_t ty = 0, oy = 0; ty < h.kernel; ++ty) {
      if (!sees(h, i.row, ty, oy)) continue;
      for (size_t tx = 0, ox = 0; tx < v.kernel; ++tx) {
        if (!sees(v, i.column, tx, ox)) continue;
        const T* const from = grad_y + at(i.image, oy, ox, first, h.out, v.out, s.out_channels);
        const T* const weight = w + (first * in + j) * window + ty * v.kernel + tx;
        for (size_t c = 0; c < out; ++c) sum += double(from[c]) * double(weight[c * in * window]);
      }
    }
    grad_x[index] = T(sum);
  }
};

// A block sums one weight's products over all images and positions.
template <class T>
__global__ void backward_weight_kernel(ConvolutionSizes s, size_t weights, const T* x, const T* grad_y,
                                       T* grad_w, bool accumulate) {
  const WindowAxis &h = s.height, &v = s.width;
  const size_t in = s.channels / s.groups, out = s.out_channels / s.groups, outputs = s.n * h.out * v.out;
  for (size_t index = blockIdx.x; index < weights; index += gridDim.x) {
    const Position t(index, s.out_channels * in, h.kernel, v.kernel);  // (c · in + j, row, column)
    const size_t c = t.row / in, channel = c / out * in + t.row % in;
    double sum = 0;
    for (size_t o = threadIdx.x; o < outputs; o += blockDim.x) {
      const Position p(o, h.out, v.out, 1);
      const size_t iy = seen(h, p.row, t.column), ix = seen(v, p.column, t.channel);
      if (iy >= h.in || ix >= v.in) continue;
      sum += double(grad_y[o * s.out_channels + c]) *
             double(x[at(p.image, iy, ix, channel, h.in, v.in, s.channels)]);
    }
    sum = fold_block(sum, Plus{}, 0.0, shared_memory<double>());
    if (threadIdx.x == 0) grad_w[index] = accumulate ? grad_w[index] + T(sum) : T(sum);
  }
}

}  // namespace

template <class T>
void direct_forward(Context& context, const ConvolutionSizes& s, const T* x, const T* w, T* y) {
  launch_each(context, s.n * s.height.out * s.width.out * s.out_channels, Forward<T>{s, x, w, y});
}

template <class T>
void direct_backward_input(Context& context, const ConvolutionSizes& s, const T* grad_y, const T* w,
                           T* grad_x) {
  launch_each(context, s.n * s.height.in * s.width.in * s.channels, BackwardInput<T>{s, grad_y, w, grad_x});
}

template <class T>
void direct_backward_weight(Context& context, const ConvolutionSizes& s, const T* x, const T* grad_y,
                            T* grad_w, bool accumulate) {
  const size_t weights = s.out_channels * (s.channels / s.groups) * s.height.kernel * s.width.kernel;
  launch(context, {weights < kMostBlocks ? weights : kMostBlocks, kThreads, kWarp * sizeof(double)},
         backward_weight_kernel<T>, s, weights, x, grad_y, grad_w, accumulate);
}

template void direct_forward(Context&, const ConvolutionSizes&, const float*, const float*, float*);
template void direct_forward(Context&, const ConvolutionSizes&, const double*, const double*, double*);
template void direct_backward_input(Context&, const ConvolutionSizes&, const float*, const float*, float*);
template void direct_backward_input(Context&, const ConvolutionSizes&, const double*, const double*, double*);
template void direct_backward_weight(Context&, const ConvolutionSizes&, const float*, const float*, float*,
                                     bool);
template void direct_backward_weight(Context&, const ConvolutionSizes&, const double*, const double*, double*,
                                     bool);

}  // namespace bpnet::cuda
