// An application that uses bpnet within its parallel regions: every call gives the same bits as outside, and
// OpenMP's number of threads is used by bpnet. Prints "ok" and returns 0, or prints what failed.
#include <bpnet/bpnet.h>
#include <omp.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kRows = 500, kFeatures = 200, kClasses = 10;
int failures = 0;

void check(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("failed: %s\n", what.c_str());
  ++failures;
}

struct Rows {
  std::vector<float> x;              // (kRows, kFeatures)
  std::vector<std::int64_t> labels;  // (kRows,)

  Rows() : x(kRows * kFeatures), labels(kRows) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7919 % 1009) / 504.5f - 1;
    for (std::size_t r = 0; r < kRows; ++r) labels[r] = static_cast<std::int64_t>(r % kClasses);
  }
};

// The outputs after some steps of a network wide enough that its work is divided among threads.
std::vector<float> trained(const Rows& rows, std::uint64_t seed) {
  bpnet::Network network({kFeatures}, {bpnet::linear(300), bpnet::gelu(), bpnet::linear(kClasses)},
                         {.seed = seed});
  bpnet::Trainer trainer(network, bpnet::CrossEntropy{}, bpnet::Adam{});
  for (int i = 0; i < 3; ++i) trainer.step(rows.x.data(), rows.labels.data(), kRows);
  std::vector<float> out(kRows * kClasses);
  network.forward(rows.x.data(), kRows, out.data());
  return out;
}

void same_bits_within_a_region(const Rows& rows, bpnet::Threading layer) {
  constexpr int kNetworks = 4;
  bpnet::set_threading(layer);
  std::vector<std::vector<float>> alone(kNetworks), within(kNetworks);
  for (int n = 0; n < kNetworks; ++n)
    alone[static_cast<std::size_t>(n)] = trained(rows, static_cast<std::uint64_t>(n));
#pragma omp parallel for num_threads(3)
  for (int n = 0; n < kNetworks; ++n)
    within[static_cast<std::size_t>(n)] = trained(rows, static_cast<std::uint64_t>(n));
  check(alone == within,
        std::string(bpnet::name_of(layer)) + ": other bits within a region of the application");
}

}  // namespace

int main() {
  omp_set_num_threads(3);
  check(bpnet::num_threads() == 3, "omp_set_num_threads does not reach bpnet");
  const Rows rows;
  using bpnet::Threading;
  for (const Threading layer :
       {Threading::automatic, Threading::openmp, Threading::pool, Threading::serial}) {
    same_bits_within_a_region(rows, layer);
  }
  bpnet::set_num_threads(2);
  check(bpnet::num_threads() == 2, "set_num_threads does not come before omp_set_num_threads");
  if (failures) return 1;
  std::printf("ok\n");
  return 0;
}
