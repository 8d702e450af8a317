// How raw data becomes a network's input, kept in the model file: the columns of a table, one-hot
// categories, standardisation, photographs' mean image, and what the outputs mean.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bpnet/core/json.h"
#include "bpnet/io/augmentation.h"

namespace bpnet {

struct Column {
  std::string name;
  std::vector<std::string> categories;  // one feature each; none: a number, one feature
};

// Of a network that takes photographs: what its training set measured, and the windows it is shown.
struct ImageInput {
  ImageStatistics statistics;
  std::size_t crop = 227;
  bool centre_mean = false;  // as Augmentation's

  ImageAugmenter augmenter() const;  // for its middle and ten views
};

struct Preprocessing {
  std::vector<Column> columns;  // of a table; empty when the data is numbers already
  std::vector<double> mean,
      scale;                      // x' = (x − mean) / scale, per feature; one number serves all; may be empty
  std::string target;             // the target column's name
  std::string output = "values";  // what the network gives: "values", "logits", or "logit" of two classes
  std::vector<std::string> classes;          // names of the classes, in the order of the outputs
  double target_mean = 0, target_scale = 1;  // of a regression: y = output · scale + mean
  std::optional<ImageInput> image = {};

  std::size_t feature_count() const;  // of a table's encoded row
  // out (feature_count(),) = one row of the table, encoded and standardised. Throws a ValueError that
  // names the column.
  void encode(const std::vector<std::string>& fields, double* out) const;
  // x (count, features), in place
  void standardise(std::size_t count, std::size_t features, double* x) const;

  Json describe() const;
  static Preprocessing from_json(const Json& description);
};

}  // namespace bpnet
