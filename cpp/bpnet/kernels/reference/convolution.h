#pragma once

#include "bpnet/kernels/reference/activation.h"

namespace bpnet::reference {

// Calls function(x index, w index, y index) for every product of one image; x and y indices are the image's.
template <class Function>
void each_product(const ConvolutionSizes& s, const Function& function) {
  const WindowAxis &h = s.height, &w = s.width;
  const size_t in = s.channels / s.groups, out = s.out_channels / s.groups;  // of one group
  for (size_t oy = 0; oy < h.out; ++oy) {
    for (size_t ox = 0; ox < w.out; ++ox) {
      for (size_t ky = 0; ky < h.kernel; ++ky) {
        for (size_t kx = 0; kx < w.kernel; ++kx) {
          const size_t iy = oy * h.stride + ky * h.dilation - h.before;  // wraps where it is negative
          const size_t ix = ox * w.stride + kx * w.dilation - w.before;
          if (iy >= h.in || ix >= w.in) continue;
          for (size_t c = 0; c < s.out_channels; ++c) {
            for (size_t j = 0; j < in; ++j) {
              function((iy * w.in + ix) * s.channels + c / out * in + j,
                       ((c * in + j) * h.kernel + ky) * w.kernel + kx,
                       (oy * w.out + ox) * s.out_channels + c);
            }
          }
        }
      }
    }
  }
}

inline size_t image_in(const ConvolutionSizes& s) { return s.height.in * s.width.in * s.channels; }
inline size_t image_out(const ConvolutionSizes& s) { return s.height.out * s.width.out * s.out_channels; }
inline size_t weight_count(const ConvolutionSizes& s) {
  return s.out_channels * (s.channels / s.groups) * s.height.kernel * s.width.kernel;
}

// Scratch for the sums in double: of one image, or of the weights and biases.
inline size_t convolution_workspace(const ConvolutionSizes& s) {
  const size_t in = image_in(s), out = image_out(s), w = weight_count(s) + s.out_channels;
  const size_t image = in > out ? in : out;
  return (image > w ? image : w) * sizeof(double);
}

inline double* cleared_sums(Context& context, size_t count) {
  double* sums = reinterpret_cast<double*>(context.scratch);
  for (size_t i = 0; i < count; ++i) sums[i] = 0;
  return sums;
}

template <class T>
void convolution_forward(Context& context, const ConvolutionSizes& s, const T* x, const T* w, const T* bias,
                         Activation act, T* y) {
  for (size_t n = 0; n < s.n; ++n, x += image_in(s), y += image_out(s)) {
    double* sums = cleared_sums(context, image_out(s));
    each_product(s, [&](size_t xi, size_t wi, size_t yi) { sums[yi] += double(x[xi]) * double(w[wi]); });
    for (size_t i = 0; i < image_out(s); ++i) {
      y[i] = T(activate(act, sums[i] + (bias ? double(bias[i % s.out_channels]) : 0.0)));
    }
  }
}

template <class T>
void convolution_backward_input(Context& context, const ConvolutionSizes& s, const T* grad_y, const T* w,
                                T* grad_x) {
  for (size_t n = 0; n < s.n; ++n, grad_y += image_out(s), grad_x += image_in(s)) {
    double* sums = cleared_sums(context, image_in(s));
    each_product(s, [&](size_t xi, size_t wi, size_t yi) { sums[xi] += double(grad_y[yi]) * double(w[wi]); });
    for (size_t i = 0; i < image_in(s); ++i) grad_x[i] = T(sums[i]);
  }
}

template <class T>
void convolution_backward_weight(Context& context, const ConvolutionSizes& s, const T* x, const T* grad_y,
                                 T* grad_w, T* grad_bias, bool accumulate) {
  double* sums = cleared_sums(context, weight_count(s) + s.out_channels);
  double* bias_sums = sums + weight_count(s);
  for (size_t n = 0; n < s.n; ++n, x += image_in(s), grad_y += image_out(s)) {
    each_product(s, [&](size_t xi, size_t wi, size_t yi) { sums[wi] += double(grad_y[yi]) * double(x[xi]); });
    for (size_t i = 0; i < image_out(s); ++i) bias_sums[i % s.out_channels] += double(grad_y[i]);
  }
  const auto put = [&](T& to, double sum) { to = accumulate ? to + T(sum) : T(sum); };
  for (size_t i = 0; i < weight_count(s); ++i) put(grad_w[i], sums[i]);
  for (size_t c = 0; grad_bias && c < s.out_channels; ++c) put(grad_bias[c], bias_sums[c]);
}

}  // namespace bpnet::reference
