#include "bpnet/io/preprocessing.h"

#include <algorithm>
#include <cmath>

#include "bpnet/core/error.h"

namespace bpnet {
namespace {

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

// `what` of the names occurs twice among them.
void check_distinct(const std::string& what, std::vector<std::string_view> names) {
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) fail<ValueError>("preprocessing: ", what, " '", *twice, "' is there twice");
}

std::vector<std::string_view> views(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

void check_numbers(const char* name, const std::vector<double>& values, bool positive) {
  for (const double value : values) {
    if (!std::isfinite(value) || (positive && !(value > 0))) {
      fail<ValueError>("preprocessing: a ", name, " is ", value, ", ",
                       positive ? "positive finite numbers are needed" : "finite numbers are needed");
    }
  }
}

bool has_category(const Column& column, const std::string& name) {
  return std::find(column.categories.begin(), column.categories.end(), name) != column.categories.end();
}

void check_fill(const Column& column) {
  const bool filled =
      column.missing == Missing::kFill || (column.missing == Missing::kCategory && column.is_number());
  if (filled && column.is_number() && !(column.fill && std::isfinite(*column.fill))) {
    fail<ValueError>("preprocessing: column '", column.name,
                     "' is a number, a finite number to fill is needed");
  }
  if (filled && !column.is_number() &&
      !(column.fill_category && has_category(column, *column.fill_category))) {
    fail<ValueError>("preprocessing: column '", column.name, "': the fill is none of the categories");
  }
  if (column.missing == Missing::kCategory && !column.is_number() && !has_category(column, "")) {
    fail<ValueError>("preprocessing: column '", column.name,
                     "': a missing value is a category, but '' is none of the categories");
  }
}

void check_categories(const Column& column) {
  check_distinct("a category of column '" + column.name + "',", views(column.categories));
  for (const std::string& category : column.categories) {
    if (stripped(category) != category) {
      fail<ValueError>("preprocessing: column '", column.name, "': the category '", category,
                       "' has blanks around it, which are stripped from fields");
    }
  }
}

void check_format(const std::string& what, const NumberFormat& format) {
  try {
    format.check();
  } catch (const ValueError& error) {
    fail<ValueError>("preprocessing: ", what, ": ", error.what());
  }
}

void check_column(const Column& column) {
  check_categories(column);
  check_fill(column);
  check_format("column '" + column.name + "'", column.format);
}

}  // namespace

std::size_t Column::feature_count() const {
  if (!is_number()) return categories.size();
  return missing == Missing::kCategory ? 2 : 1;
}

std::size_t Preprocessing::feature_count() const {
  std::size_t count = 0;
  for (const Column& column : columns) count += column.feature_count();
  return count;
}

double Preprocessing::mean_of(std::size_t feature) const { return of_feature(mean, feature, 0); }
double Preprocessing::scale_of(std::size_t feature) const { return of_feature(scale, feature, 1); }

void Preprocessing::standardise(std::size_t count, std::size_t features, double* x) const {
  check_length("mean", mean, features);
  check_length("scale", scale, features);
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t i = 0; i < features; ++i) {
      double& value = x[r * features + i];
      value = (value - mean_of(i)) / scale_of(i);
    }
  }
}

void Preprocessing::check() const {
  std::vector<std::string_view> names;
  for (const Column& column : columns) {
    check_column(column);
    names.push_back(column.name);
  }
  check_distinct("the column", names);
  check_distinct("the class", views(classes));
  check_numbers("mean", mean, false);
  check_numbers("scale", scale, true);
  check_numbers("target_mean", {target_mean}, false);
  check_numbers("target_scale", {target_scale}, true);
  check_format("the target", target_format);
  if (!columns.empty()) {
    check_length("mean", mean, feature_count());
    check_length("scale", scale, feature_count());
  } else if (mean.size() > 1) {
    check_length("scale", scale, mean.size());
  }
  if (image && !columns.empty())
    fail<ValueError>("preprocessing: there are columns and photographs, one is needed");
  if (output == OutputKind::kLogit && classes.size() != 2) {
    fail<ShapeError>("preprocessing: a logit is for two classes, there are ", classes.size());
  }
}

void Preprocessing::check_network(const Shape& input, const Shape& output_shape) const {
  const std::size_t features = input.count(), outputs = output_shape.count();
  if (image && !(input == Shape{3, image->crop, image->crop})) {
    fail<ShapeError>("preprocessing: the photographs' windows have shape (3, ", image->crop, ", ",
                     image->crop, "), the network's input has ", input);
  }
  if (!columns.empty() && feature_count() != features) {
    fail<ShapeError>("preprocessing: the columns make ", feature_count(),
                     " features, the network's input has ", features);
  }
  check_length("mean", mean, features);
  check_length("scale", scale, features);
  const std::size_t wanted = output == OutputKind::kLogit ? 1 : classes.size();
  if ((output != OutputKind::kValues || !classes.empty()) && wanted != outputs) {
    fail<ShapeError>("preprocessing: ", classes.size(), " classes need ", wanted,
                     " outputs, the network has ", outputs);
  }
}

ImageAugmenter ImageInput::augmenter() const {
  Augmentation options;
  options.crop = crop;
  options.centre_mean = centre_mean;
  return {statistics, options};
}

}  // namespace bpnet
