// A Preprocessing as stored in the model file.
#include <algorithm>
#include <bit>
#include <iterator>

#include "bpnet/core/error.h"
#include "bpnet/io/base64.h"
#include "bpnet/io/preprocessing.h"

namespace bpnet {
namespace {

template <class Kind>
struct Word {
  Kind kind;
  const char* text;
};
constexpr Word<Missing> kMissing[] = {{Missing::kError, "error"},
                                      {Missing::kFill, "fill"},
                                      {Missing::kDrop, "drop"},
                                      {Missing::kCategory, "category"}};
constexpr Word<Unknown> kUnknown[] = {{Unknown::kError, "error"}, {Unknown::kIgnore, "ignore"}};
constexpr Word<OutputKind> kOutput[] = {
    {OutputKind::kValues, "values"}, {OutputKind::kLogits, "logits"}, {OutputKind::kLogit, "logit"}};

template <class Kind, std::size_t count>
const char* to_text(const Word<Kind> (&words)[count], Kind kind) {
  return std::find_if(words, words + count, [&](const Word<Kind>& word) { return word.kind == kind; })->text;
}

template <class Kind, std::size_t count>
Kind from_text(const Word<Kind> (&words)[count], const std::string& text) {
  std::string all;
  for (const Word<Kind>& word : words) {
    if (text == word.text) return word.kind;
    all += (all.empty() ? "" : ", ") + std::string(word.text);
  }
  fail<FileFormatError>("'", text, "' is none of ", all);
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
  std::array<double, count> result{};
  if (numbers.size() != count) {
    fail<FileFormatError>(name, " has ", numbers.size(), " numbers, ", count, " are needed");
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
    fail<FileFormatError>("the mean image has ", bytes.size(), " bytes, a multiple of ", sizeof(float),
                          " is needed");
  }
  image.statistics.mean.resize(bytes.size() / sizeof(float));
  std::copy_n(bytes.data(), bytes.size(), reinterpret_cast<char*>(image.statistics.mean.data()));
  image.statistics.eigenvalues = array_from_json<3>(d["eigenvalues"], "eigenvalues");
  image.statistics.eigenvectors = array_from_json<9>(d["eigenvectors"], "eigenvectors");
  image.augmenter();  // for its checks
  return image;
}

constexpr std::string_view kJson = "json: ";  // what errors of Json begin with

// Calls take(key, value) for each key of an object; an error names the key, and so does one that take()
// returns false for.
template <class Take>
void for_each_key(const std::string& where, const Json& object, const Take& take) {
  for (const auto& [key, value] : object.object()) {
    bool known = false;
    try {
      known = take(key, value);
    } catch (const Error& error) {
      std::string_view what = error.what();
      if (what.starts_with(kJson)) what.remove_prefix(kJson.size());
      fail<FileFormatError>(where, key, ": ", what);
    }
    if (!known) fail<FileFormatError>(where, "there is no option '", key, "'");
  }
}

// "decimal" and "thousands", after a prefix.
bool take_format(NumberFormat& format, std::string_view key, const Json& value) {
  if (key == "decimal") format.decimal = NumberFormat::decimal_from_text(value.string());
  else if (key == "thousands") format.thousands = NumberFormat::thousands_from_text(value.string());
  else return false;
  return true;
}

void format_to_json(Json& out, const std::string& prefix, const NumberFormat& format) {
  const NumberFormat usual;
  if (format.decimal != usual.decimal) out.set(prefix + "decimal", std::string(1, format.decimal));
  if (format.thousands != usual.thousands) out.set(prefix + "thousands", format.thousands_text());
}

Json column_to_json(const Column& column) {
  Json out = Json::Object{{"name", column.name}, {"categories", names_to_json(column.categories)}};
  format_to_json(out, "", column.format);
  if (column.missing != Missing::kError) out.set("missing", to_text(kMissing, column.missing));
  if (column.fill) out.set("fill", *column.fill);
  if (column.fill_category) out.set("fill", *column.fill_category);
  if (column.unknown != Unknown::kError) out.set("unknown", to_text(kUnknown, column.unknown));
  return out;
}

Column column_from_json(const Json& d) {
  Column column;
  column.name = d["name"].string();
  for_each_key("column '" + column.name + "': ", d, [&](const std::string& key, const Json& value) {
    if (key == "categories") column.categories = names_from_json(value);
    else if (key == "missing") column.missing = from_text(kMissing, value.string());
    else if (key == "unknown") column.unknown = from_text(kUnknown, value.string());
    else if (key == "fill" && value.is_string()) column.fill_category = value.string();
    else if (key == "fill") column.fill = value.number();
    else return key == "name" || take_format(column.format, key, value);
    return true;
  });
  return column;
}

bool take_option(Preprocessing& p, const std::string& key, const Json& value) {
  constexpr std::string_view kTarget = "target_";
  if (key == "columns") {
    for (const Json& column : value.array()) p.columns.push_back(column_from_json(column));
  } else if (key == "missing_words") {
    p.missing_words = names_from_json(value);
  } else if (key == "mean") {
    p.mean = numbers_from_json(value);
  } else if (key == "scale") {
    p.scale = numbers_from_json(value);
  } else if (key == "target") {
    p.target = value.string();
  } else if (key == "output") {
    p.output = output_kind_from_text(value.string());
  } else if (key == "classes") {
    p.classes = names_from_json(value);
  } else if (key == "target_mean") {
    p.target_mean = value.number();
  } else if (key == "target_scale") {
    p.target_scale = value.number();
  } else if (key == "input_names") {
    names_from_json(value);  // of a DataFrame's columns, which Python's Network keeps here and checks
  } else if (key == "image") {
    if (!value.is_null()) p.image = image_from_json(value);
  } else {
    return key.starts_with(kTarget) && take_format(p.target_format, key.substr(kTarget.size()), value);
  }
  return true;
}

}  // namespace

OutputKind output_kind_from_text(const std::string& text) { return from_text(kOutput, text); }

Json Preprocessing::describe() const {
  Json::Array table;
  for (const Column& column : columns) table.push_back(column_to_json(column));
  Json out = Json::Object{{"columns", std::move(table)},
                          {"mean", Json::Array(mean.begin(), mean.end())},
                          {"scale", Json::Array(scale.begin(), scale.end())},
                          {"target", target},
                          {"output", to_text(kOutput, output)},
                          {"classes", names_to_json(classes)},
                          {"target_mean", target_mean},
                          {"target_scale", target_scale}};
  format_to_json(out, "target_", target_format);
  if (missing_words != default_missing_words()) out.set("missing_words", names_to_json(missing_words));
  if (image) out.set("image", image_to_json(*image));
  return out;
}

Preprocessing Preprocessing::from_json(const Json& description) {
  Preprocessing result;
  for_each_key("preprocessing: ", description,
               [&](const std::string& key, const Json& value) { return take_option(result, key, value); });
  result.check();
  return result;
}

}  // namespace bpnet
