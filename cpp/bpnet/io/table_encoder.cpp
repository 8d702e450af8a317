#include "bpnet/io/table_encoder.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "bpnet/core/error.h"

namespace bpnet {
namespace {

constexpr std::size_t kMostNamed = 10;  // categories in a message
constexpr std::size_t kMostShown = 60;  // bytes of a field in a message

// The field in quotes, a long one cut between two characters.
std::string quoted(std::string_view field) {
  if (field.size() <= kMostShown) return "'" + std::string(field) + "'";
  std::size_t end = kMostShown;
  while (end > 0 && (static_cast<unsigned char>(field[end]) & 0xC0) == 0x80) --end;
  return "'" + std::string(field.substr(0, end)) + "…'";
}

template <class... Parts>
[[noreturn]] void refuse(const Column& column, std::string_view field, const Parts&... parts) {
  fail<ValueError>("column '", column.name, "': ", quoted(field), parts...);
}

[[noreturn]] void refuse_unknown(const Column& column, std::string_view field) {
  std::string known;
  const std::size_t named = std::min(column.categories.size(), kMostNamed);
  for (std::size_t i = 0; i < named; ++i) known += ", " + column.categories[i];
  if (named < column.categories.size()) {
    known += " and " + std::to_string(column.categories.size() - named) + " others";
  }
  refuse(column, field, " was not among the categories the model was trained on", known);
}

[[noreturn]] void refuse_large(const Column& column, std::string_view field) {
  refuse(column, field, " is too large for the network's dtype when it is standardised");
}

std::string format_text(const NumberFormat& format) {
  std::string text;
  if (format.decimal != '.') text += " with the decimal mark '" + std::string(1, format.decimal) + "'";
  if (format.thousands) {
    text +=
        (text.empty() ? " with" : " and") + (" the thousands separator '" + format.thousands_text() + "'");
  }
  return text;
}

}  // namespace

TableEncoder::TableEncoder(const Preprocessing& preprocessing, double too_large)
    : missing_(preprocessing.missing_words), too_large_(too_large) {
  preprocessing.check();
  if (preprocessing.columns.empty()) {
    fail<ValueError>("preprocessing: the model was trained on arrays, not on a table");
  }
  for (const Column& column : preprocessing.columns) {
    Encoding encoding{column, features_, std::vector<std::size_t>(column.categories.size()), {}, {}};
    std::iota(encoding.sorted.begin(), encoding.sorted.end(), std::size_t{0});
    std::sort(encoding.sorted.begin(), encoding.sorted.end(),
              [&](std::size_t a, std::size_t b) { return column.categories[a] < column.categories[b]; });
    for (std::size_t i = 0; i < column.feature_count(); ++i, ++features_) {
      encoding.mean.push_back(preprocessing.mean_of(features_));
      encoding.scale.push_back(preprocessing.scale_of(features_));
    }
    columns_.push_back(std::move(encoding));
  }
}

bool TableEncoder::encode(const std::vector<std::string>& fields, double* out) const {
  if (fields.size() != columns_.size()) {
    fail<ShapeError>("preprocessing: the row has ", fields.size(), " fields, the model expects ",
                     columns_.size());
  }
  bool kept = true;
  for (std::size_t c = 0; c < columns_.size(); ++c) {  // a wrong field is an error in a dropped row too
    kept &= encode_field(c, fields[c], out);
  }
  return kept;
}

bool TableEncoder::encode_field(std::size_t column, std::string_view field, double* out) const {
  const Encoding& encoding = columns_[column];
  out += encoding.first_feature;
  if (!encoding.column.is_number()) return encode_category(encoding, stripped(field), out);
  double value = 0;
  switch (parse_number(field, encoding.column.format, missing_, value)) {
    case NumberStatus::kMissing: return encode_missing(encoding, field, out);
    case NumberStatus::kNotANumber:
      refuse(encoding.column, field, " is not a number", format_text(encoding.column.format));
    case NumberStatus::kNotFinite: refuse(encoding.column, field, " is too large for a float64");
    case NumberStatus::kNumber: break;
  }
  encoding.put_number(value, false, out);
  if (!is_finite(encoding, out)) refuse_large(encoding.column, field);
  return true;
}

bool TableEncoder::encode_value(std::size_t column, double value, double* out) const {
  const Encoding& encoding = columns_[column];
  out += encoding.first_feature;
  if (std::isnan(value)) return encode_missing(encoding, "nan", out);
  if (std::isinf(value)) refuse(encoding.column, value > 0 ? "inf" : "-inf", " is not finite");
  if (!encoding.column.is_number()) return encode_category(encoding, number_text(value), out);
  encoding.put_number(value, false, out);
  if (!is_finite(encoding, out)) refuse_large(encoding.column, number_text(value));
  return true;
}

// A listed category is that category, even if it is a missing word in other columns.
bool TableEncoder::encode_category(const Encoding& encoding, std::string_view name, double* out) const {
  const std::size_t category = encoding.find(name);
  if (category == encoding.sorted.size() && missing_.contains(name)) {
    return encode_missing(encoding, name, out);
  }
  if (category == encoding.sorted.size() && encoding.column.unknown == Unknown::kError) {
    refuse_unknown(encoding.column, name);
  }
  encoding.put_category(category, out);
  if (!is_finite(encoding, out)) refuse_large(encoding.column, name);
  return true;
}

bool TableEncoder::encode_missing(const Encoding& encoding, std::string_view field, double* out) const {
  const Column& column = encoding.column;
  switch (column.missing) {
    case Missing::kError: refuse(column, field, " is missing; fill it in or leave the row out");
    case Missing::kDrop: std::fill_n(out, column.feature_count(), 0.0); return false;
    case Missing::kFill:
    case Missing::kCategory: break;
  }
  if (column.is_number()) {
    encoding.put_number(*column.fill, true, out);
  } else {
    encoding.put_category(encoding.find(column.missing == Missing::kFill ? *column.fill_category : ""), out);
  }
  if (!is_finite(encoding, out)) refuse_large(column, field);
  return true;
}

bool TableEncoder::is_finite(const Encoding& encoding, const double* out) const {
  return std::all_of(out, out + encoding.mean.size(),
                     [&](double value) { return std::fabs(value) < too_large_; });
}

std::size_t TableEncoder::Encoding::find(std::string_view category) const {
  const auto& names = column.categories;
  const auto found = std::lower_bound(sorted.begin(), sorted.end(), category,
                                      [&](std::size_t i, std::string_view name) { return names[i] < name; });
  return found == sorted.end() || names[*found] != category ? sorted.size() : *found;
}

void TableEncoder::Encoding::put_number(double value, bool missing, double* out) const {
  out[0] = value;
  if (mean.size() > 1) out[1] = missing;
  standardise(out);
}

void TableEncoder::Encoding::put_category(std::size_t category, double* out) const {
  std::fill_n(out, mean.size(), 0.0);
  if (category < mean.size()) out[category] = 1;
  standardise(out);
}

void TableEncoder::Encoding::standardise(double* out) const {
  for (std::size_t i = 0; i < mean.size(); ++i) out[i] = (out[i] - mean[i]) / scale[i];
}

}  // namespace bpnet
