// How a parameter's initial values are drawn.
#pragma once

#include <cstdint>
#include <string>

#include "bpnet/core/json.h"

namespace bpnet {

struct Init {
  enum class Kind {
    kFanIn,          // U(−a/√fan_in, a/√fan_in); a = 1 is PyTorch's default for Linear
    kNormal,         // N(a, b²)
    kUniform,        // U(a, b)
    kXavierUniform,  // U(±a √(6 / (fan_in + fan_out)))   (Glorot and Bengio 2010)
    kXavierNormal,   // N(0, a² 2 / (fan_in + fan_out))
    kHeUniform,      // U(±a √(3 / fan_in)), a = √2 for ReLU   (He et al. 2015)
    kHeNormal,       // N(0, a² / fan_in)
    kConstant,       // a
  };
  Kind kind = Kind::kFanIn;
  double a = 1;
  double b = 0;

  static Init fan_in(double gain = 1) { return {Kind::kFanIn, gain}; }
  static Init normal(double mean, double deviation) { return {Kind::kNormal, mean, deviation}; }
  static Init uniform(double low, double high) { return {Kind::kUniform, low, high}; }
  static Init xavier_uniform(double gain = 1) { return {Kind::kXavierUniform, gain}; }
  static Init xavier_normal(double gain = 1) { return {Kind::kXavierNormal, gain}; }
  static Init he_uniform(double gain = 1.4142135623730951) { return {Kind::kHeUniform, gain}; }
  static Init he_normal(double gain = 1.4142135623730951) { return {Kind::kHeNormal, gain}; }
  static Init constant(double value) { return {Kind::kConstant, value}; }

  Json describe() const;
  static Init from_json(const Json& description);
};

struct Fans {
  std::size_t in = 1, out = 1;
};

// Fills `values` with numbers that depend on init, fans, seed and index alone.
template <class T>
void initialise(const Init& init, Fans fans, std::uint64_t seed, std::uint32_t index, std::size_t count,
                T* values);

extern template void initialise<float>(const Init&, Fans, std::uint64_t, std::uint32_t, std::size_t, float*);
extern template void initialise<double>(const Init&, Fans, std::uint64_t, std::uint32_t, std::size_t,
                                        double*);

}  // namespace bpnet
