#include "bpnet/layers/options.h"

#include <algorithm>

#include "bpnet/core/error.h"

namespace bpnet {

Json Extent::describe() const { return Json::Array{height, width}; }
Json Padding::describe() const { return Json::Array{top, bottom, left, right}; }

Options::Options(std::string operation, const Json& values)
    : operation_(std::move(operation)), values_(values) {}

const Json* Options::take(const char* key) {
  taken_.emplace_back(key);
  const Json* value = values_.find(key);
  return value && !value->is_null() ? value : nullptr;
}

const Json* Options::required(const char* key) {
  const Json* value = take(key);
  if (!value) fail<ValueError>(operation_, ": ", key, " is missing");
  return value;
}

std::size_t Options::size(const char* key) {
  const Json* value = required(key);
  if (!value->is_integer() || value->integer() < 1) {
    fail<ValueError>(operation_, ": ", key, " is ", value->dump(), ", an integer of at least 1 is needed");
  }
  return value->size();
}

std::size_t Options::size(const char* key, std::size_t otherwise) {
  const Json* value = values_.find(key);
  if (value && !value->is_null()) return size(key);
  taken_.emplace_back(key);
  return otherwise;
}

// An integer, or a list of one of the lengths `counts`, none below `least`.
std::vector<std::size_t> Options::sizes(const char* key, const Json& value, std::int64_t least,
                                        const std::vector<std::size_t>& counts, const char* wanted) const {
  const Json::Array items = value.is_array() ? value.array() : Json::Array{value};
  bool right = !value.is_array() || std::find(counts.begin(), counts.end(), items.size()) != counts.end();
  for (const Json& item : items) right = right && item.is_integer() && item.integer() >= least;
  if (!right) {
    fail<ValueError>(operation_, ": ", key, " is ", value.dump(), ", ", wanted, " of at least ", least,
                     " is needed");
  }
  std::vector<std::size_t> result;
  for (const Json& item : items) result.push_back(item.size());
  return result;
}

Extent Options::extent(const char* key) {
  const auto found = sizes(key, *required(key), 1, {2}, "an integer or (height, width)");
  return {found.front(), found.back()};
}

Extent Options::extent(const char* key, Extent otherwise) {
  const Json* value = values_.find(key);
  if (value && !value->is_null()) return extent(key);
  taken_.emplace_back(key);
  return otherwise;
}

Padding Options::padding(const char* key, bool four_edges) {
  const Json* value = take(key);
  if (!value) return 0;
  const auto found =
      four_edges ? sizes(key, *value, 0, {2, 4}, "an integer, (height, width) or (top, bottom, left, right)")
                 : sizes(key, *value, 0, {2}, "an integer or (height, width)");
  if (found.size() == 4) return {found[0], found[1], found[2], found[3]};
  return {found.front(), found.back()};
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

std::optional<double> Options::number_or_none(const char* key, double otherwise, double low, double high) {
  const Json* value = values_.find(key);
  const bool none = value && value->is_null();
  const double number = this->number(key, otherwise, low, high);
  return none ? std::nullopt : std::optional(number);
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
