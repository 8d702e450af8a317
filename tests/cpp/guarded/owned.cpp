// After a step on both backends, an array of the guarded network has the reference's numbers, and an access
// of the host to it ends the process.
#include <algorithm>

#include "cases.h"
#include "models.h"
#include "touch.h"

namespace cases {
namespace {

using bpnet::Network;
using bpnet::Trainer;

struct Trained {
  explicit Trained(const std::string& backend)
      : samples(2 * 6 * 6), network(images(backend)), trainer(network, kLabelled, kAdam) {
    trainer.step(samples.x.data(), samples.labels.data(), kBatch, samples.weight.data());
  }
  Samples<float> samples;
  Network network;
  Trainer trainer;
};

// `where` gives an array's address and length.
template <class Where>
[[noreturn]] void compare(const Where& where) {
  Trained expected(kReference), guarded(kGuarded);
  const bpnet::Tensor<const float> there = where(guarded);
  touch(there.data, where(expected).data, there.count() * sizeof(float));
}

bpnet::Tensor<const float> view(const float* data, std::size_t count) { return {data, {count}}; }

template <class Tensors>
bpnet::Tensor<const float> named(const Tensors& tensors, const std::string& name) {
  for (const auto& each : tensors) {
    if (each.name == name) return {each.tensor.data, each.tensor.shape};
  }
  bpnet::fail<bpnet::ValueError>("there is no tensor ", name);
}

void parameters() {
  compare([](Trained& t) { return view(t.network.parameter_data(), t.network.plan().parameter_size); });
}
void gradients() {
  compare([](Trained& t) { return view(t.network.gradient_data(), t.network.plan().parameter_size); });
}
void buffers() {
  compare([](Trained& t) { return view(t.network.buffer_data(), t.network.plan().buffer_size); });
}
void state_tensor() {  // read and written by checkpoints, load() and the bindings
  compare([](Trained& t) { return named(t.network.state(), "0.weight"); });
}
void state_buffer() {
  compare([](Trained& t) { return named(t.network.state(), "1.running_var"); });
}
void gradient_tensor() {
  compare([](Trained& t) { return named(t.network.gradients(), "5.weight"); });
}
void slots() {
  compare([](Trained& t) {
    const auto slots = t.trainer.slots();
    return named(slots, slots.back().name);
  });
}
void set_state() {
  compare([](Trained& t) {
    const std::vector<float> values{0.5F, -3, 2};
    t.network.set_state("5.bias", {3}, values.data());
    return named(t.network.state(), "5.bias");
  });
}
void restored() {
  compare([](Trained& t) {
    const auto snapshot = t.trainer.snapshot();
    t.trainer.step(t.samples.x.data(), t.samples.labels.data(), kBatch);
    t.trainer.restore(snapshot);
    return view(t.network.parameter_data(), t.network.plan().parameter_size);
  });
}

// Steps by the host.
const float* forward(Trained& t) {
  const float* x = t.network.stage(t.samples.x.data(), kBatch);
  return t.network.forward_training(x, kBatch, {kSeed, 1, 0});
}
void staged_x() {
  compare([](Trained& t) {
    return view(t.network.stage(t.samples.x.data(), kBatch), kBatch * t.samples.features);
  });
}
void outputs() {
  compare([](Trained& t) { return view(forward(t), kBatch * kOutputs); });
}
void recorded_output() {
  compare([](Trained& t) {
    forward(t);
    return view(t.network.recorded_output(), kBatch * kOutputs);
  });
}
void grad_output() {
  compare([](Trained& t) {
    forward(t);
    const std::vector<float> gradient(kBatch * kOutputs, 0.25F);
    bpnet::write_to(t.network.memory(), t.network.grad_output(), gradient.data(), gradient.size());
    return view(t.network.grad_output(), gradient.size());
  });
}
void undone_buffers() {
  compare([](Trained& t) {
    forward(t);
    t.network.undo_forward_training();
    return view(t.network.buffer_data(), t.network.plan().buffer_size);
  });
}
void scratch() {
  compare([](Trained& t) {
    t.network.reserve_scratch(1000);  // the reference's kernels have none
    const std::vector<float> values{1, 2, 3};
    float* const at = reinterpret_cast<float*>(t.network.context().scratch);
    bpnet::write_to(t.network.memory(), at, values.data(), values.size());
    return view(at, values.size());
  });
}

// The arguments of a reducer during the step.
std::vector<float> first_gradient;

void reduced_gradient() {
  const auto number = [](void*, const char*, double*) {};
  Samples<float> samples(5);
  const auto step = [&](const char* backend, bpnet::Reducer<float> reducer) {
    Network network = dense<float>(backend);
    Trainer trainer(network, kLabelled, kAdam);
    reducer.number = number;
    trainer.set_reducer(reducer);
    trainer.step(samples.x.data(), samples.labels.data(), kBatch);
  };
  step(kReference, {.gradient = [](void*, const char*, float* gradient, std::size_t count) {
         if (first_gradient.empty()) first_gradient.assign(gradient, gradient + count);
       }});
  step(kGuarded, {.gradient = [](void*, const char*, float* gradient, std::size_t) {
         touch(gradient, first_gradient);
       }});
}

}  // namespace

const Cases& owned() {
  static const Cases cases{{"parameters", parameters},
                           {"gradients", gradients},
                           {"buffers", buffers},
                           {"state-tensor", state_tensor},
                           {"state-buffer", state_buffer},
                           {"gradient-tensor", gradient_tensor},
                           {"slots", slots},
                           {"set-state", set_state},
                           {"restored", restored},
                           {"staged-x", staged_x},
                           {"outputs", outputs},
                           {"recorded-output", recorded_output},
                           {"grad-output", grad_output},
                           {"undone-buffers", undone_buffers},
                           {"scratch", scratch},
                           {"reduced-gradient", reduced_gradient}};
  return cases;
}

}  // namespace cases
