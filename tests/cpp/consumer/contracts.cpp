// What the headers promise about errors: a batch beyond the reserve, another network's snapshot, a run that
// fits only in part, a failed allocation. Prints "ok" and returns 0, or each promise that did not hold and 1.
//
// Usage: contracts [folder for its files]
#include <bpnet/bpnet.h>
#include <bpnet/core/text.h>
#include <bpnet/io/safetensors.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "allocations.h"

namespace {

namespace fs = std::filesystem;

int failures = 0;

void check(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("failed: %s\n", what.c_str());
  ++failures;
}

template <class Kind, class Action>
void expect(const Action& action, const std::string& message, const std::string& what) {
  try {
    action();
  } catch (const Kind& error) {
    const std::string text = error.what();
    check(text.find(message) != std::string::npos, what + ": the message is '" + text + "'");
    return;
  } catch (const std::exception& error) {
    check(false, what + ": another kind of error: " + error.what());
    return;
  }
  check(false, what + ": no error");
}

std::vector<float> ramp(std::size_t count) {
  std::vector<float> numbers(count);
  for (std::size_t i = 0; i < count; ++i)
    numbers[i] = static_cast<float>(i * 2654435761u >> 16 & 1023) / 512 - 1;
  return numbers;
}

std::vector<float> numbers_of(bpnet::Network& network) {
  std::vector<float> all;
  for (const auto& item : network.state()) {
    all.insert(all.end(), item.tensor.data, item.tensor.data + item.tensor.count());
  }
  return all;
}

constexpr std::size_t kFeatures = 16, kClasses = 4, kMost = 10000;

struct Rows {
  std::vector<float> x = ramp(kFeatures * kMost);
  std::vector<std::int64_t> labels = std::vector<std::int64_t>(kMost, 1);

  bpnet::DatasetView<float> view(std::size_t count) const {
    return {
        .x = x.data(), .features = kFeatures, .count = count, .outputs = kClasses, .labels = labels.data()};
  }
};

// A chain in one kernel, and one layer by layer.
std::vector<bpnet::Network> networks() {
  using namespace bpnet;
  std::vector<Network> all;
  all.emplace_back(Shape{kFeatures}, std::vector{linear(32), relu(), linear(kClasses)},
                   NetworkOptions{.seed = 1});
  all.emplace_back(Shape{kFeatures}, std::vector{linear(32), batch_norm1d(), relu(), linear(kClasses)},
                   NetworkOptions{.seed = 1});
  return all;
}

const bpnet::Sgd kMomentum{.lr = 0.1, .momentum = 0.9};

void a_batch_beyond_the_reserve(const Rows& rows) {
  for (bpnet::Network& network : networks()) {
    bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, kMomentum);
    const auto changes_nothing = [&](std::size_t batch, const char* what) {
      const std::vector<float> before = numbers_of(network);
      const bpnet::TrainerState state = trainer.state();
      const float loss = trainer.step_unchecked(rows.x.data(), rows.labels.data(), batch);
      check(std::isnan(loss), std::string(what) + ": no NaN");
      check(numbers_of(network) == before && trainer.state().step == state.step &&
                trainer.state().loss_sum == state.loss_sum,
            std::string(what) + ": something changed");
    };
    changes_nothing(8, "step_unchecked without reserve");
    trainer.reserve(64);
    changes_nothing(65, "step_unchecked beyond the reserve");
    changes_nothing(kMost, "step_unchecked far beyond the reserve");
    changes_nothing(0, "step_unchecked of nothing");
    check(std::isfinite(trainer.step_unchecked(rows.x.data(), rows.labels.data(), 64)),
          "the reserve: no loss");
    check(trainer.state().step == 1, "the reserve: the step was not counted");
  }
}

void a_reservation_survives(const Rows& rows) {
  std::vector<float> out(kMost * kClasses);
  for (bpnet::Network& network : networks()) {
    bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, kMomentum);
    trainer.reserve(8);
    network.forward(rows.x.data(), kMost, out.data());
    const long before = allocations();
    const float loss = trainer.step_unchecked(rows.x.data(), rows.labels.data(), 8);
    const long taken = allocations() - before;
    check(taken == 0, "a step after a large forward took memory");
    check(std::isfinite(loss) && trainer.state().step == 1, "a step after a large forward did not happen");
  }
}

void unchecked_steps_count(const Rows& rows) {
  for (bpnet::Network& network : networks()) {
    bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, kMomentum);
    trainer.reserve(8);
    trainer.begin_epoch();
    const float first = trainer.step_unchecked(rows.x.data(), rows.labels.data(), 8);
    const float second = trainer.step_unchecked(rows.x.data(), rows.labels.data(), 4);
    const double expected = (8 * double(first) + 4 * double(second)) / 12;
    check(std::fabs(trainer.epoch_result(12).loss - expected) < 1e-6 * expected,
          "step_unchecked does not count in the epoch's loss");
    std::vector<float> bad(rows.x.begin(), rows.x.begin() + 8 * kFeatures);
    bad[3] = NAN;
    check(std::isnan(trainer.step_unchecked(bad.data(), rows.labels.data(), 8)), "NaN: no NaN");
    check(trainer.state().step == 3, "a step whose loss is NaN is not counted");
  }
}

void labels_are_checked_copies(Rows rows) {
  const auto train = [&](const std::function<void()>& meanwhile) {
    bpnet::Network network = std::move(networks()[0]);
    bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, kMomentum);
    const bpnet::Dataset<float> data(rows.view(100));
    meanwhile();
    for (const std::size_t batch : {std::size_t{10}, std::size_t{1}}) {
      trainer.run(data, {.batch_size = batch});
      trainer.end_epoch(0);
    }
    bpnet::evaluate(network, bpnet::CrossEntropy{}, data, 0, 100);
    return numbers_of(network);
  };
  const std::vector<float> straight = train([] {});
  check(train([&] { std::fill(rows.labels.begin(), rows.labels.end(), 1 << 30); }) == straight,
        "labels that change during a training are used");
  rows.labels[7] = kClasses;
  expect<bpnet::ValueError>([&] { bpnet::Dataset<float> data(rows.view(100)); },
                            "the label in row 0 is 1073741824, the network has classes 0 to 3", "labels");
}

void an_epoch_has_an_end(const Rows& rows) {
  bpnet::Network network = std::move(networks()[0]);
  bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, kMomentum);
  const bpnet::Dataset<float> ten(rows.view(10)), nine(rows.view(9));
  check(trainer.run(ten, {.batch_size = 5}), "run: the epoch does not end");
  expect<bpnet::ValueError>([&] { trainer.run(ten, {.batch_size = 5}); }, "call end_epoch()",
                            "run after the epoch's end");
  expect<bpnet::ShapeError>([&] { trainer.run(nine, {.batch_size = 5}); },
                            "the run is after 10 samples of an epoch, the data has 9", "run beyond the data");
  trainer.end_epoch(0);
  check(trainer.run(nine, {.batch_size = 5}) && trainer.state().epoch == 1, "run: no second epoch");
}

void snapshots_of_others(const Rows& rows) {
  std::vector<bpnet::Network> all = networks();
  bpnet::Trainer small(all[0], bpnet::CrossEntropy{}, bpnet::Sgd{}),
      large(all[1], bpnet::CrossEntropy{}, kMomentum);
  small.step(rows.x.data(), rows.labels.data(), 4);
  const std::vector<float> before = numbers_of(all[0]);
  const auto snapshot = large.snapshot();
  expect<bpnet::ShapeError>([&] { small.restore(snapshot); }, "restore: the snapshot has",
                            "another's snapshot");
  check(numbers_of(all[0]) == before && small.state().step == 1, "another's snapshot: something changed");
}

// Restored and loaded statistics are kept, whatever an interrupted backward would undo.
void restored_statistics_stay(const Rows& rows, const std::string& folder) {
  const std::string path = folder + "/contracts_run.safetensors";
  bpnet::Network network = std::move(networks()[1]);
  bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, kMomentum);
  trainer.step(rows.x.data(), rows.labels.data(), 32);
  trainer.save(path);
  const auto snapshot = trainer.snapshot();
  const std::vector<float> kept = numbers_of(network);
  const std::vector<float> gradient(8 * kClasses, 1.0f);
  const std::function<void()> ways[] = {[&] { trainer.restore(snapshot); },
                                        [&] { bpnet::Trainer::load(network, path); }};
  for (const auto& way : ways) {
    network.forward_training(rows.x.data(), 32, {});
    network.forward_training(rows.x.data(), 8, {});
    way();
    network.interrupted = [] { return true; };
    try {
      network.backward(gradient.data());
    } catch (const bpnet::Error&) {
    }
    network.interrupted = {};
    check(numbers_of(network) == kept, "an interrupted backward puts old statistics back");
  }
  std::remove(path.c_str());
}

void a_run_that_fits_in_part(const std::string& folder) {
  const std::string path = folder + "/contracts_part.safetensors";
  using namespace bpnet;
  Network wide({4}, {linear(5), bpnet::tanh(), linear(3)}, {.seed = 1});
  Network narrow({4}, {linear(5), bpnet::tanh(), linear(2)}, {.seed = 2});
  Trainer trainer(wide, Mse{}, kMomentum);
  trainer.notes = "{\"mine\": 1}";
  trainer.save(path);
  const std::vector<float> before = numbers_of(narrow);
  expect<FileFormatError>([&] { Trainer::load(narrow, path); }, "'2.weight'", "a run of another network");
  check(numbers_of(narrow) == before, "a run of another network: something was overwritten");

  // Python's notes in the run are kept when a C++ program continues it.
  Network again({4}, {linear(5), bpnet::tanh(), linear(3)}, {.seed = 3});
  Trainer on = Trainer::load(again, path);
  on.save(path);
  check(Trainer::load(again, path).notes == "{\"mine\": 1}", "a run that went on has lost its notes");
  std::remove(path.c_str());
}

std::size_t files_in(const std::string& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

std::size_t open_files() {
  const fs::path mine = "/proc/self/fd";
  return fs::exists(mine) ? files_in(mine.string()) : 0;
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// action() with each of its allocations failing in turn, until there are no more; it may throw bad_alloc, or
// report that the system has no memory. Checks that there were `least`.
void refuse_each(const std::string& what, long least, const std::function<void()>& action,
                 const std::function<void(bool thrown)>& afterwards) {
  for (long k = 0; k < 100000; ++k) {
    bool thrown = false;
    std::string wrong;
    if (!refuse_allocation(k)) return;
    try {
      action();
    } catch (const std::bad_alloc&) {
      thrown = true;
    } catch (const bpnet::FileError& error) {
      thrown = true;
      if (error.code() != ENOMEM) wrong = error.what();
    } catch (const std::exception& error) {
      thrown = true;
      wrong = error.what();
    }
    const bool refused = was_refused();
    refuse_allocation(-1);
    check(wrong.empty(), what + ": a refused allocation came out as '" + wrong + "'");
    afterwards(thrown);
    if (refused) continue;
    check(k >= least, what + ": only " + std::to_string(k) + " allocations were refused");
    return;
  }
  check(false, what + ": there is no end to its allocations");
}

void refused_memory(const Rows& rows, const std::string& folder) {
  using namespace bpnet;
  const std::string within = folder + "/contracts_memory", path = within + "/run";
  fs::create_directories(within);
  Network network({12}, {linear(20), batch_norm1d(), leaky_relu(0.2), dropout(0.3), linear(3)}, {.seed = 1});
  network.preprocessing = Json::Object{{"numbers", Json::Array{0.1, 1e-300, std::int64_t{7}, "text"}}};
  Trainer trainer(network, Mse{}, Adam{.lr = 0.00123, .epsilon = 1.0000000000000001e-05});
  const std::vector<float> y(8 * 3, 0.1f);
  trainer.step(rows.x.data(), y.data(), 8);
  trainer.save(path);
  const std::string whole = bytes_of(path);
  const std::size_t open_before = open_files();

  refuse_each(
      "save", 10, [&] { trainer.save(path); },
      [&](bool) { check(bytes_of(path) == whole, "save: the file has other bytes"); });
  check(files_in(within) == 1, "save: a temporary file stays");
  refuse_each("load", 10, [&] { load(path); }, [](bool) {});
  Network other = load(path);
  const std::vector<float> before = numbers_of(other);
  refuse_each(
      "Trainer::load", 10, [&] { Trainer::load(other, path); },
      [&](bool) { check(numbers_of(other) == before, "Trainer::load: the network has changed"); });
  const Json description = network.describe();
  const std::string written = description.dump();
  refuse_each(
      "a copy of JSON", 10, [&] { const Json copy = description; },
      [&](bool) { check(description.dump() == written, "a copy of JSON changed the original"); });
  check(open_files() == open_before, "files stay open");
  fs::remove_all(within);
}

// The work continues with the existing threads. This test runs first: later none need be started.
void refused_threads(const Rows& rows) {
  using namespace bpnet;
  const int before = num_threads();
  set_num_threads(1);
  Network network({kFeatures}, {linear(300), relu(), linear(kClasses)}, {.seed = 1});
  std::vector<float> alone(256 * kClasses), out(alone.size());
  network.forward(rows.x.data(), 256, alone.data());
  const bool starts_threads =
      threading() != Threading::serial && network.backend().name != std::string("reference");
  for (int threads = 2; threads < 8; ++threads) {
    set_num_threads(threads);
    const bool can_refuse = refuse_allocation(0) && starts_threads;
    network.forward(rows.x.data(), 256, out.data());
    const bool refused = was_refused();
    refuse_allocation(-1);
    check(refused || !can_refuse, "no thread was to be started");
    check(out == alone, "where no thread could be started the outputs are others");
  }
  set_num_threads(before);
}

// A failed reservation leaves the one before, but keeps what it allocated until then; so each one uses a new
// network.
void refused_reservations(const Rows& rows) {
  using namespace bpnet;
  struct Reserved {
    Network network{{kFeatures}, {linear(300), relu(), linear(kClasses)}, {.seed = 1}};
    Trainer trainer{network, CrossEntropy{}, kMomentum};
    Reserved() { trainer.reserve(16); }
  };
  auto reserved = std::make_unique<Reserved>();
  refuse_each(
      "reserve", 10, [&] { reserved->trainer.reserve(kMost); },
      [&](bool thrown) {
        if (thrown) {
          const float loss = reserved->trainer.step_unchecked(rows.x.data(), rows.labels.data(), 16);
          check(std::isfinite(loss) && reserved->trainer.state().step == 1,
                "a refused reserve dropped the one before");
        }
        reserved = std::make_unique<Reserved>();
      });
}

void numbers_have_no_letters() {
  double value = 7;
  for (const char* text : {"inf", "-inf", "infinity", "nan", "-nan", "nan(abc)", "INF", "+1", " 1", "1 ", "",
                           "-", ".", "0x10", "1e", "1e400"}) {
    check(!bpnet::parse_double(text, value), std::string("'") + text + "' is taken for a number");
  }
  for (const auto& [text, number] : {std::pair{"1.", 1.0}, {".5", 0.5}, {"-1E+2", -100.0}, {"1e-400", 0.0}}) {
    check(bpnet::parse_double(text, value) && value == number, std::string("'") + text + "' is no number");
  }
}

void data_without_features_or_outputs(const Rows& rows) {
  bpnet::DatasetView<float> view = rows.view(4);
  view.features = 0;
  expect<bpnet::ShapeError>([&] { bpnet::Dataset<float> data(view); },
                            "dataset: x has 0 features, at least 1 is needed", "no features");
  view = rows.view(4);
  view.outputs = 0;
  expect<bpnet::ShapeError>([&] { bpnet::Dataset<float> data(view); }, "dataset: y has 0 outputs",
                            "no classes");
}

// In bfloat16 the second inference rounds the weights to keep them, if there is memory.
void weights_that_cannot_be_kept_are_used(const Rows& rows) {
  using namespace bpnet;
  if (!refuse_allocation(-1)) return;
  constexpr std::size_t kRows = 8;
  const Where where{.backend = backends(Precision::kBfloat16).front(), .precision = Precision::kBfloat16};
  const auto make = [&] {
    return Network({kFeatures}, {linear(256), dropout(0.5), linear(256), dropout(0.5), linear(kClasses)},
                   {.seed = 1, .where = where});
  };
  Network usual = make(), without = make();
  std::vector<float> expected(kRows * kClasses), out(kRows * kClasses);
  usual.forward(rows.x.data(), kRows, expected.data());
  without.forward(rows.x.data(), kRows, out.data());
  for (int i = 0; i < 3; ++i) {
    std::fill(out.begin(), out.end(), 0.0f);
    refuse_allocation(0);
    without.forward(rows.x.data(), kRows, out.data());
    const bool asked = was_refused();
    refuse_allocation(-1);
    check(asked == (i == 0), "weights to be kept: asked for memory again, or never");
    check(out == expected, "weights to be kept: without memory for them the outputs are others");
  }
}

void what_is_no_file_is_not_read() {
#ifndef _WIN32
  expect<bpnet::FileError>([] { bpnet::load("/dev/zero"); }, "/dev/zero", "a device");
#endif
}

}  // namespace

int main(int count, char** arguments) {
  const std::string folder = count > 1 ? arguments[1] : ".";
  const Rows rows;
  try {
    refused_threads(rows);
    a_batch_beyond_the_reserve(rows);
    a_reservation_survives(rows);
    unchecked_steps_count(rows);
    labels_are_checked_copies(rows);
    an_epoch_has_an_end(rows);
    snapshots_of_others(rows);
    restored_statistics_stay(rows, folder);
    a_run_that_fits_in_part(folder);
    refused_memory(rows, folder);
    refused_reservations(rows);
    numbers_have_no_letters();
    data_without_features_or_outputs(rows);
    weights_that_cannot_be_kept_are_used(rows);
    what_is_no_file_is_not_read();
  } catch (const std::exception& error) {
    check(false, std::string("an exception got out: ") + error.what());
  }
  if (failures) return 1;
  std::printf("ok\n");
  return 0;
}
