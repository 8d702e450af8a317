// How raw data becomes a network's input, kept in the model file: the columns of a table, one-hot
// categories, standardisation, photographs' mean image, and what the outputs mean.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bpnet/core/json.h"
#include "bpnet/core/number_text.h"
#include "bpnet/core/shape.h"
#include "bpnet/io/augmentation.h"

namespace bpnet {

// The treatment of a column's missing field.
enum class Missing {
  kError,
  kFill,     // the column's fill
  kDrop,     // the row gets no answer
  kCategory  // the category "" ; of a number its fill, and one more feature that is 1, else 0
};

// The treatment of a field that is none of a column's categories.
enum class Unknown {
  kError,
  kIgnore  // all the column's features are 0
};

struct Column {
  std::string name = {};
  std::vector<std::string> categories = {};  // one feature each; none: a number, one feature
  NumberFormat format = {};                  // of a number
  Missing missing = Missing::kError;
  std::optional<double> fill = {};                // of a number, before standardisation
  std::optional<std::string> fill_category = {};  // one of the categories
  Unknown unknown = Unknown::kError;

  bool is_number() const { return categories.empty(); }
  std::size_t feature_count() const;
  // Whether a feature of this column is 0 or 1, and so is not standardised.
  bool is_indicator(std::size_t feature) const { return !is_number() || feature > 0; }
};

// For a network of photographs: the statistics of its training set, and the windows of its input.
struct ImageInput {
  ImageStatistics statistics;
  std::size_t crop = 227;
  bool centre_mean = false;  // as Augmentation's

  ImageAugmenter augmenter() const;  // for its middle and ten views
};

// The kind of a network's outputs.
enum class OutputKind {
  kValues,  // numbers; with classes, one score for each, not a logit
  kLogits,  // one for each class, of a softmax
  kLogit    // one, of the second of two classes
};

struct Preprocessing {
  std::vector<Column> columns;  // of a table; empty when the data is numeric
  std::vector<std::string> missing_words = default_missing_words();
  std::vector<double> mean,
      scale;           // x' = (x − mean) / scale, per feature; or one number for all; may be empty
  std::string target;  // the target column's name
  NumberFormat target_format = {};  // of a regression's target
  OutputKind output = OutputKind::kValues;
  std::vector<std::string> classes;          // names of the classes, in the order of the outputs
  double target_mean = 0, target_scale = 1;  // of a regression: y = output · scale + mean
  std::optional<ImageInput> image = {};

  std::size_t feature_count() const;  // of a table's encoded row
  double mean_of(std::size_t feature) const;
  double scale_of(std::size_t feature) const;

  // x (count, features), in place
  void standardise(std::size_t count, std::size_t features, double* x) const;

  // Throws a ValueError or ShapeError where parts contradict each other, or the shapes of a network.
  void check() const;
  void check_network(const Shape& input, const Shape& output) const;

  Json describe() const;  // options that have their default are left out
  // Checked. Absent keys have their default, unknown ones are a FileFormatError.
  static Preprocessing from_json(const Json& description);
};

OutputKind output_kind_from_text(const std::string& text);

}  // namespace bpnet
