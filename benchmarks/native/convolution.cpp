// One convolution without the rest of a network, for Python's ctypes: the layer itself, on channels-last
// images, with the arrays and the scratch that a network would hand it. benchmarks/peers/convolution_ours.py
// calls it.
#include <algorithm>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "bpnet/bpnet.h"
#include "bpnet/core/memory/arena.h"
#include "bpnet/core/threads/parallel.h"
#include "bpnet/layers/layer.h"

#if defined(_WIN32)
#define EXPORTED extern "C" __declspec(dllexport)
#else
#define EXPORTED extern "C" __attribute__((visibility("default")))
#endif

namespace {

enum Array { kX, kWeight, kBias, kGradY, kY, kGradX, kGradWeight, kGradBias, kArrays };

std::string last_error;

}  // namespace

struct Convolution {
  std::unique_ptr<bpnet::Layer<float>> layer;
  const bpnet::Kernels<float>* kernels;
  bpnet::Shape input;
  std::size_t batch;
  bool input_gradient;
  bpnet::Arena arrays[kArrays];
  bpnet::Arena scratch, saved;
  bpnet::Context context{};

  float* at(int array) { return arrays[array].at<float>(0); }
  void reserve(int array, std::size_t count) { arrays[array].reserve(count * sizeof(float)); }
  void forward();
  void backward();
};

void Convolution::forward() {
  const float* const x[] = {at(kX)};
  float* const parameters[] = {at(kWeight), at(kBias)};
  bpnet::ForwardArgs<float> a{.kernels = *kernels,
                              .input_shape = &input,
                              .batch = batch,
                              .training = true,
                              .frozen = false,
                              .number = 0,
                              .now = nullptr,
                              .activation = {bpnet::ActivationKind::kIdentity, 0},
                              .x = x,
                              .y = at(kY),
                              .parameters = parameters,
                              .buffers = nullptr,
                              .saved = saved.at<float>(0)};
  layer->forward(context, a);
}

void Convolution::backward() {
  const float* const x[] = {at(kX)};
  float* const grad_x[] = {input_gradient ? at(kGradX) : nullptr};
  float* const parameters[] = {at(kWeight), at(kBias)};
  float* const gradients[] = {at(kGradWeight), at(kGradBias)};
  constexpr bool kAdds[] = {false};
  bpnet::BackwardArgs<float> a{.kernels = *kernels,
                               .input_shape = &input,
                               .batch = batch,
                               .x = x,
                               .y = at(kY),
                               .grad_y = at(kGradY),
                               .grad_x = grad_x,
                               .adds = kAdds,
                               .parameters = parameters,
                               .grad_parameters = gradients,
                               .accumulate = false,
                               .frozen = false,
                               .saved = saved.at<float>(0)};
  layer->backward(context, a);
}

namespace {

std::unique_ptr<Convolution> make(const std::string& layer, const bpnet::Shape& input, std::size_t batch,
                                  bool input_gradient, const bpnet::Where& where) {
  auto made = std::make_unique<Convolution>();
  Convolution& c = *made;
  c.layer = bpnet::make_layer<float>(bpnet::layers_from_json(bpnet::Json::parse(layer)).at(0));
  c.kernels = &bpnet::find_backend_for<float>(where).kernels<float>();
  c.input = input;
  c.batch = batch;
  c.input_gradient = input_gradient;
  const std::size_t in = input.count(), out = c.layer->output_shape(input).count();
  c.reserve(kX, batch * in);
  if (input_gradient) c.reserve(kGradX, batch * in);
  for (const int array : {kY, kGradY}) c.reserve(array, batch * out);
  const std::vector<bpnet::ParameterSpec> parameters = c.layer->parameters(input);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::size_t count = parameters[i].shape.count();
    c.reserve(i ? kBias : kWeight, count);
    c.reserve(i ? kGradBias : kGradWeight, count);
  }
  c.saved.reserve(c.layer->saved_size(input, batch) * sizeof(float));
  c.scratch.reserve(c.layer->workspace_size(*c.kernels, input, batch));
  c.context.scratch = c.scratch.data();
  c.context.scratch_size = c.scratch.size();
  c.context.precision = where.precision;
  return made;
}

}  // namespace

// `layer` is a list of one layer as a model file stores it. Null where something is wrong:
// convolution_error() tells.
EXPORTED Convolution* convolution_make(const char* layer, std::size_t channels, std::size_t height,
                                       std::size_t width, std::size_t batch, int input_gradient,
                                       const char* precision, int threads) {
  try {
    bpnet::set_num_threads(threads);
    bpnet::start_threads();
    bpnet::Where where;
    where.precision = bpnet::precision_from(precision);
    return make(layer, {channels, height, width}, batch, input_gradient != 0, where).release();
  } catch (const std::exception& error) {
    last_error = error.what();
    return nullptr;
  }
}

EXPORTED const char* convolution_error() { return last_error.c_str(); }

// x, weight, bias, the gradient by y, y, the gradients by x, weight and bias, in this order. Images are
// (batch, height, width, channels). Null where the layer has none.
EXPORTED float* convolution_array(Convolution* c, int array) {
  return c->arrays[array].size() ? c->at(array) : nullptr;
}

EXPORTED void convolution_run(Convolution* c, std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) {
    c->forward();
    c->backward();
  }
}

EXPORTED void convolution_free(Convolution* c) { delete c; }
