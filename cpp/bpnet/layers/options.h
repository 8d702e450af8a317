// Reads a layer's options and complains about what is missing, wrong or unknown.
#pragma once

#include <string>
#include <vector>

#include "bpnet/core/json.h"
#include "bpnet/layers/init.h"

namespace bpnet {

class Options {
 public:
  Options(std::string operation, const Json& values);

  std::size_t size(const char* key);                                          // required, ≥ 1
  double number(const char* key, double otherwise, double low, double high);  // low ≤ value ≤ high
  bool flag(const char* key, bool otherwise);
  std::string choice(const char* key, const std::vector<std::string>& choices);  // the first by default
  Init init(const char* key, Init otherwise);
  void finish() const;  // throws when a key was given that nobody read

 private:
  const Json* take(const char* key);

  std::string operation_;
  const Json& values_;
  std::vector<std::string> taken_;
};

}  // namespace bpnet
