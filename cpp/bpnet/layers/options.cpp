#include "bpnet/layers/options.h"

#include <algorithm>

#include "bpnet/core/error.h"

namespace bpnet {

Options::Options(std::string operation, const Json& values)
    : operation_(std::move(operation)), values_(values) {}

const Json* Options::take(const char* key) {
  taken_.emplace_back(key);
  const Json* value = values_.find(key);
  return value && !value->is_null() ? value : nullptr;
}

std::size_t Options::size(const char* key) {
  const Json* value = take(key);
  if (!value) fail<ValueError>(operation_, ": ", key, " is missing");
  if (!value->is_integer() || value->integer() < 1) {
    fail<ValueError>(operation_, ": ", key, " is ", value->dump(),
                     ", a whole number of at least 1 is needed");
  }
  return value->size();
}

double Options::number(const char* key, double otherwise, double low, double high) {
  const Json* value = take(key);
  if (!value) return otherwise;
  if (!value->is_number() || !(value->number() >= low && value->number() <= high)) {
    fail<ValueError>(operation_, ": ", key, " is ", value->dump(), ", a number from ", low, " to ", high,
                     " is needed");
  }
  return value->number();
}

bool Options::flag(const char* key, bool otherwise) {
  const Json* value = take(key);
  if (!value) return otherwise;
  if (!value->is_bool()) {
    fail<ValueError>(operation_, ": ", key, " is ", value->dump(), ", true or false is needed");
  }
  return value->boolean();
}

std::string Options::choice(const char* key, const std::vector<std::string>& choices) {
  const Json* value = take(key);
  if (!value) return choices.front();
  if (value->is_string() && std::find(choices.begin(), choices.end(), value->string()) != choices.end()) {
    return value->string();
  }
  std::string known;
  for (const std::string& choice : choices) known += (known.empty() ? "'" : ", '") + choice + "'";
  fail<ValueError>(operation_, ": ", key, " is ", value->dump(), ", one of ", known, " is needed");
}

Init Options::init(const char* key, Init otherwise) {
  const Json* value = take(key);
  return value ? Init::from_json(*value) : otherwise;
}

void Options::finish() const {
  if (values_.is_null()) return;
  for (const auto& [key, value] : values_.object()) {
    if (std::find(taken_.begin(), taken_.end(), key) == taken_.end()) {
      fail<ValueError>(operation_, ": there is no option '", key, "'");
    }
  }
}

}  // namespace bpnet
