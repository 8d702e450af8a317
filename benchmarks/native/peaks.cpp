// Compiled for the machine it runs on (-march=native); nothing of bpnet but its threads and its memory.
#include "peaks.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "bpnet/core/memory/arena.h"
#include "bpnet/core/threads/parallel.h"

namespace peaks {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kAccumulators = 24;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32, kAccumulators = 12;
#else
constexpr int kVectorBytes = 16, kAccumulators = 12;
#endif
typedef float Vector __attribute__((vector_size(kVectorBytes)));
constexpr int kLanes = kVectorBytes / 4;
constexpr int kRounds = 1'000'000;  // some 4 ms: waking the threads counts for little
constexpr double kSeconds = 0.02;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The best rate of several runs: what disturbs one of them is no part of a peak.
template <class Run>
double best_rate(double work, Run run) {
  double best = 0;
  const auto begin = std::chrono::steady_clock::now();
  do {
    const auto start = std::chrono::steady_clock::now();
    run();
    best = std::max(best, work / seconds_since(start));
  } while (seconds_since(begin) < kSeconds);
  return best;
}

// Independent chains of multiply-adds, enough of them to hide the latency of each.
void multiply_add_rounds(std::size_t thread, void* results) {
  Vector sum[kAccumulators];
#pragma GCC unroll 24
  for (int i = 0; i < kAccumulators; ++i) sum[i] = Vector{} + float(i);  // different: equal ones would merge
  const Vector a = Vector{} + 0.999f, b = Vector{} + float(thread + 1);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 24
    for (int i = 0; i < kAccumulators; ++i) sum[i] = sum[i] * a + b;
  }
  Vector total = sum[0];
#pragma GCC unroll 24
  for (int i = 1; i < kAccumulators; ++i) total += sum[i];
  static_cast<volatile float*>(results)[thread] = total[0];
}

constexpr std::size_t kPiece = std::size_t{1} << 14;  // numbers of each array in a chunk

struct Arrays {
  float *w, *g, *m, *v;
};

float read_piece(const float* x) {
  Vector sum[4] = {};
  for (std::size_t i = 0; i < kPiece; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) sum[k] += *reinterpret_cast<const Vector*>(x + i + std::size_t(k) * kLanes);
  }
  return (sum[0] + sum[1] + sum[2] + sum[3])[0];
}

void read(std::size_t piece, void* argument) {
  [[maybe_unused]] volatile float sum = read_piece(static_cast<Arrays*>(argument)->w + piece * kPiece);
}

void copy(std::size_t piece, void* argument) {
  const Arrays a = *static_cast<Arrays*>(argument);
  float* __restrict w = a.w + piece * kPiece;
  const float* __restrict g = a.g + piece * kPiece;
  for (std::size_t i = 0; i < kPiece; i += kLanes) {
    *reinterpret_cast<Vector*>(w + i) = *reinterpret_cast<const Vector*>(g + i);
  }
}

void momentum(std::size_t piece, void* argument) {
  const Arrays a = *static_cast<Arrays*>(argument);
  float* __restrict w = a.w + piece * kPiece;
  float* __restrict m = a.m + piece * kPiece;
  const float* __restrict g = a.g + piece * kPiece;
  for (std::size_t i = 0; i < kPiece; ++i) {
    m[i] = 0.5f * m[i] + g[i];
    w[i] -= 0.5f * m[i];
  }
}

void adam(std::size_t piece, void* argument) {  // without its root and division: bytes alone count here
  const Arrays a = *static_cast<Arrays*>(argument);
  float* __restrict w = a.w + piece * kPiece;
  float* __restrict m = a.m + piece * kPiece;
  float* __restrict v = a.v + piece * kPiece;
  const float* __restrict g = a.g + piece * kPiece;
  for (std::size_t i = 0; i < kPiece; ++i) {
    m[i] = 0.5f * m[i] + g[i];
    v[i] = 0.5f * v[i] + g[i] * g[i];
    w[i] -= m[i] * v[i];
  }
}

struct Mixture {
  void (*run)(std::size_t piece, void* arrays);
  std::size_t arrays, accesses;
};
constexpr Mixture kMixtures[] = {{read, 1, 1}, {copy, 2, 2}, {momentum, 3, 5}, {adam, 4, 7}};

}  // namespace

double multiply_adds() {
  const auto threads = static_cast<std::size_t>(bpnet::num_threads());
  const auto results = std::make_unique<float[]>(threads);
  return best_rate(2.0 * kLanes * kAccumulators * kRounds * double(threads),
                   [&] { bpnet::parallel_for(threads, multiply_add_rounds, results.get()); });
}

double memory_bytes(std::size_t bytes) {
  static bpnet::Arena memory;
  const std::size_t numbers = bytes / sizeof(float) + 4 * kPiece;
  if (memory.size() < numbers * sizeof(float)) {
    memory.reserve(numbers * sizeof(float));
    std::fill_n(memory.at<float>(0), numbers, 0.0f);
  }
  double best = 0;
  for (const Mixture& mixture : kMixtures) {
    const std::size_t pieces = std::max<std::size_t>(bytes / sizeof(float) / kPiece / mixture.arrays, 1);
    float* first = memory.at<float>(0);
    const std::size_t each = pieces * kPiece;
    Arrays arrays{first, first + each, first + 2 * each, first + 3 * each};
    // Small arrays are gone over several times in a run, which else would be too short for the clock.
    const std::size_t times = std::max<std::size_t>((std::size_t{1} << 22) / bytes, 1);
    const double work = double(times * each * mixture.accesses * sizeof(float));
    best = std::max(best, best_rate(work, [&] {
                      for (std::size_t t = 0; t < times; ++t)
                        bpnet::parallel_for(pieces, mixture.run, &arrays);
                    }));
  }
  return best;
}

}  // namespace peaks
