// Options of a training: a custom loss, clipped gradients, frozen layers; and the outputs of inner layers.
// Prints "ok" and returns 0, or what failed and 1.
//
// Usage: choices [folder for its files]
#include <bpnet/bpnet.h>
#include <bpnet/core/memory/arena.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "allocations.h"

namespace {

int failures = 0;

void check(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("failed: %s\n", what.c_str());
  ++failures;
}

template <class Kind, class Action>
void expect(const Action& action, const std::string& message) {
  try {
    action();
  } catch (const Kind& error) {
    const std::string text = error.what();
    check(text.find(message) != std::string::npos, "'" + message + "' is not in '" + text + "'");
    return;
  }
  check(false, "no error says '" + message + "'");
}

constexpr std::size_t kRows = 24, kFeatures = 6, kOutputs = 3;

template <class T>
std::vector<T> ramp(std::size_t count) {
  std::vector<T> numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = T(double(i * 2654435761u >> 16 & 1023) / 512 - 1);
  return numbers;
}

template <class T>
struct Data {
  std::vector<T> x = ramp<T>(kRows * kFeatures), y = ramp<T>(kRows * kOutputs);
  bpnet::DatasetView<T> view() const {
    return {.x = x.data(), .features = kFeatures, .count = kRows, .outputs = kOutputs, .targets = y.data()};
  }
};

template <class T>
bpnet::BasicNetwork<T> network() {
  using namespace bpnet;
  return {{kFeatures}, {linear(8).named("first"), bpnet::tanh(), linear(kOutputs)}, {.seed = 2}};
}

template <class T>
std::vector<T> weights(bpnet::BasicNetwork<T>& net) {
  std::vector<T> all;
  for (const auto& item : net.state()) {
    all.insert(all.end(), item.tensor.data, item.tensor.data + item.tensor.count());
  }
  return all;
}

// The mean of squares, in float and in double.
const bpnet::CustomLoss kSquares{
    "squares", [](const auto& batch) -> double {
      const std::size_t count = batch.rows * batch.outputs();
      double sum = 0;
      for (std::size_t i = 0; i < count; ++i) {
        const double difference = double(batch.output[i]) - double(batch.target[i]);
        sum += difference * difference;
        if (!batch.gradient) continue;
        batch.gradient[i] =
            static_cast<std::remove_reference_t<decltype(*batch.gradient)>>(2 * difference / double(count));
      }
      return sum / double(count);
    }};

template <class T>
bool near(const std::vector<T>& a, const std::vector<T>& b) {
  const double rounding = 64 * double(std::numeric_limits<T>::epsilon());  // of a few steps
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(std::fabs(double(a[i]) - double(b[i])) <= rounding * std::fmax(1.0, std::fabs(double(b[i]))))) {
      return false;
    }
  }
  return a.size() == b.size();
}

template <class T>
void a_custom_loss_trains(std::size_t batch_size) {
  const Data<T> data;
  bpnet::BasicNetwork<T> nets[] = {network<T>(), network<T>()};
  bpnet::BasicTrainer<T> custom(nets[0], kSquares, bpnet::Adam{}), own(nets[1], bpnet::Mse{}, bpnet::Adam{});
  const bpnet::Dataset<T> rows(data.view());
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (bpnet::BasicTrainer<T>* trainer : {&custom, &own}) {
      trainer->run(rows, {.batch_size = batch_size});
      trainer->end_epoch(0);
    }
  }
  check(near(weights(nets[0]), weights(nets[1])), "a custom loss trains to other weights");
  const bpnet::Evaluation a = bpnet::evaluate<T>(nets[0], kSquares, rows, 0, kRows);
  const bpnet::Evaluation b = bpnet::evaluate<T>(nets[0], bpnet::Mse{}, rows, 0, kRows);
  check(near<T>({T(a.loss_sum)}, {T(b.loss_sum)}) && a.weight_sum == b.weight_sum, "evaluate: another loss");
}

void its_gradient_is_checked() {
  const Data<double> data;
  bpnet::NetworkF64 net = network<double>();
  for (const auto& [name, error] :
       bpnet::check_gradients(net, kSquares, bpnet::Dataset<double>(data.view()))) {
    check(error < 1e-7, name + " has another gradient");
  }
}

void a_custom_loss_that_throws_changes_nothing() {
  const Data<float> data;
  bpnet::Network net({kFeatures}, {bpnet::linear(8), bpnet::batch_norm1d(), bpnet::linear(kOutputs)},
                     {.seed = 2});
  int calls = 0;
  const auto faulty = [&calls](const bpnet::CustomBatch<float>& batch) -> double {
    const double loss = kSquares.of<float>()(batch);
    if (++calls == 2) throw 7;
    if (calls == 3) batch.gradient[kOutputs * 5] = NAN;
    return loss;
  };
  bpnet::Trainer trainer(net, bpnet::CustomLoss{"faulty", faulty}, bpnet::Sgd{.lr = 0.1, .momentum = 0.9});
  trainer.step(data.x.data(), data.y.data(), kRows);
  const std::vector<float> before = weights(net);
  bool thrown = false;
  try {
    trainer.step(data.x.data(), data.y.data(), kRows);
  } catch (int seven) {
    thrown = seven == 7;
  }
  check(thrown, "what a custom loss throws does not come out");
  expect<bpnet::NumericError>([&] { trainer.step(data.x.data(), data.y.data(), kRows); },
                              "custom loss 'faulty': its gradient has NaN or infinity in row 5");
  check(weights(net) == before && trainer.state().step == 1,
        "a custom loss that fails has changed something");
  calls = 1;
  check(std::isnan(trainer.step_unchecked(data.x.data(), data.y.data(), kRows)), "step_unchecked: no NaN");
  check(weights(net) == before && trainer.state().step == 1,
        "step_unchecked: a failed step has changed something");
  bpnet::NetworkF64 twofold = network<double>();
  expect<bpnet::ValueError>(
      [&] { bpnet::TrainerF64(twofold, bpnet::CustomLoss{"faulty", faulty}, bpnet::Sgd{}); },
      "custom loss 'faulty': there is no function of float64");
}

void a_run_is_given_its_loss_again(const std::string& folder) {
  const std::string path = folder + "/choices_run.safetensors";
  const Data<float> data;
  bpnet::Network net = network<float>(), other = network<float>();
  bpnet::Trainer trainer(net, kSquares, bpnet::Adam{.clip_norm = 0.1});
  trainer.step(data.x.data(), data.y.data(), kRows);
  trainer.save(path);
  expect<bpnet::ValueError>(
      [&] { bpnet::Trainer::load(other, path); },
      "the run was trained with the custom loss 'squares', whose function no file holds");
  bpnet::Trainer resumed = bpnet::Trainer::load(other, path, &kSquares);
  check(bpnet::clipping(resumed.optimizer()).norm == 0.1, "the file has lost what clips");
  for (bpnet::Trainer* each : {&trainer, &resumed}) each->step(data.x.data(), data.y.data(), kRows);
  check(weights(net) == weights(other), "a resumed run with a custom loss has other weights");
  std::remove(path.c_str());
}

// With all of them at once.
void steps_take_no_memory() {
  using namespace bpnet;
  const Data<float> data;
  Network net({kFeatures},
              {linear(8).frozen(), bpnet::tanh(), linear(7), batch_norm1d().frozen(), linear(kOutputs)},
              {.seed = 2});
  Trainer trainer(net, kSquares, Adam{.clip_value = 0.1, .clip_norm = 0.1});
  trainer.reserve(kRows);
  const auto arenas = arena_allocations();
  const long before = allocations();
  for (const std::size_t rows : {kRows, std::size_t{1}, std::size_t{9}}) {
    trainer.step_unchecked(data.x.data(), data.y.data(), rows);
  }
  const bool took = allocations() != before || arena_allocations() != arenas;
  check(!took, "a step takes memory");
  check(trainer.state().step == 3, "a step was not made");
}

void frozen_layers_keep_their_bits() {
  using namespace bpnet;
  const Data<float> data;
  for (const std::size_t batch_size : {1, 8, 24}) {
    Network net({kFeatures},
                {linear(8), bpnet::tanh(), sequential({linear(5), bpnet::tanh()}).frozen(), linear(3)},
                {.seed = 2});
    const std::vector<float> before = weights(net);
    Trainer trainer(net, Mse{}, Sgd{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1});
    trainer.run(Dataset<float>(data.view()), {.batch_size = batch_size});
    const std::vector<float> after = weights(net);
    const std::size_t first = (kFeatures + 1) * 8, frozen = 9 * 5;
    for (std::size_t i = 0; i < after.size(); ++i) {
      const bool kept = i >= first && i < first + frozen;
      check((after[i] == before[i]) == kept,
            "weight " + std::to_string(i) + (kept ? " has changed" : " has not"));
    }
    check(net.gradients().size() == 4 && net.trained_count() == net.parameter_count() - frozen,
          "a frozen layer counts among the trained");
  }
  Network all({kFeatures}, {linear(3).frozen()});
  expect<ValueError>([&] { Trainer(all, Mse{}, Sgd{}); }, "all layers of the network are frozen");
  expect<ValueError>([&] { Network({kFeatures}, {bpnet::tanh().frozen()}); }, "'0' (Tanh) has no parameters");
}

void what_an_inner_layer_gives() {
  const Data<float> data;
  bpnet::Network net = network<float>();
  check(net.output_shape("first") == bpnet::Shape{8}, "output_shape of an inner layer");
  std::vector<float> s(kRows * 8), x(kRows * 8), y(kRows * kOutputs), again(y.size());
  net.forward(data.x.data(), kRows, s.data(), "first");
  net.forward(data.x.data(), kRows, x.data(), "1");
  net.forward(data.x.data(), kRows, y.data(), "2");
  net.forward(data.x.data(), kRows, again.data());
  check(y == again, "the last layer's outputs are not the network's");
  for (std::size_t i = 0; i < s.size(); ++i) {
    check(std::fabs(double(x[i]) - std::tanh(double(s[i]))) <= 1e-6, "an activation that was fused");
  }
  net.forward(data.x.data(), kRows, x.data(), "1");
  const long before = allocations();
  net.forward(data.x.data(), kRows, x.data(), "1");
  const bool took = allocations() != before;
  check(!took, "the same layer again takes memory");
  expect<bpnet::ValueError>([&] { net.output_shape("second"); }, "the network has the layers first, 1, 2");
}

}  // namespace

int main(int count, char** arguments) {
  const std::string folder = count > 1 ? arguments[1] : ".";
  try {
    for (const std::size_t batch_size : {1, 8, 24}) {
      a_custom_loss_trains<float>(batch_size);
      a_custom_loss_trains<double>(batch_size);
    }
    its_gradient_is_checked();
    a_custom_loss_that_throws_changes_nothing();
    a_run_is_given_its_loss_again(folder);
    steps_take_no_memory();
    frozen_layers_keep_their_bits();
    what_an_inner_layer_gives();
  } catch (const std::exception& error) {
    check(false, std::string("an exception got out: ") + error.what());
  }
  if (failures) return 1;
  std::printf("ok\n");
  return 0;
}
