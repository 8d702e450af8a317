// Steps that several trainers make together, by the application's reduction. Prints "ok" and returns 0, or
// what failed and 1.
#include <bpnet/bpnet.h>

#include <barrier>
#include <cmath>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "allocations.h"

namespace {

int failures = 0;

void check(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("failed: %s\n", what.c_str());
  ++failures;
}

constexpr std::size_t kRows = 24, kFeatures = 6, kClasses = 3;

struct Data {
  std::vector<double> x;
  std::vector<std::int64_t> labels;
};

Data data() {
  Data made;
  for (std::size_t i = 0; i < kRows * kFeatures; ++i) {
    made.x.push_back(double(i * 2654435761u >> 16 & 1023) / 512 - 1);
  }
  for (std::size_t r = 0; r < kRows; ++r) made.labels.push_back(std::int64_t(r * 7 % kClasses));
  return made;
}

bpnet::NetworkF64 network() {
  using namespace bpnet;
  return {{kFeatures},
          {linear(9).named("first"), bpnet::tanh(), dropout(0.3),
           parallel({sequential({}), linear(4)}, "concat").named("branches"), linear(kClasses)},
          {.seed = 4}};
}

std::vector<double> weights(bpnet::NetworkF64& net) {
  std::vector<double> all;
  for (const auto& item : net.state()) {
    all.insert(all.end(), item.tensor.data, item.tensor.data + item.tensor.count());
  }
  return all;
}

// Records the calls, and whether the first layer's gradient has been computed by then.
struct Log {
  const double* first_gradient;
  double untouched;
  char events[64] = {};
  std::size_t count = 0;

  void add(char event) {
    if (count < sizeof events - 1) events[count++] = event;
  }
  static void number(void* self, const char* name, double*) { static_cast<Log*>(self)->add(name[0]); }
  static void gradient(void* self, const char* layer, double*, std::size_t) {
    Log& log = *static_cast<Log*>(self);
    log.add(layer[0]);
    log.add(*log.first_gradient == log.untouched ? '-' : '+');
  }
};

void calls_come_as_backward_goes() {
  const Data d = data();
  bpnet::NetworkF64 net = network();
  bpnet::TrainerF64 trainer(net, bpnet::CrossEntropy{}, bpnet::Sgd{0.1, 0.9});
  double* const first = net.gradients()[0].tensor.data;
  *first = -77;
  Log log{first, -77};
  trainer.set_reducer({&Log::number, &Log::gradient, &log});
  trainer.reserve(kRows);
  const auto arenas = bpnet::arena_allocations();
  const long before = allocations();
  trainer.step_unchecked(d.x.data(), d.labels.data(), kRows);
  const bool took = allocations() != before || bpnet::arena_allocations() != arenas;
  check(!took, "a step with a reducer takes memory");
  // weight_sum, loss, then "4", "branches.1", "first": before the last, the first layer's gradient is
  // untouched.
  check(std::string(log.events) == "wl4-b-f+", std::string("the calls were ") + log.events);
  trainer.set_reducer({});
  const std::size_t calls = log.count;
  trainer.step(d.x.data(), d.labels.data(), kRows);
  check(log.count == calls, "a reducer that was taken away is called");
}

// Sums over two trainers, in their order.
struct Exchange {
  std::barrier<> meet{2};
  const double* brought[2] = {};
};

struct Member {
  Exchange& exchange;
  int rank;
  std::size_t begin;
  std::vector<double> copy = {};

  void sum(double* values, std::size_t count) {
    copy.assign(values, values + count);
    exchange.brought[rank] = copy.data();
    exchange.meet.arrive_and_wait();
    for (std::size_t i = 0; i < count; ++i) values[i] = exchange.brought[0][i] + exchange.brought[1][i];
    exchange.meet.arrive_and_wait();
  }
  static std::uint64_t first_row(void* self, std::size_t) { return static_cast<Member*>(self)->begin; }
  static void number(void* self, const char*, double* value) { static_cast<Member*>(self)->sum(value, 1); }
  static void gradient(void* self, const char*, double* values, std::size_t count) {
    static_cast<Member*>(self)->sum(values, count);
  }
};

void halves_take_the_steps_of_the_whole(std::size_t cut) {
  const Data d = data();
  bpnet::NetworkF64 whole = network(), parts[2] = {network(), network()};
  bpnet::TrainerF64 trainer(whole, bpnet::CrossEntropy{}, bpnet::Adam{0.01});
  for (int i = 0; i < 5; ++i) trainer.step(d.x.data(), d.labels.data(), kRows);
  Exchange exchange;
  const auto run = [&](int rank) {
    Member member{exchange, rank, rank ? cut : 0};
    bpnet::TrainerF64 part(parts[rank], bpnet::CrossEntropy{}, bpnet::Adam{0.01});
    const std::size_t begin = rank ? cut : 0, rows = rank ? kRows - cut : cut;
    part.set_reducer({&Member::number, &Member::gradient, &member, &Member::first_row});
    for (int i = 0; i < 5; ++i) {
      part.step(d.x.data() + begin * kFeatures, d.labels.data() + begin, rows);
    }
  };
  std::thread other([&] { run(1); });
  run(0);
  other.join();
  const std::vector<double> wanted = weights(whole), got = weights(parts[0]);
  check(got == weights(parts[1]), "two trainers that step together differ");
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    // Sums of 24 terms in another order, five steps long, over Adam's quotients.
    check(std::fabs(got[i] - wanted[i]) <= 1e-12 * std::max(1.0, std::fabs(wanted[i])), "a weight differs");
  }
}

void batch_norm_is_refused() {
  bpnet::NetworkF64 net({4}, {bpnet::linear(3), bpnet::batch_norm1d()});
  bpnet::TrainerF64 trainer(net, bpnet::Mse{}, bpnet::Sgd{});
  Log log{net.gradients()[0].tensor.data, 0};
  try {
    trainer.set_reducer({&Log::number, &Log::gradient, &log});
    check(false, "a network with BatchNorm takes a reducer");
  } catch (const bpnet::ValueError& error) {
    check(std::string(error.what()).find("'1' (BatchNorm1d)") != std::string::npos, error.what());
  }
}

void half_a_reducer_is_refused() {
  bpnet::NetworkF64 net = network();
  bpnet::TrainerF64 trainer(net, bpnet::CrossEntropy{}, bpnet::Sgd{});
  const bpnet::Reducer<double> halves[] = {{.number = &Log::number}, {.gradient = &Log::gradient}};
  for (const auto& half : halves) {
    try {
      trainer.set_reducer(half);
      check(false, "half a reducer is taken");
    } catch (const bpnet::ValueError& error) {
      check(std::string(error.what()).find("is null, both functions are needed") != std::string::npos,
            error.what());
    }
  }
}

}  // namespace

int main() {
  calls_come_as_backward_goes();
  for (const std::size_t cut : {12, 7}) halves_take_the_steps_of_the_whole(cut);
  batch_norm_is_refused();
  half_a_reducer_is_refused();
  if (failures == 0) std::printf("ok\n");
  return failures == 0 ? 0 : 1;
}
