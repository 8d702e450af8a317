// Every layer of AlexNet as a kernel: the products of convolutions and linear layers are compared with the
// multiply-adds, normalisations and pools with the memory.
#include "measured.h"

namespace {

using bpnet::Activation;
using bpnet::ActivationKind;
using bpnet::ConvolutionSizes;
using bpnet::Kernels;
using bpnet::LinearSizes;
using bpnet::LocalResponseSizes;
using bpnet::PoolSizes;
using bpnet::WindowAxis;

constexpr Activation kRelu{ActivationKind::kRelu, 0};

// The largest arrays; every kernel works in them, for they are used one after another.
struct Arrays {
  float *x, *w, *bias, *y, *grad_w, *grad_bias, *grad_x, *grad_y;
};

void add_convolution(std::vector<Measured>& all, const Kernels<float>& k, const Arrays& a,
                     const std::string& name, const ConvolutionSizes& s, bool grad_x) {
  context(k.convolution_workspace(s));
  const double work = 2.0 * double(s.n * s.height.out * s.width.out * s.out_channels) *
                      double(s.channels / s.groups * s.height.kernel * s.width.kernel);
  all.push_back({name + ", forward", 0, work, [&k, a, s] {
                   bpnet::Context c = context(0);
                   k.convolution_forward(c, s, a.x, a.w, a.bias, kRelu, a.y);
                 }});
  all.push_back({name + ", gradient of the weight", 0, work, [&k, a, s] {
                   bpnet::Context c = context(0);
                   k.convolution_backward_weight(c, s, a.x, a.grad_y, a.grad_w, a.grad_bias, false);
                 }});
  if (!grad_x) return;
  all.push_back({name + ", gradient of the input", 0, work, [&k, a, s] {
                   bpnet::Context c = context(0);
                   k.convolution_backward_input(c, s, a.grad_y, a.w, a.grad_x);
                 }});
}

void add_linear(std::vector<Measured>& all, const Kernels<float>& k, const Arrays& a, const std::string& name,
                const LinearSizes& s) {
  context(k.linear_workspace(s));
  const double work = 2.0 * double(s.n * s.in * s.out);
  all.push_back({name + ", forward", 0, work, [&k, a, s] {
                   bpnet::Context c = context(0);
                   k.linear_forward(c, s, a.x, a.w, a.bias, kRelu, a.y);
                 }});
  all.push_back({name + ", gradient of the weight", 0, work, [&k, a, s] {
                   bpnet::Context c = context(0);
                   k.linear_backward_weight(c, s, a.x, a.grad_y, a.grad_w, a.grad_bias, false);
                 }});
  all.push_back({name + ", gradient of the input", 0, work, [&k, a, s] {
                   bpnet::Context c = context(0);
                   k.linear_backward_input(c, s, a.grad_y, a.w, a.grad_x);
                 }});
}

void add_normalisation(std::vector<Measured>& all, const Kernels<float>& k, const Arrays& a,
                       const std::string& name, const LocalResponseSizes& s) {
  context(k.local_response_workspace(s));
  const std::size_t bytes = 4 * s.n * s.height * s.width * s.channels;
  all.push_back({name + ", forward", 2 * bytes, 2.0 * double(bytes), [&k, a, s] {
                   bpnet::Context c = context(0);
                   k.local_response_forward(c, s, a.x, a.y);
                 }});
  all.push_back({name + ", gradient", 3 * bytes, 3.0 * double(bytes), [&k, a, s] {
                   bpnet::Context c = context(0);
                   k.local_response_backward(c, s, a.x, a.grad_y, a.grad_x);
                 }});
}

void add_pool(std::vector<Measured>& all, const Kernels<float>& k, const Arrays& a, const std::string& name,
              const PoolSizes& s) {
  const std::size_t in = 4 * s.n * s.height.in * s.width.in * s.channels;
  const std::size_t out = 4 * s.n * s.height.out * s.width.out * s.channels;
  all.push_back({name + ", forward", in + out, double(in + out), [&k, a, s] {
                   bpnet::Context c = context(0);
                   k.max_pool_forward(c, s, a.x, a.y);
                 }});
  all.push_back({name + ", gradient", 2 * (in + out), 2.0 * double(in + out), [&k, a, s] {
                   bpnet::Context c = context(0);
                   k.max_pool_backward(c, s, a.x, a.y, a.grad_y, a.grad_x);
                 }});
}

}  // namespace

std::vector<Measured> alexnet_layers(const Kernels<float>& k, std::size_t n) {
  constexpr std::size_t kSmall = 4096;
  const std::size_t image = 55 * 55 * 96, weights = 9216 * 4096;  // the most of any layer
  const Arrays a{numbers(n * image), numbers(weights), numbers(kSmall),    numbers(n * image),
                 numbers(weights),   numbers(kSmall),  numbers(n * image), numbers(n * image)};
  std::vector<Measured> all;
  struct Stage {
    std::size_t channels, out, kernel, stride, padding, groups, in_side, side;
    bool norm, pool;
  };
  constexpr Stage kStages[] = {{3, 96, 11, 4, 0, 1, 227, 55, true, true},
                               {96, 256, 5, 1, 2, 2, 27, 27, true, true},
                               {256, 384, 3, 1, 1, 1, 13, 13, false, false},
                               {384, 384, 3, 1, 1, 2, 13, 13, false, false},
                               {384, 256, 3, 1, 1, 2, 13, 13, false, true}};
  int number = 0;
  for (const Stage& s : kStages) {
    const std::string index = std::to_string(++number);
    const WindowAxis axis{s.in_side, s.side, s.kernel, s.stride, 1, s.padding};
    add_convolution(all, k, a, "conv" + index, {n, axis, axis, s.channels, s.out, s.groups}, number > 1);
    if (s.norm)
      add_normalisation(all, k, a, "norm" + index, {n, s.side, s.side, s.out, 1, 5, false, 5e-4, 0.75, 2.0});
    const WindowAxis window{s.side, (s.side - 3) / 2 + 1, 3, 2, 1, 0};
    if (s.pool) add_pool(all, k, a, "pool" + index, {n, window, window, s.out});
  }
  constexpr LinearSizes kLinear[] = {{0, 9216, 4096}, {0, 4096, 4096}, {0, 4096, 1000}};
  for (LinearSizes s : kLinear) {
    s.n = n;
    add_linear(all, k, a, "fc" + std::to_string(++number), s);
  }
  return all;
}
