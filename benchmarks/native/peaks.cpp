// Compiled for the machine it runs on (-march=native); nothing of bpnet but its threads.
#include "peaks.h"

#include <chrono>
#include <cstddef>
#include <memory>

#include "bpnet/core/parallel.h"

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
constexpr int kRounds = 200'000;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
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

constexpr std::size_t kPieces = 64, kPiece = std::size_t{1} << 18;  // two arrays of 64 MiB

struct Arrays {
  float *a, *b;
};

void add_piece(std::size_t piece, void* argument) {
  float* a = static_cast<Arrays*>(argument)->a + piece * kPiece;
  const float* b = static_cast<Arrays*>(argument)->b + piece * kPiece;
  for (std::size_t i = 0; i < kPiece; ++i) a[i] = b[i] + 0.5f * a[i];
}

}  // namespace

double multiply_adds() {
  const auto threads = static_cast<std::size_t>(bpnet::num_threads());
  const auto results = std::make_unique<float[]>(threads);
  const auto start = std::chrono::steady_clock::now();
  bpnet::parallel_for(threads, multiply_add_rounds, results.get());
  return 2.0 * kLanes * kAccumulators * kRounds * double(threads) / seconds_since(start);
}

double memory_bytes() {
  static const auto a = std::make_unique<float[]>(kPieces * kPiece);
  static const auto b = std::make_unique<float[]>(kPieces * kPiece);
  Arrays arrays{a.get(), b.get()};
  const auto start = std::chrono::steady_clock::now();
  bpnet::parallel_for(kPieces, add_piece, &arrays);
  return 3.0 * sizeof(float) * kPieces * kPiece / seconds_since(start);
}

}  // namespace peaks
