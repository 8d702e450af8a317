// Reads a layer's options and throws for missing, wrong or unknown ones.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bpnet/core/json.h"
#include "bpnet/layers/init.h"

namespace bpnet {

// Height and width: one number, or both.
struct Extent {
  Extent(std::size_t both) : height(both), width(both) {}
  Extent(std::size_t h, std::size_t w) : height(h), width(w) {}

  Json describe() const;  // [height, width]

  std::size_t height, width;
};

// Zeros around a map: one number, (height, width), or all four edges.
struct Padding {
  Padding(std::size_t all) : top(all), bottom(all), left(all), right(all) {}
  Padding(std::size_t h, std::size_t w) : top(h), bottom(h), left(w), right(w) {}
  Padding(std::size_t t, std::size_t b, std::size_t l, std::size_t r)
      : top(t), bottom(b), left(l), right(r) {}

  Json describe() const;  // [top, bottom, left, right]

  std::size_t top, bottom, left, right;
};

class Options {
 public:
  Options(std::string operation, const Json& values);

  std::size_t size(const char* key);                                          // required, ≥ 1
  std::size_t size(const char* key, std::size_t otherwise);                   // ≥ 1
  Extent extent(const char* key);                                             // required, each ≥ 1
  Extent extent(const char* key, Extent otherwise);                           // each ≥ 1
  Padding padding(const char* key, bool four_edges);                          // 0 by default
  double number(const char* key, double otherwise, double low, double high);  // low ≤ value ≤ high
  std::optional<double> number_or_none(const char* key, double otherwise, double low, double high);
  bool flag(const char* key, bool otherwise);
  std::string choice(const char* key, const std::vector<std::string>& choices);  // the first by default
  Init init(const char* key, Init otherwise);
  void finish() const;  // throws when a key was given that is unknown

 private:
  const Json* take(const char* key);
  const Json* required(const char* key);
  std::vector<std::size_t> sizes(const char* key, const Json& value, std::int64_t least,
                                 const std::vector<std::size_t>& counts, const char* wanted) const;

  std::string operation_;
  const Json& values_;
  std::vector<std::string> taken_;
};

}  // namespace bpnet
