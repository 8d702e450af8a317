#include "bpnet/io/preprocessing.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "bpnet/core/error.h"

namespace bpnet {
namespace {

double parse_number(const Column& column, const std::string& field) {
  std::istringstream in(field);
  in.imbue(std::locale::classic());
  double value = 0;
  if (!(in >> value) || !(in >> std::ws).eof() || !std::isfinite(value)) {
    fail<ValueError>("column '", column.name, "': '", field, "' is not a finite number");
  }
  return value;
}

double of_feature(const std::vector<double>& values, std::size_t feature, double otherwise) {
  if (values.empty()) return otherwise;
  return values.size() == 1 ? values[0] : values[feature];
}

void check_length(const char* name, const std::vector<double>& values, std::size_t features) {
  if (values.size() > 1 && values.size() != features) {
    fail<ShapeError>("preprocessing: ", name, " has ", values.size(), " numbers, the data has ", features,
                     " features");
  }
}

Json::Array names_to_json(const std::vector<std::string>& names) { return {names.begin(), names.end()}; }

std::vector<std::string> names_from_json(const Json& json) {
  std::vector<std::string> names;
  for (const Json& name : json.array()) names.push_back(name.string());
  return names;
}

std::vector<double> numbers_from_json(const Json& json) {
  std::vector<double> numbers;
  for (const Json& number : json.array()) numbers.push_back(number.number());
  return numbers;
}

}  // namespace

std::size_t Preprocessing::feature_count() const {
  std::size_t count = 0;
  for (const Column& column : columns) count += std::max<std::size_t>(1, column.categories.size());
  return count;
}

void Preprocessing::encode(const std::vector<std::string>& fields, double* out) const {
  if (fields.size() != columns.size()) {
    fail<ShapeError>("preprocessing: the row has ", fields.size(), " fields, the model expects ",
                     columns.size());
  }
  double* to = out;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const std::vector<std::string>& categories = columns[c].categories;
    if (categories.empty()) {
      *to++ = parse_number(columns[c], fields[c]);
      continue;
    }
    const auto found = std::find(categories.begin(), categories.end(), fields[c]);
    if (found == categories.end()) {
      fail<ValueError>("column '", columns[c].name, "': '", fields[c],
                       "' was not among the categories the model was trained on");
    }
    std::fill_n(to, categories.size(), 0.0);
    to[found - categories.begin()] = 1.0;
    to += categories.size();
  }
  standardise(1, feature_count(), out);
}

void Preprocessing::standardise(std::size_t count, std::size_t features, double* x) const {
  check_length("mean", mean, features);
  check_length("scale", scale, features);
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t i = 0; i < features; ++i) {
      double& value = x[r * features + i];
      value = (value - of_feature(mean, i, 0)) / of_feature(scale, i, 1);
    }
  }
}

Json Preprocessing::describe() const {
  Json::Array table;
  for (const Column& column : columns) {
    table.push_back(Json::Object{{"name", column.name}, {"categories", names_to_json(column.categories)}});
  }
  return Json::Object{{"columns", std::move(table)},
                      {"mean", Json::Array(mean.begin(), mean.end())},
                      {"scale", Json::Array(scale.begin(), scale.end())},
                      {"target", target},
                      {"output", output},
                      {"classes", names_to_json(classes)},
                      {"target_mean", target_mean},
                      {"target_scale", target_scale}};
}

Preprocessing Preprocessing::from_json(const Json& d) {
  Preprocessing result;
  for (const Json& column : d["columns"].array()) {
    result.columns.push_back({column["name"].string(), names_from_json(column["categories"])});
  }
  result.mean = numbers_from_json(d["mean"]);
  result.scale = numbers_from_json(d["scale"]);
  for (const double scale : result.scale) {
    if (!(scale > 0)) fail<ValueError>("preprocessing: a scale is ", scale, ", positive numbers are needed");
  }
  result.target = d["target"].string();
  result.output = d["output"].string();
  result.classes = names_from_json(d["classes"]);
  result.target_mean = d["target_mean"].number();
  result.target_scale = d["target_scale"].number();
  return result;
}

}  // namespace bpnet
