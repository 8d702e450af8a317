#include "bpnet/io/preprocessing.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "bpnet/core/error.h"
#include "bpnet/core/text.h"
#include "bpnet/io/base64.h"

namespace bpnet {
namespace {

double parse_number(const Column& column, const std::string& field) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  std::string_view digits = field;
  digits.remove_prefix(std::min(digits.find_first_not_of(kSpace), digits.size()));
  digits = digits.substr(0, digits.find_last_not_of(kSpace) + 1);
  const bool signed_twice = digits.starts_with("+-");
  if (digits.starts_with('+')) digits.remove_prefix(1);
  double value = 0;
  if (signed_twice || !parse_double(digits, value) || !std::isfinite(value)) {
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

static_assert(std::endian::native == std::endian::little, "the mean image's floats are little-endian");

// The mean image is too long for a list of numbers: its floats (size, size, 3) are base64.
Json image_to_json(const ImageInput& image) {
  const ImageStatistics& s = image.statistics;
  const std::string_view mean(reinterpret_cast<const char*>(s.mean.data()), s.mean.size() * sizeof(float));
  return Json::Object{{"size", s.size},
                      {"crop", image.crop},
                      {"centre_mean", image.centre_mean},
                      {"mean", to_base64(mean)},
                      {"eigenvalues", Json::Array(s.eigenvalues.begin(), s.eigenvalues.end())},
                      {"eigenvectors", Json::Array(s.eigenvectors.begin(), s.eigenvectors.end())}};
}

template <std::size_t count>
std::array<double, count> array_from_json(const Json& json, const char* name) {
  const std::vector<double> numbers = numbers_from_json(json);
  std::array<double, count> result;
  if (numbers.size() != count) {
    fail<FileFormatError>("preprocessing: ", name, " has ", numbers.size(), " numbers, ", count,
                          " are needed");
  }
  std::copy(numbers.begin(), numbers.end(), result.begin());
  return result;
}

ImageInput image_from_json(const Json& d) {
  ImageInput image;
  image.statistics.size = d["size"].size();
  image.crop = d["crop"].size();
  image.centre_mean = d["centre_mean"].boolean();
  const std::string bytes = from_base64(d["mean"].string());
  if (bytes.size() % sizeof(float) != 0) {
    fail<FileFormatError>("preprocessing: the mean image has ", bytes.size(), " bytes, a multiple of ",
                          sizeof(float), " is needed");
  }
  image.statistics.mean.resize(bytes.size() / sizeof(float));
  std::copy_n(bytes.data(), bytes.size(), reinterpret_cast<char*>(image.statistics.mean.data()));
  image.statistics.eigenvalues = array_from_json<3>(d["eigenvalues"], "eigenvalues");
  image.statistics.eigenvectors = array_from_json<9>(d["eigenvectors"], "eigenvectors");
  image.augmenter();  // for its checks
  return image;
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

ImageAugmenter ImageInput::augmenter() const {
  Augmentation options;
  options.crop = crop;
  options.centre_mean = centre_mean;
  return {statistics, options};
}

Json Preprocessing::describe() const {
  Json::Array table;
  for (const Column& column : columns) {
    table.push_back(Json::Object{{"name", column.name}, {"categories", names_to_json(column.categories)}});
  }
  Json out = Json::Object{{"columns", std::move(table)},
                          {"mean", Json::Array(mean.begin(), mean.end())},
                          {"scale", Json::Array(scale.begin(), scale.end())},
                          {"target", target},
                          {"output", output},
                          {"classes", names_to_json(classes)},
                          {"target_mean", target_mean},
                          {"target_scale", target_scale}};
  if (image) out.set("image", image_to_json(*image));
  return out;
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
  const Json* image = d.find("image");
  if (image && !image->is_null()) result.image = image_from_json(*image);
  return result;
}

}  // namespace bpnet
