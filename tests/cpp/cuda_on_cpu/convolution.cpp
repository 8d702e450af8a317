// The stand-in for cuDNN: one thread and plain loops. It does not support depthwise convolutions and those of
// 5 channels.
#include <cstring>
#include <vector>

#include "bpnet/kernels/cuda/convolution_library.h"
#include "bpnet/kernels/cuda/launch.h"
#include "bpnet/kernels/cuda/plans.h"

namespace bpnet::cuda {

struct ConvolutionPlan {
  ConvolutionPass pass;
  Layout layout;
  ConvolutionSizes sizes;
};

namespace {

struct Convolutions final : Library {
  Plans<ConvolutionKey, ConvolutionPlan> plans;
};

bool is_even(const WindowAxis& axis) {
  const size_t in = axis.in + 2 * axis.before, extent = (axis.kernel - 1) * axis.dilation + 1;
  return in >= extent && (in - extent) / axis.stride + 1 == axis.out;
}

// The index of (outer, channels last) in the layout.
size_t offset_of(Layout layout, size_t outer, size_t position, size_t positions, size_t channel,
                 size_t channels) {
  return layout == Layout::kChannelsLast ? (outer * positions + position) * channels + channel
                                         : (outer * channels + channel) * positions + position;
}

// Calls function(image index, weight index, output index) for every product.
template <class Function>
void each_product(const ConvolutionSizes& s, Layout layout, const Function& function) {
  const WindowAxis &h = s.height, &v = s.width;
  const size_t in = s.channels / s.groups, out = s.out_channels / s.groups;
  for (size_t o = 0; o < s.n * h.out * v.out; ++o) {
    const size_t image = o / v.out / h.out;
    for (size_t t = 0; t < h.kernel * v.kernel; ++t) {
      const size_t iy = o / v.out % h.out * h.stride + t / v.kernel * h.dilation - h.before;
      const size_t ix = o % v.out * v.stride + t % v.kernel * v.dilation - v.before;
      if (iy >= h.in || ix >= v.in) continue;
      for (size_t c = 0; c < s.out_channels; ++c) {
        for (size_t j = 0; j < in; ++j) {
          function(offset_of(layout, image, iy * v.in + ix, h.in * v.in, c / out * in + j, s.channels),
                   offset_of(layout, c, t, h.kernel * v.kernel, j, in),
                   offset_of(layout, image, o % (h.out * v.out), h.out * v.out, c, s.out_channels));
        }
      }
    }
  }
}

template <class T>
void convolution_loops(ConvolutionPlan p, const T* a, const T* b, T* result, unsigned char* workspace,
                       bool accumulate) {
  cuda_on_cpu::use_host_memory();
  const ConvolutionSizes& s = p.sizes;
  const size_t x = s.n * s.height.in * s.width.in * s.channels,
               y = s.n * s.height.out * s.width.out * s.out_channels;
  const size_t w = s.out_channels * (s.channels / s.groups) * s.height.kernel * s.width.kernel;
  std::memset(workspace, 0xFF, library_workspace(s, sizeof(T), p.layout));  // which the library may overwrite
  std::vector<double> sums(p.pass == ConvolutionPass::kForward ? y
                           : p.pass == ConvolutionPass::kInput ? x
                                                               : w);
  each_product(s, p.layout, [&](size_t xi, size_t wi, size_t yi) {
    switch (p.pass) {
      case ConvolutionPass::kForward: sums[yi] += double(a[xi]) * double(b[wi]); break;
      case ConvolutionPass::kInput: sums[xi] += double(a[yi]) * double(b[wi]); break;
      case ConvolutionPass::kWeight: sums[wi] += double(a[xi]) * double(b[yi]); break;
    }
  });
  for (size_t i = 0; i < sums.size(); ++i) result[i] = accumulate ? result[i] + T(sums[i]) : T(sums[i]);
}

}  // namespace

template <class T>
const ConvolutionPlan* library_plan(Context& context, ConvolutionPass pass, Layout layout,
                                    const ConvolutionSizes& s) {
  Device& device = device_of(context);
  const Device::Lock lock(device);
  if (!is_even(s.height) || !is_even(s.width)) {
    fail<DeviceError>("cuda-on-cpu: cuDNN has no convolution with other padding after than before");
  }
  if ((s.groups > 1 && s.groups == s.channels) || s.out_channels == 5) return nullptr;
  if (sizeof(T) == sizeof(double) && layout == Layout::kChannelsLast) return nullptr;
  if (!device.convolutions) device.convolutions = std::make_unique<Convolutions>();
  return &static_cast<Convolutions&>(*device.convolutions)
              .plans.get(device, convolution_key(pass, layout, sizeof(T), context.precision, s),
                         [&] { return ConvolutionPlan{pass, layout, s}; });
}

size_t library_workspace(const ConvolutionSizes& s, size_t element, Layout) {
  return (s.n + s.channels) * element;
}

template <class T>
void library_convolution(Context& context, const ConvolutionPlan& plan, const T* a, const T* b, T* result,
                         void* workspace, bool accumulate) {
  launch(context, {1, 1}, convolution_loops<T>, plan, a, b, result, static_cast<unsigned char*>(workspace),
         accumulate);
}

template const ConvolutionPlan* library_plan<float>(Context&, ConvolutionPass, Layout,
                                                    const ConvolutionSizes&);
template const ConvolutionPlan* library_plan<double>(Context&, ConvolutionPass, Layout,
                                                     const ConvolutionSizes&);
template void library_convolution(Context&, const ConvolutionPlan&, const float*, const float*, float*, void*,
                                  bool);
template void library_convolution(Context&, const ConvolutionPlan&, const double*, const double*, double*,
                                  void*, bool);

}  // namespace bpnet::cuda
