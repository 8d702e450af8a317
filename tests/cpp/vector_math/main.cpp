// How far the vector functions are from the C library's in a wider type, in ulp of the result (of the least
// normal number below that), over every STRIDE-th float32, or float64 by as many bits; 1 is all of float32.
//
//   vector_math float|double STRIDE THREADS [FUNCTION]
//
// Prints a line a function and instruction set: name, set, largest error, where, how many corners are wrong
// (NaN that is not NaN, an infinity or a sign of 0 that differs), tabs between.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "functions.h"

// Each instruction set's objects, SETS(X) being X(avx2) X(baseline) … from the command line.
#define X(set)                                \
  Functions<float> functions_##set##_float(); \
  Functions<double> functions_##set##_double();
SETS(X)
#undef X

namespace {

template <class T>
struct Set {
  const char* name;
  Functions<T> functions;
};

template <class T>
std::vector<Set<T>> sets() {
  std::vector<Set<T>> all;
  const auto add = [&](const char* name, Functions<float> f, Functions<double> d) {
    if constexpr (std::is_same_v<T, float>) {
      all.push_back({name, f});
    } else {
      all.push_back({name, d});
    }
  };
#define X(set) add(#set, functions_##set##_float(), functions_##set##_double());
  SETS(X)
#undef X
  return all;
}

// The value, and the magnitude whose ulp the error is counted in.
template <class Wide>
struct Wanted {
  Wide value, size;
};

template <class Wide>
Wanted<Wide> itself(Wide value) {
  return {value, value};
}

template <class Wide>
Wide sigmoid(Wide x) {
  const Wide e = std::exp(-std::fabs(x));
  return (x < 0 ? e : Wide(1)) / (1 + e);
}
template <class Wide>
Wide limited(Wide x) {
  return x != x ? x : std::clamp(x, Wide(-20000), Wide(20000));
}

// A sum of two terms of either sign: in ulp of the larger one. The second is `factor` times a number that may
// be below the normal numbers.
template <class Wide>
Wanted<Wide> sum_of(Wide a, Wide b, Wide factor, Wide scale) {
  using T = std::conditional_t<sizeof(Wide) == 8, float, double>;
  const Wide least = std::numeric_limits<T>::min();
  return {a + b, scale * std::max({a, std::fabs(b), least * std::fabs(factor)})};
}

template <class Wide>
struct Reference {
  const char* name;
  Wide least, most;  // domain of the function
  Wanted<Wide> (*wanted)(Wide);
};

template <class Wide>
constexpr Wide kRoot2 = Wide(1.41421356237309504880168872420969808L);
template <class Wide>
constexpr Wide kRoot2OverPi = Wide(0.79788456080286535587989211986876373L);

template <class Wide>
Wide tanh_argument(Wide x) {  // 2v
  return 2 * kRoot2OverPi<Wide> * (x + Wide(0.044715L) * x * x * x);
}

template <class Wide>
std::vector<Reference<Wide>> references() {
  constexpr Wide kAll = std::numeric_limits<Wide>::infinity();
  return {
      {"exp", -kAll, kAll, [](Wide x) { return itself(std::exp(x)); }},
      {"tanh", -kAll, kAll, [](Wide x) { return itself(std::tanh(x)); }},
      {"sigmoid", -kAll, kAll, [](Wide x) { return itself(sigmoid(x)); }},
      {"log1p", 0, 1, [](Wide x) { return itself(std::log1p(x)); }},
      {"expm1", -kAll, 0, [](Wide x) { return itself(std::expm1(x)); }},
      {"softplus", -kAll, kAll,
       [](Wide x) { return itself((x > 0 ? x : 0) + std::log1p(std::exp(-std::fabs(x)))); }},
      {"normal_cdf", -kAll, kAll, [](Wide x) { return itself(std::erfc(-x / kRoot2<Wide>) / 2); }},
      {"gelu_slope", -kAll, kAll,
       [](Wide x) {
         const Wide cdf = std::erfc(-x / kRoot2<Wide>) / 2;
         const Wide term = limited(x) * kRoot2OverPi<Wide> / 2 * std::exp(-limited(x) * limited(x) / 2);
         return sum_of(cdf, term, limited(x), Wide(1));
       }},
      // The rounding of 2v is a relative error of exp(2v): in ulp times 1 + |2v|.
      {"tanh_gelu", -kAll, kAll,
       [](Wide x) {
         const Wide v = tanh_argument(limited(x)), cdf = sigmoid(v);
         return Wanted<Wide>{cdf, x < 0 ? cdf * (1 - v) : cdf};
       }},
      {"tanh_gelu_slope", -kAll, kAll,
       [](Wide x) {
         const Wide s = limited(x), v = tanh_argument(s), cdf = sigmoid(v);
         const Wide slope = 2 * kRoot2OverPi<Wide> * (1 + 3 * Wide(0.044715L) * s * s);
         const Wide term = s * slope * cdf * sigmoid(-v);
         return sum_of(cdf, term, s * slope, 1 + std::fabs(v));
       }},
      {"silu_slope", -kAll, kAll,
       [](Wide x) {
         const Wide g = sigmoid(x), term = limited(x) * g * sigmoid(-x);
         return sum_of(g, term, limited(x), Wide(1));
       }},
  };
}

template <class T>
struct Result {
  double error = 0;
  T where = 0;
  std::uint64_t wrong = 0;
};

// One over the ulp of a number, by the exponent in the number's bits; those below the normal
// numbers have the least normal number's.
template <class T, class Wide>
class Ulps {
 public:
  Ulps() {
    for (int exponent = 0; exponent < kExponents; ++exponent) {
      per_[exponent] = std::ldexp(Wide(1), kBias + kMantissa - std::max(exponent, 1));
    }
  }
  double count(Wide error, T size) const {
    Bits bits;
    std::memcpy(&bits, &size, sizeof bits);
    return double(error * per_[bits >> kMantissa & (kExponents - 1)]);
  }

 private:
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  static constexpr int kMantissa = std::numeric_limits<T>::digits - 1;
  static constexpr int kBias = std::numeric_limits<T>::max_exponent - 1, kExponents = 2 * kBias + 2;
  Wide per_[kExponents];
};

template <class T, class Wide>
void compare(T x, T y, const Wanted<Wide>& wanted, Result<T>& result) {
  const T rounded = T(wanted.value);
  if (rounded != rounded || std::isinf(rounded) || std::isinf(y) || y != y) {
    const bool both_nan = rounded != rounded && y != y;
    // Half an ulp decides whether the largest number becomes infinite.
    const bool last = std::isinf(y) && std::fabs(rounded) == std::numeric_limits<T>::max();
    if (!both_nan && y != rounded && !last) ++result.wrong;
    return;
  }
  if (wanted.value == 0 && (y != 0 || std::signbit(y) != std::signbit(rounded))) ++result.wrong;
  static const Ulps<T, Wide> ulps;
  const double error = ulps.count(std::fabs(Wide(y) - wanted.value), T(wanted.size));
  if (error > result.error) {
    result.error = error;
    result.where = x;
  }
}

// Numbers `first` to `last` by their bits, every `stride`-th.
template <class T, class Bits, class Wide>
std::vector<Result<T>> walk(const Reference<Wide>& reference, const std::vector<Set<T>>& all,
                            std::size_t which, Bits first, Bits last, Bits stride) {
  constexpr std::size_t kPiece = 4096;
  std::vector<Result<T>> results(all.size());
  std::vector<T> x, y(kPiece);
  std::vector<Wanted<Wide>> wanted;
  const auto flush = [&] {
    wanted.clear();
    for (const T value : x) wanted.push_back(reference.wanted(Wide(value)));
    for (std::size_t s = 0; s < all.size(); ++s) {
      all[s].functions.begin[which].apply(x.size(), x.data(), y.data());
      for (std::size_t i = 0; i < x.size(); ++i) compare(x[i], y[i], wanted[i], results[s]);
    }
    x.clear();
  };
  for (Bits bits = first;; bits += stride) {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    const bool outside = Wide(value) < reference.least || Wide(value) > reference.most;
    if (!outside) x.push_back(value);
    if (x.size() == kPiece) flush();
    if (last - bits < stride) break;
  }
  flush();
  return results;
}

template <class T, class Wide, class Bits>
void measure(Bits stride, unsigned threads, const std::string& only) {
  const std::vector<Set<T>> all = sets<T>();
  const std::vector<Reference<Wide>> wanted = references<Wide>();
  for (std::size_t which = 0; which < wanted.size(); ++which) {
    const std::string name = wanted[which].name;
    if (!only.empty() && name != only) continue;
    if (name != all[0].functions.begin[which].name) std::abort();
    std::vector<std::vector<Result<T>>> parts(threads);
    std::vector<std::thread> workers;
    for (unsigned t = 0; t < threads; ++t) {
      const Bits part = ~Bits{0} / threads, first = part * t;
      const Bits last = t + 1 == threads ? ~Bits{0} : Bits(first + part - 1);
      workers.emplace_back([&, t, first, last] {
        parts[t] = walk<T, Bits, Wide>(wanted[which], all, which, first, last, stride);
      });
    }
    for (std::thread& worker : workers) worker.join();
    for (std::size_t s = 0; s < all.size(); ++s) {
      Result<T> result;
      for (const auto& part : parts) {
        result.wrong += part[s].wrong;
        if (part[s].error > result.error) result.error = part[s].error, result.where = part[s].where;
      }
      std::printf("%s\t%s\t%.3f\t%.17g\t%llu\n", name.c_str(), all[s].name, result.error,
                  double(result.where), static_cast<unsigned long long>(result.wrong));
      std::fflush(stdout);
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) return 2;
  const std::string type = arguments[1], only = count > 4 ? arguments[4] : "";
  const std::uint64_t stride = std::strtoull(arguments[2], nullptr, 10);
  const unsigned threads = unsigned(std::atoi(arguments[3]));
  if (type == "float") {
    measure<float, double, std::uint32_t>(std::uint32_t(stride), threads, only);
  } else {
    measure<double, long double, std::uint64_t>(stride << 32, threads, only);
  }
  return 0;
}
