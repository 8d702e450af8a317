// An independent application of bpnet, which checks what the headers promise: training, files, a resumed run,
// steps that allocate no memory, the same bits for every number of threads, and errors that are exceptions.
// Prints "ok" and returns 0, or prints each check that failed and returns 1.
//
// Usage: consumer [folder for its files]
#include <bpnet/bpnet.h>
#include <bpnet/core/memory/arena.h>
#include <bpnet/core/threads/interrupt.h>
#include <bpnet/core/threads/waits.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "allocations.h"
#include "system_calls.h"

namespace {

int failures = 0;

void check(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("failed: %s\n", what.c_str());
  ++failures;
}

// Points in [−1, 1)^features, each labelled by the largest of `classes` fixed linear functions of it.
struct Data {
  std::vector<float> x;              // (count, features)
  std::vector<std::int64_t> labels;  // (count,)
  std::size_t count, features;

  Data(std::size_t count_, std::size_t features_, std::size_t classes) : count(count_), features(features_) {
    std::mt19937 generator(7);  // the same numbers in every standard library
    const auto draw = [&] { return static_cast<float>(generator()) * 0x1p-31f - 1; };
    std::vector<float> direction(classes * features);
    for (float& value : direction) value = draw();
    x.resize(count * features);
    for (float& value : x) value = draw();
    for (std::size_t r = 0; r < count; ++r) {
      std::int64_t best = 0;
      float best_score = -1e30f;
      for (std::size_t c = 0; c < classes; ++c) {
        float score = 0;
        for (std::size_t i = 0; i < features; ++i) score += direction[c * features + i] * x[r * features + i];
        if (score > best_score) {
          best_score = score;
          best = static_cast<std::int64_t>(c);
        }
      }
      labels.push_back(best);
    }
  }

  bpnet::DatasetView<float> view(std::size_t classes) const {
    return {.x = x.data(), .features = features, .count = count, .outputs = classes, .labels = labels.data()};
  }
  bpnet::Dataset<float> dataset(std::size_t classes) const { return bpnet::Dataset<float>(view(classes)); }
};

bpnet::Network small_network() {
  return bpnet::Network({16}, {bpnet::linear(8), bpnet::tanh(), bpnet::linear(3)}, {.seed = 3});
}

const bpnet::Sgd kMomentum{.lr = 0.1, .momentum = 0.9};

// All weights, one tensor after another.
std::vector<float> weights(bpnet::Network& network) {
  std::vector<float> all;
  for (const auto& item : network.state()) {
    all.insert(all.end(), item.tensor.data, item.tensor.data + item.tensor.count());
  }
  return all;
}

std::vector<float> outputs(bpnet::Network& network, const Data& data) {
  std::vector<float> out(data.count * network.output_shape().count());
  network.forward(data.x.data(), data.count, out.data());
  return out;
}

void train_and_save(const std::string& folder) {
  const Data data(512, 16, 3);
  bpnet::Network network = small_network();
  bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, kMomentum);

  constexpr std::size_t kBatch = 32;
  float first = 0, last = 0;
  for (int epoch = 0; epoch < 20; ++epoch) {
    float sum = 0;
    for (std::size_t begin = 0; begin < data.count; begin += kBatch) {
      sum += trainer.step(data.x.data() + begin * 16, data.labels.data() + begin, kBatch);
    }
    last = sum / static_cast<float>(data.count / kBatch);
    if (epoch == 0) first = last;
  }
  check(std::isfinite(last) && last < 0.3f * first, "training: the loss went from " + std::to_string(first) +
                                                        " to " + std::to_string(last) +
                                                        ", below 0.3 times the first was expected");

  const std::string model = folder + "/consumer_model.safetensors";
  bpnet::save(network, model);
  bpnet::Network again = bpnet::load(model);
  check(outputs(network, data) == outputs(again, data), "save and load: the outputs have other bits");
  check(weights(network) == weights(again), "save and load: the weights have other bits");

  // A run saved within an epoch, with its trainer and network destroyed, continues to the same bits.
  const std::string run = folder + "/consumer_run.safetensors";
  bpnet::Network other = small_network();
  {
    bpnet::Trainer before(other, bpnet::CrossEntropy{}, kMomentum);
    before.run(data.dataset(3), {.batch_size = kBatch});
    before.end_epoch(before.epoch_result(data.count).loss);
    before.run(data.dataset(3), {.batch_size = kBatch, .seconds = 0});
    check(before.state().position == kBatch, "run: seconds = 0 did not stop after one batch");
    before.notes = "half an epoch";
    before.save(run);
    before.run(data.dataset(3), {.batch_size = kBatch});
    before.end_epoch(before.epoch_result(data.count).loss);
    before.run(data.dataset(3), {.batch_size = kBatch});
  }
  bpnet::Network resumed = bpnet::load(run);
  bpnet::Trainer after = bpnet::Trainer::load(resumed, run);
  check(after.notes == "half an epoch", "Trainer::load: the notes are '" + after.notes + "'");
  check(after.state().epoch == 1, "Trainer::load: the epoch is " + std::to_string(after.state().epoch));
  after.run(data.dataset(3), {.batch_size = kBatch});
  after.end_epoch(after.epoch_result(data.count).loss);
  after.run(data.dataset(3), {.batch_size = kBatch});
  check(weights(other) == weights(resumed), "Trainer::load: the resumed run has other weights");

  std::remove(model.c_str());
  std::remove(run.c_str());
}

bpnet::Network nested_network() {
  const bpnet::LayerSpec block = bpnet::residual(
      {bpnet::linear(8).named("fc1"), bpnet::tanh(), bpnet::linear(8, {.bias = false}).named("fc2")},
      {bpnet::linear(8)});
  const bpnet::LayerSpec layer1 = bpnet::sequential({block, bpnet::relu(), bpnet::residual({bpnet::gelu()})});
  return bpnet::Network({16}, {layer1.named("layer1"), bpnet::linear(3).named("fc")}, {.seed = 5});
}

void nested_layers(const std::string& folder) {
  const Data data(64, 16, 3);
  bpnet::Network network = nested_network();
  std::string names;
  for (const auto& item : network.state()) names += item.name + " ";
  check(names ==
            "layer1.0.fc1.weight layer1.0.fc1.bias layer1.0.fc2.weight layer1.0.downsample.0.weight "
            "layer1.0.downsample.0.bias fc.weight fc.bias ",
        "nested layers: the names are " + names);
  bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, kMomentum);
  const float first = trainer.step(data.x.data(), data.labels.data(), data.count);
  float last = first;
  for (int step = 0; step < 50; ++step) last = trainer.step(data.x.data(), data.labels.data(), data.count);
  check(last < first / 2,
        "nested layers: the loss went from " + std::to_string(first) + " to " + std::to_string(last));
  const std::string model = folder + "/nested.safetensors";
  bpnet::save(network, model);
  bpnet::Network again = bpnet::load(model);
  check(weights(again) == weights(network) && outputs(again, data) == outputs(network, data),
        "nested layers: the loaded network differs");
  std::remove(model.c_str());
}

// A model's mean image, read back from its description, and the windows cut with it.
void photographs_become_windows() {
  constexpr std::size_t size = 8, crop = 5;
  bpnet::Preprocessing kept;
  kept.classes = {"cat", "dog"};
  kept.image = bpnet::ImageInput{};
  kept.image->crop = crop;
  kept.image->statistics.size = size;
  for (std::size_t i = 0; i < size * size * 3; ++i) kept.image->statistics.mean.push_back(0.1f * float(i));
  const bpnet::Preprocessing read =
      bpnet::Preprocessing::from_json(bpnet::Json::parse(kept.describe().dump()));
  check(read.image && read.image->statistics.mean == kept.image->statistics.mean,
        "the mean image changes on its way through a description");

  const bpnet::ImageAugmenter augmenter = read.image->augmenter();
  std::vector<std::uint8_t> images(2 * size * size * 3);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<std::uint8_t>(i * 7);
  const std::uint64_t row = 1;
  std::vector<float> windows(10 * 3 * crop * crop);
  augmenter.ten_view_batch({images.data(), &row, 1}, windows.data());
  const std::size_t last = (size * size - 1) * 3;  // the bottom right pixel, in the fourth view
  for (std::size_t c = 0; c < 3; ++c) {
    const float wanted = float(images[size * size * 3 + last + c]) - kept.image->statistics.mean[last + c];
    check(windows[(3 * 3 + c + 1) * crop * crop - 1] == wanted, "a window is not photograph less mean image");
  }
}

bpnet::Network image_network() {
  return bpnet::Network(
      {1, 4, 4},
      {bpnet::conv2d(6, {.kernel_size = 3, .padding = {1, 1, 2, 0}}), bpnet::relu(), bpnet::batch_norm2d(),
       bpnet::local_response_norm(3, {.alpha = 0.1, .groups = 2}), bpnet::max_pool2d(2, {.stride = 1}),
       bpnet::conv2d(4, {.kernel_size = {2, 1}, .groups = 2, .bias = false}), bpnet::avg_pool2d({1, 2}),
       bpnet::adaptive_avg_pool2d({2, 1}), bpnet::flatten(), bpnet::dropout(0.1, "test"), bpnet::linear(3)});
}

void image_layers(const std::string& folder) {
  const Data data(64, 16, 3);
  bpnet::Network network = image_network();
  bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, kMomentum);
  for (int step = 0; step < 10; ++step) trainer.step(data.x.data(), data.labels.data(), data.count);
  const std::string model = folder + "/images.safetensors";
  bpnet::save(network, model);
  bpnet::Network again = bpnet::load(model);
  check(weights(again) == weights(network) && outputs(again, data) == outputs(network, data),
        "image layers: the loaded network differs");
  std::remove(model.c_str());
}

// One value per channel: step reports it, step_unchecked must not end the process.
void a_batch_that_cannot_be_learnt_from() {
  bpnet::Network network({4}, {bpnet::linear(3), bpnet::batch_norm1d(), bpnet::linear(2)}, {.seed = 0});
  bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, kMomentum);
  trainer.reserve(8);
  const Data data(8, 4, 2);
  const std::vector<float> before = weights(network);
  check(std::isnan(trainer.step_unchecked(data.x.data(), data.labels.data(), 1)),
        "one value a channel: no NaN");
  check(weights(network) == before, "one value a channel: the weights moved");
  check(std::isfinite(trainer.step_unchecked(data.x.data(), data.labels.data(), 8)),
        "a whole batch: no loss");
}

void check_takes_no_memory(const std::string& which, const std::function<void()>& work) {
  const auto arenas_before = bpnet::arena_allocations();
  const long before = allocations();
  work();
  const long taken = allocations() - before;
  check(bpnet::arena_allocations() == arenas_before, which + " took memory for an arena");
  check(taken == 0, which + " took memory " + std::to_string(taken) + " times");
}

// Steps of several sizes within what was reserved, the network's outputs, and whole epochs after the first.
void check_steps_take_no_memory(const std::string& which, bpnet::Network& network, const Data& data,
                                const bpnet::Optimizer& optimizer) {
  bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, optimizer);
  trainer.reserve(data.count);
  const std::size_t sizes[] = {data.count, 1, data.count / 2 + 1};
  const float* x = data.x.data();
  const std::int64_t* labels = data.labels.data();
  check_takes_no_memory(which + ": step_unchecked", [&] {
    for (const std::size_t batch : sizes) trainer.step_unchecked(x, labels, batch);
  });
  check_takes_no_memory(which + ": step", [&] {
    for (const std::size_t batch : sizes) trainer.step(x, labels, batch);
  });
  std::vector<float> out(data.count * network.output_shape().count());
  check_takes_no_memory(which + ": forward", [&] { network.forward(data.x.data(), data.count, out.data()); });
  const bpnet::Dataset<float> rows = data.dataset(network.output_shape().count());
  const auto epoch = [&](std::size_t batch_size) {
    trainer.run(rows, {.batch_size = batch_size});
    trainer.end_epoch(trainer.epoch_result(data.count).loss);
  };
  epoch(32);
  check_takes_no_memory(which + ": run", [&] { epoch(32); });
}

// Its first layer is large enough for blocks.
void check_online_takes_no_memory(const Data& data) {
  bpnet::Network network({200}, {bpnet::linear(30), bpnet::tanh(), bpnet::linear(10)});
  const bpnet::Sgd plain{.lr = 0.001};
  bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, plain),
      drawing(network, bpnet::CrossEntropy{}, plain);
  // Bytes are converted to float.
  const std::vector<std::uint8_t> bytes(data.x.size(), 1);
  bpnet::DatasetView<float> converted = data.view(10);
  converted.x = bytes.data();
  converted.x_type = bpnet::DataType::kUint8;
  const bpnet::Dataset<float> floats = data.dataset(10);
  for (const bpnet::DatasetView<float>& view : {data.view(10), converted}) {
    const bpnet::Dataset<float> rows(view);
    const auto epoch = [&] {
      trainer.run(rows, {.batch_size = 1});
      trainer.end_epoch(trainer.epoch_result(data.count).loss);
    };
    epoch();
    check_takes_no_memory("run, one sample at a time", epoch);
  }
  drawing.run_draws(floats, 100);
  check_takes_no_memory("run_draws", [&] { drawing.run_draws(floats, 100); });
}

// The layers of this build.
std::vector<bpnet::Threading> layers() {
  using bpnet::Threading;
  std::vector<Threading> found;
  for (const Threading layer : {Threading::openmp, Threading::pool, Threading::serial}) {
    try {
      bpnet::set_threading(layer);
      found.push_back(layer);
    } catch (const bpnet::DeviceError&) {
      continue;
    }
  }
  bpnet::set_threading(Threading::automatic);
  return found;
}

void steps_take_no_memory() {
#ifndef SANITIZED
  check(allocations() > 0, "the program's allocations are not counted");
#endif
  const Data data(64, 16, 3);
  const std::vector<bpnet::Optimizer> optimizers{kMomentum, bpnet::Sgd{}, bpnet::Adam{}, bpnet::AdamW{},
                                                 bpnet::RmsProp{.clip_value = 0.5, .clip_norm = 0.1}};
  for (const bpnet::Optimizer& optimizer : optimizers) {
    bpnet::Network network({16}, {bpnet::linear(8), bpnet::relu(), bpnet::dropout(0.5), bpnet::linear(3)});
    check_steps_take_no_memory("optimizer " + std::to_string(optimizer.index()), network, data, optimizer);
  }
  bpnet::Network nested = nested_network(), images = image_network();
  check_steps_take_no_memory("nested layers", nested, data, kMomentum);
  check_steps_take_no_memory("image layers", images, data, kMomentum);
  const Data wide_data(256, 200, 10);
  check_online_takes_no_memory(wide_data);
  // Wide enough that the work is divided among threads, which do not exist yet.
  bpnet::set_num_threads(4);
  for (const bpnet::Threading layer : layers()) {
    bpnet::set_threading(layer);
    bpnet::Network wide({200}, {bpnet::linear(300), bpnet::tanh(), bpnet::linear(10)});
    check_steps_take_no_memory(std::string("4 threads, ") + name_of(layer), wide, wide_data, kMomentum);
  }
  bpnet::set_threading(bpnet::Threading::automatic);
}

// `automatic` gives up OpenMP's team on a busy machine, in the middle of a step or of a forward. The numbers
// of threads are larger than any before, so that the pool cannot have them yet.
void giving_up_a_team_takes_no_memory() {
  const int before = bpnet::num_threads();
  static int regions = 0;
  bpnet::replace_region_times([](bpnet::Region& region) {
    region = {.work = 1e-4, .wait = 1, .chunks = 8};
    ++regions;
  });
  const auto begin = [](int threads) {
    regions = 0;
    bpnet::set_num_threads(threads);
    bpnet::set_threading(bpnet::Threading::automatic);
    return bpnet::threading() == bpnet::Threading::openmp;
  };
  const auto given_up = [](const char* where) {
    // Five late regions are needed (Waits), of which the reference backend has fewer.
    check(regions < 5 || bpnet::threading() != bpnet::Threading::openmp,
          std::string(where) + ": the team was not given up");
  };
  const Data data(256, 200, 10);
  bpnet::Network network({200}, {bpnet::linear(300), bpnet::tanh(), bpnet::linear(10)});
  std::vector<float> out(data.count * 10);
  const auto forward = [&] { network.forward(data.x.data(), data.count, out.data()); };
  if (begin(5)) {
    forward();
    check_takes_no_memory("forward that gives up its team", [&] {
      for (int i = 0; i < 10; ++i) forward();
    });
    given_up("forward");
  }
  if (begin(6)) {
    bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, kMomentum);
    trainer.reserve(data.count);
    check_takes_no_memory("step that gives up its team", [&] {
      for (int i = 0; i < 10; ++i) trainer.step_unchecked(data.x.data(), data.labels.data(), data.count);
    });
    given_up("step");
  }
  bpnet::replace_region_times(nullptr);
  bpnet::set_threading(bpnet::Threading::automatic);
  bpnet::set_num_threads(before);
}

// Threads that the system refuses are not tried again in every step.
void refused_threads_take_no_memory() {
  const int before = bpnet::num_threads();
  const Data data(256, 200, 10);
  for (const bpnet::Threading layer : layers()) {
    if (layer == bpnet::Threading::serial) continue;
    bpnet::set_threading(layer);
    bpnet::set_num_threads(9);
    bpnet::Network network({200}, {bpnet::linear(300), bpnet::tanh(), bpnet::linear(10)});
    bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, kMomentum);
    trainer.reserve(data.count);
    bpnet::set_num_threads(13 + static_cast<int>(layer));
    if (!refuse_allocation(0)) break;
    trainer.reserve(data.count);  // creates the threads
    check(was_refused(), std::string(name_of(layer)) + ": no thread was refused");
    refuse_allocation(-1);
    check_takes_no_memory(std::string("a step without threads that were refused, ") + name_of(layer), [&] {
      for (int i = 0; i < 3; ++i) trainer.step(data.x.data(), data.labels.data(), data.count);
    });
  }
  bpnet::set_threading(bpnet::Threading::automatic);
  bpnet::set_num_threads(before);
}

// That is, on one thread.
void steps_make_no_system_call() {
  const int before = bpnet::num_threads();
  bpnet::set_num_threads(1);
  const Data data(256, 200, 10);
  bpnet::Network network({200}, {bpnet::linear(300), bpnet::relu(), bpnet::dropout(0.5), bpnet::linear(10)});
  bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, bpnet::Adam{});
  trainer.reserve(data.count);
  const auto work = [&] {
    for (int i = 0; i < 3; ++i) trainer.step_unchecked(data.x.data(), data.labels.data(), data.count);
  };
  check(system_calls_of(work) != SystemCalls::kSome, "step_unchecked on one thread makes a system call");
  const auto call = [] { std::this_thread::yield(); };
  check(system_calls_of(call) != SystemCalls::kNone, "a system call was not seen");
  bpnet::set_num_threads(before);
}

// Wide enough that the work is divided among threads.
std::vector<float> train_wide(const Data& data) {
  bpnet::Network network({200}, {bpnet::linear(300), bpnet::gelu(), bpnet::dropout(0.2), bpnet::linear(10)});
  bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, bpnet::Adam{});
  trainer.run(data.dataset(10), {.batch_size = 250});
  std::vector<float> all = weights(network);
  const std::vector<float> out = outputs(network, data);
  all.insert(all.end(), out.begin(), out.end());
  return all;
}

void same_bits_for_every_thread_count() {
  const Data data(1000, 200, 10);
  const int before = bpnet::num_threads();
  bpnet::set_num_threads(1);
  const std::vector<float> alone = train_wide(data);
  bpnet::set_num_threads(3);
  check(bpnet::num_threads() == (bpnet::has_threads() ? 3 : 1),
        "set_num_threads: 3 was asked, num_threads() is " + std::to_string(bpnet::num_threads()));
  for (const bpnet::Threading layer : layers()) {
    const std::string name = name_of(layer);
    bpnet::set_threading(layer);
    check(bpnet::threading() == layer, name + ": is not in use");
    check(train_wide(data) == alone, name + ": 1 and 3 threads give other bits");

    // Networks of different threads share nothing that one of them writes.
    std::vector<float> results[2];
    std::thread other([&] { results[1] = train_wide(data); });
    results[0] = train_wide(data);
    other.join();
    check(results[0] == alone && results[1] == alone, name + ": two networks in two threads give other bits");
  }
  bpnet::set_threading(bpnet::Threading::automatic);
  bpnet::set_num_threads(before);
}

// While the rate warms up every draw has a separate rate, however the calls are divided.
void draws_follow_the_warm_up() {
  const Data data(50, 6, 3);
  std::vector<float> results[2];
  for (const std::uint64_t draws : {std::uint64_t{100}, std::uint64_t{1}}) {
    bpnet::Network network({6}, {bpnet::linear(5), bpnet::tanh(), bpnet::linear(3)});
    bpnet::TrainerOptions warming;
    warming.schedule.warmup_steps = 80;
    bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, bpnet::Adam{}, warming);
    for (std::uint64_t done = 0; done < 100; done += draws) trainer.run_draws(data.dataset(3), draws);
    const float* first = network.parameter_data();
    results[draws == 1].assign(first, first + network.plan().parameter_size);
  }
  check(results[0] == results[1], "run_draws: one call and a hundred give other weights");
}

// The message of the Kind that action throws, or what happened instead.
template <class Kind, class Action>
std::string message_of(const Action& action) {
  try {
    action();
  } catch (const Kind& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("another kind of error: ") + error.what();
  }
  return "no error";
}

void expect_message(const std::string& message, const std::string& expected) {
  check(message.find(expected) != std::string::npos,
        "the message is '" + message + "', one with '" + expected + "' was expected");
}

// The clock decides when to check; here each check is counted instead.
void work_is_interrupted() {
  const Data data(256, 16, 3);
  bpnet::Network network = small_network();
  bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, kMomentum);
  const std::vector<float> before = weights(network);
  network.interrupted = [] { return true; };
  const auto stops = [&] {
    try {
      network.forward_training(data.x.data(), data.count, {});
    } catch (const bpnet::Interrupted&) {
      return true;
    }
    return false;
  };
  bpnet::replace_question_clock([] { return false; });
  check(!stops(), "a call that was not asked was interrupted");
  bpnet::replace_question_clock([] { return true; });
  check(stops(), "a call that was asked was not interrupted");
  expect_message(
      message_of<bpnet::Interrupted>([&] { trainer.step(data.x.data(), data.labels.data(), data.count); }),
      "the work was interrupted before its end");
  check(weights(network) == before, "an interrupted step has changed the weights");
  bpnet::replace_question_clock(nullptr);
}

void errors_are_exceptions(const std::string& folder) {
  const Data data(4, 16, 3);
  bpnet::Network network = small_network();
  bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, bpnet::Sgd{});

  expect_message(message_of<bpnet::ShapeError>([] { bpnet::Network({3, 32, 32}, {bpnet::linear(10)}); }),
                 "linear: input has shape (3, 32, 32), a flat one like (features,) is needed");
  expect_message(message_of<bpnet::ShapeError>([&] { network.set_state("0.bias", {9}, data.x.data()); }),
                 "'0.bias' has shape (9,), the network's has (8,)");
  expect_message(message_of<bpnet::ShapeError>([&] { trainer.step(data.x.data(), data.labels.data(), 0); }),
                 "step: the batch has 0 samples");
  const bpnet::Dataset<float> rows = data.dataset(3);
  expect_message(message_of<bpnet::ValueError>([&] { trainer.run(rows, {.batch_size = 0}); }),
                 "training: batch_size is 0, at least 1 is needed");
  expect_message(message_of<bpnet::ValueError>([&] { trainer.run(rows, {.online_block = 1025}); }),
                 "training: online_block is 1025, at most 1024 is possible");
  expect_message(message_of<bpnet::ValueError>([&] { trainer.run_draws(rows, 1, 1.0, 1025); }),
                 "run_draws: online_block is 1025, at most 1024 is possible");
  bpnet::DatasetView<float> narrow = data.view(3);
  narrow.features = 15;
  expect_message(message_of<bpnet::ShapeError>([&] { trainer.run(bpnet::Dataset<float>(narrow), {}); }),
                 "training: the data has 15 features, the network expects 16");
  const std::vector<std::int64_t> wrong{0, 1, 3, 0};
  expect_message(message_of<bpnet::ValueError>([&] { trainer.step(data.x.data(), wrong.data(), 4); }),
                 "cross_entropy: the label in row 2 is 3, the network has classes 0 to 2");
  expect_message(message_of<bpnet::ValueError>([] { bpnet::set_num_threads(0); }),
                 "set_num_threads: 0 threads asked, at least 1 needed");
  std::vector<float> bad = data.x;
  bad[2 * 16 + 5] = NAN;
  const std::vector<float> before = weights(network);
  expect_message(message_of<bpnet::NumericError>([&] { trainer.step(bad.data(), data.labels.data(), 4); }),
                 "step: x has NaN or infinity in row 2");
  check(weights(network) == before, "a step that threw has changed the weights");
  const auto make_on = [](const bpnet::Where& where) {
    return [where] { bpnet::Network({2}, {bpnet::linear(1)}, {.seed = 1, .where = where}); };
  };
  expect_message(message_of<bpnet::DeviceError>(make_on({.backend = "abacus"})),
                 "'abacus' is not one of those that run on this processor: ");
  expect_message(message_of<bpnet::ValueError>(make_on({.device = "gpu"})),
                 "device: 'gpu' is unknown; give 'cpu', 'cuda', or 'cuda:1'");
  expect_message(message_of<bpnet::ValueError>(make_on({.backend = "reference", .device = "cuda"})),
                 "backend: 'reference' is one of the processor's, device is 'cuda'; give one of the two");
  expect_message(message_of<bpnet::ValueError>(make_on({.precision = bpnet::Precision::kTf32})),
                 "precision: 'tf32' is for a GPU");
  check(bpnet::devices().front() == "cpu", "the processor is not the first device");
  expect_message(message_of<bpnet::FileError>([&] { bpnet::load(folder + "/not there.safetensors"); }),
                 "not there.safetensors");
}

}  // namespace

int main(int count, char** arguments) {
  const std::string folder = count > 1 ? arguments[1] : ".";
  try {
    train_and_save(folder);
    nested_layers(folder);
    photographs_become_windows();
    a_batch_that_cannot_be_learnt_from();
    image_layers(folder);
    steps_take_no_memory();
    giving_up_a_team_takes_no_memory();
    refused_threads_take_no_memory();
    steps_make_no_system_call();
    same_bits_for_every_thread_count();
    draws_follow_the_warm_up();
    work_is_interrupted();
    errors_are_exceptions(folder);
  } catch (const std::exception& error) {
    check(false, std::string("an exception got out: ") + error.what());
  }
  if (failures) return 1;
  std::printf("ok\n");
  return 0;
}
