#include "bpnet/layers/init.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "bpnet/core/error.h"
#include "bpnet/core/random.h"
#include "bpnet/core/threads/parallel.h"

namespace bpnet {
namespace {

struct Row {
  Init::Kind kind;
  const char* name;
  const char* a;  // the names of the first and the second number in a file
  const char* b;
};

constexpr Row kRows[] = {
    {Init::Kind::kFanIn, "fan_in", "gain", nullptr},
    {Init::Kind::kNormal, "normal", "mean", "std"},
    {Init::Kind::kUniform, "uniform", "low", "high"},
    {Init::Kind::kXavierUniform, "xavier_uniform", "gain", nullptr},
    {Init::Kind::kXavierNormal, "xavier_normal", "gain", nullptr},
    {Init::Kind::kHeUniform, "he_uniform", "gain", nullptr},
    {Init::Kind::kHeNormal, "he_normal", "gain", nullptr},
    {Init::Kind::kConstant, "constant", "value", nullptr},
};

double standard_normal(RandomKey key, std::uint64_t index) {  // Box and Muller 1958
  const double radius = std::sqrt(-2 * std::log(random_unit(key, 2 * index)));
  return radius * std::cos(2 * std::numbers::pi * random_unit(key, 2 * index + 1));
}

// values[i] = value(i), divided among the threads.
template <class T, class Value>
void fill(std::size_t count, T* values, const Value& value) {
  constexpr std::size_t kChunk = std::size_t{1} << 14;
  struct Work {
    std::size_t count;
    T* values;
    const Value& value;
  } work{count, values, value};
  parallel_for((count + kChunk - 1) / kChunk,
               [](std::size_t chunk, void* argument) {
                 const Work& w = *static_cast<const Work*>(argument);
                 const std::size_t end = std::min(w.count, (chunk + 1) * kChunk);
                 for (std::size_t i = chunk * kChunk; i < end; ++i) w.values[i] = w.value(i);
               },
               &work);
}

}  // namespace

Json Init::describe() const {
  for (const Row& row : kRows) {
    if (row.kind != kind) continue;
    Json out;
    out.set("kind", row.name);
    out.set(row.a, a);
    if (row.b) out.set(row.b, b);
    return out;
  }
  return {};
}

Init Init::from_json(const Json& description) {
  const std::string& name = description["kind"].string();
  for (const Row& row : kRows) {
    if (name != row.name) continue;
    Init init = {row.kind, description[row.a].number(), row.b ? description[row.b].number() : 0.0};
    if (!std::isfinite(init.a) || !std::isfinite(init.b)) {
      fail<ValueError>("init: ", name, " with ", init.a, " and ", init.b, "; finite numbers are needed");
    }
    if (init.kind == Kind::kUniform && !(init.a <= init.b)) {
      fail<ValueError>("init: uniform from ", init.a, " to ", init.b, "; low must not exceed high");
    }
    if (init.kind == Kind::kNormal && init.b < 0) {
      fail<ValueError>("init: normal with std ", init.b, "; it must not be negative");
    }
    return init;
  }
  std::string known;
  for (const Row& row : kRows) known += std::string(known.empty() ? "" : ", ") + row.name;
  fail<ValueError>("init: '", name, "' is not one of ", known);
}

template <class T>
void initialise(const Init& init, Fans fans, std::uint64_t seed, std::uint32_t index, std::size_t count,
                T* values) {
  const RandomKey key = random_key(seed, Purpose::kInit, index, 0);
  const double in = double(fans.in), sum = double(fans.in + fans.out);
  const auto fill_uniform = [&](double low, double high) {
    fill(count, values, [&](std::size_t i) { return T(low + (high - low) * random_unit(key, i)); });
  };
  const auto fill_normal = [&](double mean, double deviation) {
    fill(count, values, [&](std::size_t i) { return T(mean + deviation * standard_normal(key, i)); });
  };
  const auto fill_symmetric = [&](double bound) { fill_uniform(-bound, bound); };
  switch (init.kind) {
    case Init::Kind::kFanIn: return fill_symmetric(init.a / std::sqrt(in));
    case Init::Kind::kNormal: return fill_normal(init.a, init.b);
    case Init::Kind::kUniform: return fill_uniform(init.a, init.b);
    case Init::Kind::kXavierUniform: return fill_symmetric(init.a * std::sqrt(6 / sum));
    case Init::Kind::kXavierNormal: return fill_normal(0, init.a * std::sqrt(2 / sum));
    case Init::Kind::kHeUniform: return fill_symmetric(init.a * std::sqrt(3 / in));
    case Init::Kind::kHeNormal: return fill_normal(0, init.a / std::sqrt(in));
    case Init::Kind::kConstant: std::fill_n(values, count, T(init.a));
  }
}

template void initialise<float>(const Init&, Fans, std::uint64_t, std::uint32_t, std::size_t, float*);
template void initialise<double>(const Init&, Fans, std::uint64_t, std::uint32_t, std::size_t, double*);

}  // namespace bpnet
