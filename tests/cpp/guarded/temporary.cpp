// Arrays that are passed to kernels and that no interface returns: each is accessed right before the kernel
// runs.
#include <bpnet/training/order.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "cases.h"
#include "models.h"
#include "touch.h"

namespace cases {
namespace {

template <class T>
std::vector<T> rows_of(const std::vector<T>& values, std::size_t columns,
                       const std::vector<std::uint64_t>& order, std::size_t count) {
  std::vector<T> result;
  for (std::size_t r = 0; r < count; ++r) {
    const T* const row = values.data() + order[r] * columns;
    result.insert(result.end(), row, row + columns);
  }
  return result;
}

std::vector<std::uint64_t> shuffled() {
  std::vector<std::uint64_t> order;
  bpnet::make_epoch_order(kSeed, 0, true, kRows, order);
  return order;
}

void train(const bpnet::DatasetView<float>& data, const bpnet::Loss& loss, bool shuffle,
           std::size_t batch_size = kBatch) {
  bpnet::Network network = dense<float>(kGuarded);
  bpnet::Trainer trainer(network, loss, kAdam);
  trainer.run(bpnet::Dataset<float>(data), {.batch_size = batch_size, .shuffle = shuffle});
}

void train_images() {
  const Samples<float> samples(2 * 6 * 6);
  bpnet::Network network = images(kGuarded);
  bpnet::Trainer trainer(network, kLabelled, kAdam);
  trainer.run(bpnet::Dataset<float>(samples.labelled()), {.batch_size = kBatch, .shuffle = false});
}

// Data that is in the backend's memory, as a whole and in its type.

void resident_x() {
  const Samples<float> s(5);
  touch_given("gather", "x", s.x);
  train(s.targeted(), bpnet::Mse{}, true);
}
void resident_order() {
  const Samples<float> s(5);
  touch_given("gather", "order", shuffled());
  train(s.targeted(), bpnet::Mse{}, true);
}

// Data that is too large for that, a batch at a time.

void sent_x() {
  const Samples<float> s(5);
  std::vector<float> many(2048 * 5);
  std::copy(s.x.begin(), s.x.end(), many.begin());
  const std::vector<float> targets(2048 * kOutputs);
  bpnet::DatasetView<float> data = s.targeted();
  data.x = many.data();
  data.targets = targets.data();
  data.count = 2048;
  touch_given("gather", "x", std::vector<float>(s.x.begin(), s.x.begin() + kBatch * 5));
  train(data, bpnet::Mse{}, false);
}

// Batches.

void batch_x() {
  const Samples<float> s(5);
  touch_given("linear_forward", "argument 2", rows_of(s.x, 5, shuffled(), kBatch));
  train(s.targeted(), bpnet::Mse{}, true);
}
void batch_targets() {
  const Samples<float> s(5);
  touch_given("loss", "target", rows_of(s.targets, kOutputs, shuffled(), kBatch));
  train(s.targeted(), bpnet::Mse{}, true);
}
void batch_labels() {
  const Samples<float> s(5);
  touch_given("loss", "label", rows_of(s.labels, 1, shuffled(), kBatch));
  train(s.labelled(), kLabelled, true);
}
void batch_sample_weights() {
  const Samples<float> s(5);
  touch_given("weigh_rows", "sample_weight", rows_of(s.weight, 1, shuffled(), kBatch));
  train(s.labelled(), kLabelled, true);
}

// The loss.

void class_weights() {
  touch_given("weigh_rows", "class_weight", std::vector<float>{2, 2, 2});
  train(Samples<float>(5).labelled(), kLabelled, false);
}
void row_scale() {
  touch_given("loss", "row_scale", std::vector<float>{1 / 16.F, 2 / 16.F, 4 / 16.F, 1 / 16.F});
  const Samples<float> s(5);
  train(s.labelled(), kLabelled, false);
}
void sums() {
  touch_given("judge", "argument 3", std::vector<double>{16}, 1, offsetof(bpnet::Sums, batch_weight));
  const Samples<float> s(5);
  train(s.labelled(), kLabelled, false);
}
void update_flag() {
  touch_given("update", "argument 3", std::vector<std::uint64_t>{1});
  const Samples<float> s(5);
  train(s.labelled(), kLabelled, false);
}
void grad_of_loss() {  // written by the loss, read by the last layer's backward
  const Samples<float> s(5);
  bpnet::Network network = dense<float>(kReference);
  std::vector<float> gradient(kBatch * kOutputs);
  const float* output = network.forward_training(s.x.data(), kBatch, {});
  const std::vector<float> scale(kBatch, 1.F / kBatch);
  double loss = 0;
  network.kernels().loss(network.context(), {.kind = bpnet::LossKind::kMse,
                                             .rows = kBatch,
                                             .columns = kOutputs,
                                             .output = output,
                                             .target = s.targets.data(),
                                             .row_scale = scale.data(),
                                             .grad_output = gradient.data(),
                                             .loss = &loss});
  touch_given("linear_backward_weight", "argument 3", gradient);
  train(s.targeted(), bpnet::Mse{}, false);
}

// The parameters of a step.

void update_step() {
  touch_given("update", "argument 2", std::vector<bpnet::UpdateStep>{bpnet::update_step(kAdam, 0.125, 2)}, 2);
  const Samples<float> s(5);
  train(s.targeted(), bpnet::Mse{}, false);
}
void random_step() {
  touch_given("dropout_mask", "argument 1", std::vector<bpnet::RandomStep>{{kSeed, 1, 0}}, 2);
  train_images();
}

// The gradient that is clipped in place.
void clipped_gradient() {
  const Samples<float> s(5);
  bpnet::Network network = dense<float>(kReference);
  bpnet::Trainer trainer(network, kLabelled, kAdam);
  trainer.step(s.x.data(), s.labels.data(), kBatch, s.weight.data());
  const float* const gradient = network.gradient_data();
  touch_given("clip", "grad",
              std::vector<float>(gradient, gradient + network.plan().parameters.back().offset + kOutputs));
  bpnet::Network guarded = dense<float>(kGuarded);
  bpnet::Trainer clipping(guarded, kLabelled, bpnet::Adam{.clip_norm = 0.5});
  clipping.step(s.x.data(), s.labels.data(), kBatch, s.weight.data());
}
void clipping_flag() {
  touch_given("clip", "argument 3", std::vector<std::uint64_t>{1}, 1, offsetof(bpnet::Sums, updates));
  const Samples<float> s(5);
  bpnet::Network guarded = dense<float>(kGuarded);
  bpnet::Trainer clipping(guarded, kLabelled, bpnet::Adam{.clip_norm = 0.5});
  clipping.step(s.x.data(), s.labels.data(), kBatch, s.weight.data());
}

// Backward reads the gradient of a custom loss, which gets a copy of the outputs.
double half_of_squares(const bpnet::CustomBatch<float>& batch) {
  double loss = 0;
  for (std::size_t i = 0; i < batch.rows * kOutputs; ++i) {
    loss += 0.5 * batch.output[i] * batch.output[i] / double(batch.rows);
    if (batch.gradient) batch.gradient[i] = batch.output[i] / float(batch.rows);
  }
  return loss;
}
void grad_of_custom_loss() {
  const Samples<float> s(5);
  std::vector<float> gradient(kRows * kOutputs);
  dense<float>(kReference).forward(s.x.data(), kRows, gradient.data());
  gradient.resize(kBatch * kOutputs);
  for (float& g : gradient) g /= kBatch;
  touch_given("linear_backward_weight", "argument 3", gradient);
  train(s.targeted(), bpnet::CustomLoss{"half", half_of_squares}, false);
}

// An inner layer's outputs.
void inner_input() {
  const Samples<float> s(5);
  std::vector<float> inner(kRows * 4);
  dense<float>(kReference).forward(s.x.data(), kRows, inner.data(), "1");
  touch_given("linear_forward", "argument 2", inner, 2);
  std::vector<float> outputs(kRows * kOutputs);
  dense<float>(kGuarded).forward(s.x.data(), kRows, outputs.data(), "2");
}
void inner_output() {
  const Samples<float> s(5);
  std::vector<float> outputs(kRows * kOutputs);
  dense<float>(kReference).forward(s.x.data(), kRows, outputs.data(), "2");
  touch_given("to_host", "from", outputs, 1);
  dense<float>(kGuarded).forward(s.x.data(), kRows, outputs.data(), "2");
}

// Buffers as they were before a step: zeros, ones, and the number of batches.
void buffers_before() {
  bpnet::Network fresh = images(kReference);
  const std::vector<float> initial(fresh.buffer_data(), fresh.buffer_data() + fresh.plan().buffer_size);
  touch_given("keep", "argument 4", initial, 2);
  train_images();
}

// The online loop.

void online_x() {
  const Samples<float> s(5);
  touch_given("online_sgd", "x", s.x);
  train(s.targeted(), bpnet::Mse{}, true, 1);
}
void online_targets() {
  const Samples<float> s(5);
  touch_given("online_sgd", "target", s.targets);
  train(s.targeted(), bpnet::Mse{}, true, 1);
}
void online_order() {
  touch_given("online_sgd", "order", shuffled());
  const Samples<float> s(5);
  train(s.targeted(), bpnet::Mse{}, true, 1);
}

// The same with samples of another type, which are gathered.

bpnet::DatasetView<float> converted(const Samples<float>& samples, const Samples<double>& twofold) {
  bpnet::DatasetView<float> data = samples.targeted();
  data.x = twofold.x.data();
  data.x_type = bpnet::DataType::kFloat64;
  return data;
}
void online_gathered_x() {
  const Samples<float> s(5);
  touch_given("online_sgd", "x", rows_of(s.x, 5, shuffled(), kRows));
  train(converted(s, Samples<double>(5)), bpnet::Mse{}, true, 1);
}
void online_gathered_targets() {
  const Samples<float> s(5);
  touch_given("online_sgd", "target", rows_of(s.targets, kOutputs, shuffled(), kRows));
  train(converted(s, Samples<double>(5)), bpnet::Mse{}, true, 1);
}
void online_gathered_order() {
  std::vector<std::uint64_t> order(kRows);
  for (std::size_t r = 0; r < kRows; ++r) order[r] = r;
  touch_given("online_sgd", "order", order);
  train(converted(Samples<float>(5), Samples<double>(5)), bpnet::Mse{}, true, 1);
}

// The lecture's quantities.

bpnet::Trace<float> trace_on(const char* backend) {
  const Samples<float> s(5);
  bpnet::Network network = dense<float>(backend);
  return bpnet::trace<float>(network, bpnet::HalfSquaredError{}, s.x.data(), s.targets.data(), nullptr);
}
void trace_s() {
  touch_given("activation_forward", "argument 3", trace_on(kReference).s[1]);
  trace_on(kGuarded);
}
void trace_x() {
  touch_given("linear_forward", "argument 2", trace_on(kReference).x[1], 2);
  trace_on(kGuarded);
}
void trace_delta() {
  touch_given("linear_backward_input", "argument 2", trace_on(kReference).delta[2]);
  trace_on(kGuarded);
}

void check_gradients() {
  const Samples<double> s(5);
  bpnet::NetworkF64 network = dense<double>(kGuarded);
  bpnet::check_gradients(network, bpnet::Mse{}, bpnet::Dataset<double>(s.targeted()));
}
void check_gradients_x() {
  touch_given("linear_forward", "argument 2", Samples<double>(5).x);
  check_gradients();
}
void check_gradients_weight() {  // its first weight, which is changed for the first difference
  const double first = *dense<double>(kReference).parameter_data();
  touch_given("linear_forward", "argument 3",
              std::vector<double>{first + 6e-6 * std::max(1.0, std::fabs(first))}, 3);
  check_gradients();
}

// Evaluation.

void evaluate() {
  const Samples<float> s(5);
  bpnet::Network network = dense<float>(kGuarded);
  bpnet::evaluate(network, kLabelled, bpnet::Dataset<float>(s.labelled()), 0, kRows);
}
void evaluated_output() {
  const Samples<float> s(5);
  std::vector<float> outputs(kRows * kOutputs);
  dense<float>(kReference).forward(s.x.data(), kRows, outputs.data());
  touch_given("judge", "output", outputs);
  evaluate();
}
void evaluated_scale() {
  touch_given("scale_rows", "argument 2", std::vector<double>{1});
  evaluate();
}

}  // namespace

const Cases& temporary() {
  static const Cases cases{{"resident-x", resident_x},
                           {"resident-order", resident_order},
                           {"sent-x", sent_x},
                           {"batch-x", batch_x},
                           {"batch-targets", batch_targets},
                           {"batch-labels", batch_labels},
                           {"batch-sample-weights", batch_sample_weights},
                           {"class-weights", class_weights},
                           {"row-scale", row_scale},
                           {"sums", sums},
                           {"update-flag", update_flag},
                           {"grad-of-loss", grad_of_loss},
                           {"update-step", update_step},
                           {"random-step", random_step},
                           {"clipped-gradient", clipped_gradient},
                           {"clipping-flag", clipping_flag},
                           {"grad-of-custom-loss", grad_of_custom_loss},
                           {"inner-input", inner_input},
                           {"inner-output", inner_output},
                           {"buffers-before", buffers_before},
                           {"online-x", online_x},
                           {"online-targets", online_targets},
                           {"online-order", online_order},
                           {"online-gathered-x", online_gathered_x},
                           {"online-gathered-targets", online_gathered_targets},
                           {"online-gathered-order", online_gathered_order},
                           {"trace-s", trace_s},
                           {"trace-x", trace_x},
                           {"trace-delta", trace_delta},
                           {"check-gradients-x", check_gradients_x},
                           {"check-gradients-weight", check_gradients_weight},
                           {"evaluated-output", evaluated_output},
                           {"evaluated-scale", evaluated_scale}};
  return cases;
}

}  // namespace cases
