// Every kernel's rate beside the processor's peaks, measured in turn in the same run.
//
//   bpnet_kernels THREADS REPEATS [TEXT]   prints a line a kernel (whose name has TEXT): name, unit, median
//                                          rate, median fraction of the peak with the least and the
//                                          largest, tabs between
//   bpnet_kernels THREADS REPEATS alexnet N  the same of AlexNet's layers for N images
//   bpnet_kernels THREADS products N       answers every line with the seconds that the products of a step of
//                                          AlexNet on N images take
//   bpnet_kernels THREADS peak             answers every line with the multiply-add peak, in operations a
//                                          second
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bpnet/bpnet.h"
#include "bpnet/core/threads/parallel.h"
#include "measured.h"
#include "peaks.h"

namespace {

using bpnet::Activation;
using bpnet::ActivationKind;
using bpnet::Kernels;
using bpnet::LinearSizes;

// The three passes of a chain of linear layers; the first one's input wants no gradient.
Measured products(const Kernels<float>& k, const std::string& name, std::size_t n,
                  const std::vector<std::size_t>& widths) {
  struct Linear {
    LinearSizes sizes;
    float *x, *w, *b, *y, *grad_w, *grad_b;
  };
  std::vector<Linear> layers;
  double work = 0;
  float* x = numbers(n * widths[0]);
  for (std::size_t l = 0; l + 1 < widths.size(); ++l) {
    const LinearSizes s{n, widths[l], widths[l + 1]};
    layers.push_back({s, x, numbers(s.in * s.out), numbers(s.out), numbers(n * s.out), numbers(s.in * s.out),
                      numbers(s.out)});
    x = layers.back().y;
    work += 2.0 * double(n * s.in * s.out) * (l ? 3 : 2);
  }
  float* grad_x = numbers(n * *std::max_element(widths.begin(), widths.end()));
  return {name, 0, work, [&k, layers, grad_x] {
            bpnet::Context c = context(0);
            for (const Linear& l : layers) {
              k.linear_forward(c, l.sizes, l.x, l.w, l.b, {ActivationKind::kRelu, 0}, l.y);
            }
            for (std::size_t l = layers.size(); l-- > 0;) {
              const Linear& a = layers[l];
              k.linear_backward_weight(c, a.sizes, a.x, a.y, a.grad_w, a.grad_b, false);
              if (l) k.linear_backward_input(c, a.sizes, a.y, a.w, grad_x);
            }
          }};
}

Measured product(const Kernels<float>& k, const std::string& name, LinearSizes s, int pass) {
  float *x = numbers(s.n * s.in), *w = numbers(s.in * s.out), *y = numbers(s.n * s.out);
  return {name, 0, 2.0 * double(s.n * s.in * s.out), [&k, s, x, w, y, pass] {
            bpnet::Context c = context(0);
            if (pass == 0) k.linear_forward(c, s, x, w, nullptr, {ActivationKind::kIdentity, 0}, y);
            if (pass == 1) k.linear_backward_input(c, s, y, w, x);
            if (pass == 2) k.linear_backward_weight(c, s, x, y, w, nullptr, false);
          }};
}

Measured activation(const Kernels<float>& k, const std::string& name, ActivationKind kind,
                    std::size_t count) {
  float *x = numbers(count), *y = numbers(count);
  return {name, 8 * count, 8.0 * double(count), [&k, kind, count, x, y] {
            bpnet::Context c = context(0);
            k.activation_forward(c, {kind, 0}, count, x, y);
          }};
}

Measured softmax_loss(const Kernels<float>& k, const std::string& name, std::size_t rows,
                      std::size_t columns) {
  static std::vector<std::vector<std::int64_t>> labels;
  labels.emplace_back(rows);
  for (std::size_t r = 0; r < rows; ++r) labels.back()[r] = std::int64_t(r % columns);
  bpnet::LossArgs<float> a{};
  a.kind = bpnet::LossKind::kCrossEntropy;
  a.rows = rows, a.columns = columns;
  a.output = numbers(rows * columns);
  a.label = labels.back().data();
  a.row_scale = numbers(rows);
  a.grad_output = numbers(rows * columns);
  static double result;
  a.loss = &result;
  return {name, 8 * rows * columns, 8.0 * double(rows * columns), [&k, a] {
            bpnet::Context c = context(0);
            k.loss(c, a);
          }};
}

std::vector<Measured> all_kernels(const Kernels<float>& k) {
  constexpr std::size_t kLarge = std::size_t{1} << 24, kSmall = std::size_t{1} << 16;
  float *w = numbers(kLarge), *g = numbers(kLarge), *m = numbers(kLarge), *v = numbers(kLarge);
  for (std::size_t i = 0; i < kLarge; ++i) v[i] = v[i] * v[i];
  const LinearSizes square{2048, 2048, 2048};
  static constexpr bpnet::UpdateStep now{1e-9, 0.1, 0.001};
  const bpnet::UpdateArgs sgd{bpnet::UpdateKind::kSgd, 1, true, {0, 0.9, 0, false}, {}, {}};
  const bpnet::UpdateArgs adam{
      bpnet::UpdateKind::kAdam, 1, true, {}, {0, 0.9, 0.999, 1e-8, 0, false, 1, 1}, {}};
  return {
      product(k, "product 2048 x 2048 x 2048, forward", square, 0),
      product(k, "product 2048 x 2048 x 2048, gradient of the input", square, 1),
      product(k, "product 2048 x 2048 x 2048, gradient of the weight", square, 2),
      products(k, "products of 784-512-512-10, B=128", 128, {784, 512, 512, 10}),
      products(k, "products of 784-512-512-10, B=32", 32, {784, 512, 512, 10}),
      products(k, "products of 784-128-10, B=32", 32, {784, 128, 10}),
      activation(k, "relu, 16 M", ActivationKind::kRelu, kLarge),
      activation(k, "tanh, 16 M", ActivationKind::kTanh, kLarge),
      activation(k, "tanh, 64 k", ActivationKind::kTanh, kSmall),
      activation(k, "sigmoid, 64 k", ActivationKind::kSigmoid, kSmall),
      activation(k, "gelu, 64 k", ActivationKind::kGelu, kSmall),
      softmax_loss(k, "softmax and cross-entropy, 128 x 10", 128, 10),
      softmax_loss(k, "softmax and cross-entropy, 16384 x 1000", 16384, 1000),
      {"SGD with momentum, 16 M", 12 * kLarge, 20.0 * kLarge,
       [&k, sgd, w, g, m] {
         bpnet::Context c = context(0);
         float* const slots[] = {m, nullptr};
         k.update(c, sgd, &now, nullptr, kLarge, w, g, slots);
       }},
      {"Adam, 16 M", 16 * kLarge, 28.0 * kLarge,
       [&k, adam, w, g, m, v] {
         bpnet::Context c = context(0);
         float* const slots[] = {m, v};
         k.update(c, adam, &now, nullptr, kLarge, w, g, slots);
       }},
  };
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(values.size() / 2), values.end());
  return values[values.size() / 2];
}

double seconds_of(const std::function<void()>& run, std::size_t times) {
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < times; ++i) run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void measure(const Measured& kernel, int repeats) {
  // So many runs that a repeat takes some 20 ms.
  kernel.run();
  const double once = seconds_of(kernel.run, 1);
  const std::size_t times = once > 0.02 ? 1 : std::size_t(0.02 / once) + 1;
  std::vector<double> rates;
  double peak = 0;  // the most that was reached at any of these moments
  const auto measure_peak = [&] {
    peak = std::max(peak, kernel.memory ? peaks::memory_bytes(kernel.memory) : peaks::multiply_adds());
  };
  measure_peak();
  for (int repeat = 0; repeat < repeats; ++repeat) {
    rates.push_back(kernel.work * double(times) / seconds_of(kernel.run, times));
    measure_peak();
  }
  std::vector<double> fractions;
  for (const double rate : rates) fractions.push_back(rate / peak);
  const auto [least, most] = std::minmax_element(fractions.begin(), fractions.end());
  std::printf("%s\t%s\t%.1f\t%.3f\t%.3f\t%.3f\n", kernel.name.c_str(), kernel.memory ? "GB/s" : "GFLOP/s",
              median(rates) / 1e9, median(fractions), *least, *most);
  std::fflush(stdout);
}

template <class Answer>
void answer_lines(Answer answer) {
  for (int character; (character = std::getchar()) != EOF;) {
    if (character != '\n') continue;
    answer();
    std::fflush(stdout);
  }
}

void answer_products(const Kernels<float>& kernels, std::size_t images) {
  std::vector<Measured> products;
  for (Measured& kernel : alexnet_layers(kernels, images)) {
    if (!kernel.memory) products.push_back(std::move(kernel));
  }
  const auto step = [&] {
    for (const Measured& product : products) product.run();
  };
  step();
  answer_lines([&] { std::printf("%.9f\n", seconds_of(step, 1)); });
}

}  // namespace

int main(int argc, char** argv) {
  bpnet::set_num_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  bpnet::start_threads();
  const std::string what = argc > 2 ? argv[2] : "";
  if (what == "peak") {
    answer_lines([] { std::printf("%.0f\n", peaks::multiply_adds()); });
    return 0;
  }
  context(std::size_t{1} << 26);
  if (what == "products") {
    answer_products(bpnet::find_backend().kernels<float>(), argc > 3 ? std::size_t(std::atoi(argv[3])) : 128);
    return 0;
  }
  const int repeats = argc > 2 ? std::atoi(argv[2]) : 7;
  const std::string only = argc > 3 ? argv[3] : "";
  if (only == "alexnet") {
    for (const Measured& kernel : alexnet_layers(bpnet::find_backend().kernels<float>(),
                                                 argc > 4 ? std::size_t(std::atoi(argv[4])) : 128)) {
      measure(kernel, repeats);
    }
    return 0;
  }
  for (const Measured& kernel : all_kernels(bpnet::find_backend().kernels<float>())) {
    if (kernel.name.find(only) != std::string::npos) measure(kernel, repeats);
  }
  return 0;
}
