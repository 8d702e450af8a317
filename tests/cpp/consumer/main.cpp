// An application that uses bpnet as a stranger's would, and checks what the headers promise: training,
// files, a resumed run, steps that take no memory, the same bits for every number of threads, and errors
// that are exceptions. Prints "ok" and returns 0, or prints each check that failed and returns 1.
//
// Usage: consumer [folder for its files]
#include <bpnet/bpnet.h>
#include <bpnet/core/arena.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

#ifdef _WIN32
#include <malloc.h>  // _aligned_malloc
#endif

// Counts every operator new of the program: the array and nothrow forms call these two. A sanitizer
// brings its own.
static std::atomic<long> news{0};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED

// Not inlined: GCC would see malloc answered by delete, or new by free, and warn.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++news;
  if (void* memory = std::malloc(bytes ? bytes : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  ++news;
  const std::size_t align = static_cast<std::size_t>(alignment);
#ifdef _WIN32
  void* memory = _aligned_malloc(bytes ? bytes : 1, align);
#else
  void* memory = std::aligned_alloc(align, (bytes + align) / align * align);
#endif
  if (memory) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
#ifdef _WIN32
  _aligned_free(memory);
#else
  std::free(memory);
#endif
}
void operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
  operator delete(memory, alignment);
}

#endif

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
    std::mt19937 generator(7);  // whose numbers are the same in every standard library
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

  bpnet::Dataset<float> dataset(std::size_t classes) const {
    bpnet::Dataset<float> view;
    view.x = x.data();
    view.features = features;
    view.count = count;
    view.outputs = classes;
    view.labels = labels.data();
    return view;
  }
};

bpnet::Network small_network() {
  return bpnet::Network({16}, {bpnet::linear(8), bpnet::tanh(), bpnet::linear(3)}, {.seed = 3});
}

const bpnet::Sgd kMomentum{.learning_rate = 0.1, .momentum = 0.9};

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

  // A run saved amid an epoch, its trainer and network thrown away, goes on as if nothing had happened.
  const std::string run = folder + "/consumer_run.safetensors";
  bpnet::Network other = small_network();
  std::string notes;
  {
    bpnet::Trainer before(other, bpnet::CrossEntropy{}, kMomentum);
    before.run(data.dataset(3), {.batch_size = kBatch});
    before.end_epoch(before.epoch_result(data.count).loss);
    before.run(data.dataset(3), {.batch_size = kBatch, .seconds = 0});
    check(before.state().position == kBatch, "run: seconds = 0 did not stop after one batch");
    before.save(run, "half an epoch");
    before.run(data.dataset(3), {.batch_size = kBatch});
    before.end_epoch(before.epoch_result(data.count).loss);
    before.run(data.dataset(3), {.batch_size = kBatch});
  }
  bpnet::Network resumed = bpnet::load(run);
  bpnet::Trainer after = bpnet::Trainer::load(resumed, run, &notes);
  check(notes == "half an epoch", "Trainer::load: the notes are '" + notes + "'");
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

// Steps of several sizes within what was reserved.
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
  const std::size_t last = (size * size - 1) * 3;  // the pixel at the bottom right, in the fourth view
  for (std::size_t c = 0; c < 3; ++c) {
    const float wanted = float(images[size * size * 3 + last + c]) - kept.image->statistics.mean[last + c];
    check(windows[(3 * 3 + c + 1) * crop * crop - 1] == wanted, "a window is not photograph less mean image");
  }
}

void check_steps_take_no_memory(const std::string& which, bpnet::Network& network, const Data& data,
                                const bpnet::Optimizer& optimizer) {
  bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, optimizer);
  trainer.reserve(data.count);
  const auto arenas_before = bpnet::arena_allocations();
  const long news_before = news;
  for (const std::size_t batch : {data.count, std::size_t{1}, data.count / 2 + 1}) {
    trainer.step_unchecked(data.x.data(), data.labels.data(), batch);
  }
  const long taken = news - news_before;
  check(bpnet::arena_allocations() == arenas_before, which + ": step_unchecked took memory for an arena");
  check(taken == 0, which + ": step_unchecked called operator new " + std::to_string(taken) + " times");
}

void steps_take_no_memory() {
#ifndef SANITIZED
  check(news > 0, "operator new is not counted");
#endif
  const Data data(64, 16, 3);
  const std::vector<bpnet::Optimizer> optimizers{kMomentum, bpnet::Sgd{}, bpnet::Adam{}, bpnet::AdamW{},
                                                 bpnet::RmsProp{}};
  for (const bpnet::Optimizer& optimizer : optimizers) {
    bpnet::Network network({16}, {bpnet::linear(8), bpnet::relu(), bpnet::dropout(0.5), bpnet::linear(3)});
    check_steps_take_no_memory("optimizer " + std::to_string(optimizer.index()), network, data, optimizer);
  }
  bpnet::Network nested = nested_network();
  check_steps_take_no_memory("nested layers", nested, data, kMomentum);
  // Wide enough that the work is shared out, by threads that are not there yet.
  bpnet::set_num_threads(4);
  const Data wide_data(256, 200, 10);
  bpnet::Network wide({200}, {bpnet::linear(300), bpnet::tanh(), bpnet::linear(10)});
  check_steps_take_no_memory("4 threads", wide, wide_data, kMomentum);
}

// Wide enough that the work is shared out.
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
  check(train_wide(data) == alone, "threads: 1 and 3 give other bits");

  // Networks of different threads share nothing that one of them writes.
  std::vector<float> results[2];
  std::thread other([&] { results[1] = train_wide(data); });
  results[0] = train_wide(data);
  other.join();
  check(results[0] == alone && results[1] == alone, "two networks in two threads give other bits");
  bpnet::set_num_threads(before);
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

void errors_are_exceptions(const std::string& folder) {
  const Data data(4, 16, 3);
  bpnet::Network network = small_network();
  bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, bpnet::Sgd{});

  expect_message(message_of<bpnet::ShapeError>([] {
                   bpnet::Network({3, 32, 32}, {bpnet::linear(10)});
                 }),
                 "linear: input has shape (3, 32, 32), a flat one like (features,) is needed");
  expect_message(message_of<bpnet::ShapeError>([&] { network.set_state("0.bias", {9}, data.x.data()); }),
                 "'0.bias' has shape (9,), the network's has (8,)");
  expect_message(message_of<bpnet::ShapeError>([&] { trainer.step(data.x.data(), data.labels.data(), 0); }),
                 "step: the batch has 0 samples");
  bpnet::Dataset<float> rows{
      .x = data.x.data(), .features = 16, .count = 4, .outputs = 3, .labels = data.labels.data()};
  expect_message(message_of<bpnet::ValueError>([&] { trainer.run(rows, {.batch_size = 0}); }),
                 "training: batch_size is 0, at least 1 is needed");
  rows.features = 15;
  expect_message(message_of<bpnet::ShapeError>([&] { trainer.run(rows, {}); }),
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
  expect_message(
      message_of<bpnet::DeviceError>([] { bpnet::Network({2}, {bpnet::linear(1)}, {.backend = "abacus"}); }),
      "'abacus' is not one of those that run on this processor: ");
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
    steps_take_no_memory();
    same_bits_for_every_thread_count();
    errors_are_exceptions(folder);
  } catch (const std::exception& error) {
    check(false, std::string("an exception got out: ") + error.what());
  }
  if (failures) return 1;
  std::printf("ok\n");
  return 0;
}
