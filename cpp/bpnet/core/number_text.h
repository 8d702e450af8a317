// Numbers as tables write them: one grammar for every reader of a field.
//
//   field  = blanks [sign] (whole [mark [digits]] | mark digits) [("e" | "E") [sign] digits] blanks
//   whole  = digits, or with a thousands separator also groups: 1 to 3 digits, the first no 0, then one or
//            more times the separator and three digits
//
// Digits are 0 to 9, blanks are kBlanks. There are no hexadecimal numbers, underscores, percent signs, or
// words for infinity.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace bpnet {

inline constexpr std::string_view kBlanks = " \t\n\v\f\r";

// The field without the blanks around it.
std::string_view stripped(std::string_view field);

struct NumberFormat {
  char decimal = '.';     // the decimal mark: '.' or ','
  char thousands = '\0';  // 0 for none, ',', '.', ' ' (U+00A0 and U+202F too) or '\'' (U+2019 too)

  // Of strings, "" for no separator.
  static char decimal_from_text(std::string_view text);
  static char thousands_from_text(std::string_view text);
  std::string thousands_text() const { return std::string(thousands ? 1 : 0, thousands); }

  void check() const;  // throws a ValueError for any other
  bool operator==(const NumberFormat&) const = default;
};

enum class NumberStatus : std::uint8_t {
  kNumber,
  kMissing,     // a missing word
  kNotANumber,  // not in the grammar
  kNotFinite    // too large for a double
};

// How tables write a missing value.
const std::vector<std::string>& default_missing_words();

// Fields that mean "no value". Compared without the blanks around and without regard to the case of A to Z;
// the empty field is always one.
class MissingWords {
 public:
  explicit MissingWords(const std::vector<std::string>& words = default_missing_words());
  bool contains(std::string_view field) const;

 private:
  std::unordered_set<std::string> words_;  // stripped, in lower case
  std::array<bool, 256> begins_ = {};      // the bytes that words begin with
  std::size_t longest_ = 0;
};

// `value` is the double nearest to the number, and is set for kNumber only. `format` must have passed
// check().
NumberStatus parse_number(std::string_view field, const NumberFormat& format, const MissingWords& missing,
                          double& value);

// The shortest digits that read back as the same double, as a category's or class's name is written: "3",
// "0.1", "1e+16". As Python's repr(), without ".0" and the sign of zero.
std::string number_text(double value);

}  // namespace bpnet
