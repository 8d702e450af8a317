// A kernel or a copy gets an array in the host's memory: it ends the process, with a message that names both.
#include "cases.h"
#include "models.h"

namespace cases {
namespace {

float number = 1;
double real = 1;
std::int64_t label = 0;
std::uint64_t word = 0;

struct Given {
  Given() : network(dense<float>(kGuarded)), kernels(network.kernels()), samples(5) { network.reserve(1); }
  bpnet::Network network;
  const bpnet::Kernels<float>& kernels;
  Samples<float> samples;
  float* ours = network.parameter_data();  // the backend's
};

void forward_training() {
  Given g;
  g.network.forward_training(g.samples.x.data(), 1, {});
}
void infer() {
  Given g;
  g.network.infer(g.samples.x.data(), 1, g.ours);
}
void infer_output() {
  Given g;
  g.network.infer(g.network.stage(g.samples.x.data(), 1), 1, &number);
}
void backward() {
  Given g;
  g.network.forward_training(g.network.stage(g.samples.x.data(), 1), 1, {});
  g.network.backward(g.samples.targets.data());
}
void stopped() {
  bpnet::Network network = images(kGuarded);
  const std::vector<float> x(2 * 6 * 6);
  network.forward_training(network.stage(x.data(), 1), 1, {}, &word);
}
void scratch() {
  Given g;
  alignas(64) unsigned char memory[64];
  bpnet::Context context{memory, sizeof memory};
  g.kernels.scale(context, 1, 2, g.ours, g.ours);
}
void gather_x() {
  Given g;
  g.kernels.gather(g.network.context(), {.x = &number});
}
void gather_order() {
  Given g;
  g.kernels.gather(g.network.context(), {.order = &word});
}
void labels() {
  Given g;
  g.kernels.weigh_rows(g.network.context(), {1, nullptr, &label, g.ours}, reinterpret_cast<double*>(g.ours));
}
void sample_weight() {
  Given g;
  g.kernels.weigh_rows(g.network.context(), {1, &number, nullptr, nullptr},
                       reinterpret_cast<double*>(g.ours));
}
void class_weight() {
  Given g;
  g.kernels.weigh_rows(g.network.context(), {1, nullptr, nullptr, &number},
                       reinterpret_cast<double*>(g.ours));
}
void sum() {
  Given g;
  g.kernels.weigh_rows(g.network.context(), {1, nullptr, nullptr, nullptr}, &real);
}
void row_scale() {
  Given g;
  g.kernels.scale_rows(g.network.context(), {1, nullptr, nullptr, nullptr}, reinterpret_cast<double*>(g.ours),
                       &number);
}
void with_loss(const bpnet::LossArgs<float>& args) {
  Given g;
  bpnet::LossArgs<float> all = args;
  all.rows = all.columns = 1;
  for (const float** array : {&all.output, &all.target, &all.row_scale}) {
    if (!*array) *array = g.ours;
  }
  if (!all.loss) all.loss = reinterpret_cast<double*>(g.ours);
  g.kernels.loss(g.network.context(), all);
}
void loss_output() { with_loss({.output = &number}); }
void loss_target() { with_loss({.target = &number}); }
void loss_label() { with_loss({.label = &label}); }
void loss_class_weight() { with_loss({.class_weight = &number}); }
void loss_row_scale() { with_loss({.row_scale = &number}); }
void loss_gradient() { with_loss({.grad_output = &number}); }
void loss_loss() { with_loss({.loss = &real}); }
void sums() {
  Given g;
  bpnet::Sums host{};
  g.kernels.tally(g.network.context(), bpnet::Tally::kTraining, &host);
}
void random_step() {
  Given g;
  const bpnet::RandomStep step{};
  g.kernels.dropout_mask(g.network.context(), &step, 0, 1, 1, 0.5, 2, g.ours);
}
void with_update(const bpnet::UpdateStep* step, const std::uint64_t* updates, float* slot) {
  Given g;
  const bpnet::UpdateArgs args{};
  float* const slots[2] = {slot, nullptr};
  g.kernels.update(g.network.context(), args, step, updates, 1, g.ours, g.ours, slots);
}
void update_step() {
  const bpnet::UpdateStep step{};
  with_update(&step, nullptr, nullptr);
}
void update_flag() { with_update(nullptr, &word, nullptr); }
void slots() { with_update(nullptr, nullptr, &number); }
void with_clip(float* grad, bpnet::Sums* sums) {
  Given g;
  const bpnet::FlatRange range{0, 1};
  if (!grad) grad = g.ours;
  g.kernels.clip(g.network.context(), {grad, &range, 1, 1, 0}, bpnet::Tally::kTraining, sums);
}
void clip_gradient() { with_clip(&number, nullptr); }
void clip_sums() {
  bpnet::Sums host{};
  with_clip(nullptr, &host);
}
void with_online(const bpnet::OnlineArgs<float>& args) {
  Given g;
  g.kernels.online_sgd(g.network.context(), args);
}
void online_x() { with_online({.x = &number}); }
void online_order() { with_online({.order = &word}); }
void online_weight() {
  const bpnet::OnlineLayer<float> layer{.in = 1, .out = 1, .weight = &number};
  with_online({.layers = &layer, .depth = 1});
}
void copy_to_host() {
  Given g;
  float to = 0;
  bpnet::read_from(g.network.memory(), &to, &number, 1);
}
void copy_to_backend() {
  Given g;
  float to = 0;
  bpnet::write_to(g.network.memory(), &to, &number, 1);
}

}  // namespace

const Cases& host_arrays() {
  // Named as in the message: KERNEL, ARRAY.
  static const Cases cases{{"linear_forward, argument 2", forward_training},
                           {"linear_forward, argument 2: infer", infer},
                           {"within, to", infer_output},
                           {"within, from", backward},
                           {"keep, argument 1", stopped},
                           {"scale, scratch", scratch},
                           {"weigh_rows, label", labels},
                           {"weigh_rows, sample_weight", sample_weight},
                           {"weigh_rows, class_weight", class_weight},
                           {"weigh_rows, argument 2", sum},
                           {"scale_rows, argument 3", row_scale},
                           {"loss, output", loss_output},
                           {"loss, target", loss_target},
                           {"loss, label", loss_label},
                           {"loss, class_weight", loss_class_weight},
                           {"loss, row_scale", loss_row_scale},
                           {"loss, grad_output", loss_gradient},
                           {"loss, loss", loss_loss},
                           {"tally, argument 2", sums},
                           {"dropout_mask, argument 1", random_step},
                           {"update, argument 2", update_step},
                           {"update, argument 3", update_flag},
                           {"update, slots", slots},
                           {"clip, grad", clip_gradient},
                           {"clip, argument 3", clip_sums},
                           {"gather, x", gather_x},
                           {"gather, order", gather_order},
                           {"online_sgd, x", online_x},
                           {"online_sgd, order", online_order},
                           {"online_sgd, weight", online_weight},
                           {"to_host, from", copy_to_host},
                           {"to_backend, to", copy_to_backend}};
  return cases;
}

}  // namespace cases
