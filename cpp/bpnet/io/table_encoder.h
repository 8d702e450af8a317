// Rows of a table become a network's input, by the model's preprocessing.
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "bpnet/io/preprocessing.h"

namespace bpnet {

// Numbers of this magnitude or more are infinite when they are rounded to T.
template <class T>
constexpr double infinite_from() {
  return sizeof(T) == sizeof(float) ? 0x1.ffffffp127 : std::numeric_limits<double>::infinity();
}

class TableEncoder {
 public:
  // Encoded numbers must be finite when rounded to the network's dtype: `too_large` is infinite_from<T>().
  // Throws as Preprocessing::check() does, and a ValueError for a preprocessing without columns.
  explicit TableEncoder(const Preprocessing& preprocessing, double too_large = infinite_from<double>());

  std::size_t column_count() const { return columns_.size(); }
  std::size_t feature_count() const { return features_; }

  // out (feature_count(),) = one row, a field for each column, encoded and standardised. False where a
  // missing field says that the row gets no answer. Throws a ValueError that names the column.
  bool encode(const std::vector<std::string>& fields, double* out) const;

  // The same for the features of one column; `out` is the whole row. A value is a number already: NaN is
  // missing, and for a column of categories it is number_text(value).
  bool encode_field(std::size_t column, std::string_view field, double* out) const;
  bool encode_value(std::size_t column, double value, double* out) const;

 private:
  struct Encoding {
    Column column;
    std::size_t first_feature = 0;
    std::vector<std::size_t> sorted;  // indices of the categories, in the order of their bytes
    std::vector<double> mean, scale;  // (features of the column,)

    // The category's index, or the number of categories.
    std::size_t find(std::string_view category) const;
    // out (features of the column,), standardised
    void put_number(double value, bool missing, double* out) const;
    void put_category(std::size_t category, double* out) const;
    void standardise(double* out) const;
  };

  bool encode_category(const Encoding& encoding, std::string_view name, double* out) const;
  bool encode_missing(const Encoding& encoding, std::string_view field, double* out) const;
  bool is_finite(const Encoding& encoding, const double* out) const;  // in the network's dtype

  std::vector<Encoding> columns_;
  std::size_t features_ = 0;
  MissingWords missing_;
  double too_large_;
};

}  // namespace bpnet
