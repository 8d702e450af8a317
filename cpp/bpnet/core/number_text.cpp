#include "bpnet/core/number_text.h"

#include <algorithm>
#include <cmath>

#include "bpnet/core/error.h"
#include "bpnet/core/text.h"

namespace bpnet {
namespace {

constexpr std::size_t kGroup = 3;  // digits between two thousands separators

bool is_digit(char c) { return c >= '0' && c <= '9'; }

char lower_case(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = lower_case(c);
  return result;
}

std::size_t leading_digits(std::string_view text) {
  return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
}

// The thousands separators, and the characters that are typeset for them: no-break spaces (U+00A0, U+202F)
// and the typographic apostrophe (U+2019), in UTF-8.
struct Separator {
  char name;
  std::array<std::string_view, 3> forms;
};
constexpr Separator kSeparators[] = {
    {',', {","}}, {'.', {"."}}, {' ', {" ", "\xC2\xA0", "\xE2\x80\xAF"}}, {'\'', {"'", "\xE2\x80\x99"}}};

// Null for a name that is none of them.
const Separator* find_separator(char name) {
  const auto found = std::find_if(std::begin(kSeparators), std::end(kSeparators),
                                  [&](const Separator& separator) { return separator.name == name; });
  return found == std::end(kSeparators) ? nullptr : found;
}

// Bytes of the separator that `text` begins with, or 0.
std::size_t leading_separator(std::string_view text, const Separator* separator) {
  if (!separator || text.empty()) return 0;
  for (const std::string_view form : separator->forms) {
    if (!form.empty() && text.starts_with(form)) return form.size();
  }
  return 0;
}

// Reads a field from left to right and writes it as parse_double reads it: without separators and plus, the
// decimal mark a point.
class NumberReader {
 public:
  NumberReader(std::string_view text, const NumberFormat& format)
      : rest_(text), decimal_(format.decimal), separator_(find_separator(format.thousands)) {}

  bool read(std::string& plain) {
    if (take('-')) plain += '-';
    else take('+');
    const bool grouped = leading_separator(rest_.substr(leading_digits(rest_)), separator_) > 0;
    std::size_t digits = grouped ? take_groups(plain) : take_digits(plain);
    if (grouped && digits == 0) return false;
    if (take(decimal_)) {
      plain += '.';
      digits += take_digits(plain);
    }
    if (digits == 0) return false;
    if (take('e') || take('E')) {
      plain += 'e';
      if (take('-')) plain += '-';
      else take('+');
      if (take_digits(plain) == 0) return false;
    }
    return rest_.empty();
  }

 private:
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::size_t take_digits(std::string& plain) {
    const std::size_t count = leading_digits(rest_);
    plain += rest_.substr(0, count);
    rest_.remove_prefix(count);
    return count;
  }
  // How many digits there are, or 0 where the groups are not as the grammar has them.
  std::size_t take_groups(std::string& plain) {
    if (rest_.starts_with('0') || leading_digits(rest_) > kGroup) return 0;
    std::size_t digits = take_digits(plain);
    if (digits == 0) return 0;
    while (const std::size_t bytes = leading_separator(rest_, separator_)) {
      rest_.remove_prefix(bytes);
      if (take_digits(plain) != kGroup) return 0;
      digits += kGroup;
    }
    return digits;
  }

  std::string_view rest_;
  char decimal_;
  const Separator* separator_;
};

}  // namespace

std::string_view stripped(std::string_view field) {
  field.remove_prefix(std::min(field.find_first_not_of(kBlanks), field.size()));
  return field.substr(0, field.find_last_not_of(kBlanks) + 1);
}

char NumberFormat::decimal_from_text(std::string_view text) {
  if (text != "." && text != ",") {
    fail<ValueError>("number format: the decimal mark is '", text, "', '.' or ',' is needed");
  }
  return text[0];
}

char NumberFormat::thousands_from_text(std::string_view text) {
  if (text.empty()) return '\0';
  if (text.size() != 1 || !find_separator(text[0])) {
    fail<ValueError>("number format: the thousands separator is '", text,
                     "', none, ',', '.', a space or an apostrophe is needed");
  }
  return text[0];
}

void NumberFormat::check() const {
  decimal_from_text({&decimal, 1});
  thousands_from_text(thousands_text());
  if (thousands == decimal) {
    fail<ValueError>("number format: '", decimal, "' is both the decimal mark and the thousands separator");
  }
}

const std::vector<std::string>& default_missing_words() {
  static const std::vector<std::string> words = {"",     "na",  "n/a",  "#n/a", "#na", "nan", "-nan", "null",
                                                 "none", "nil", "<na>", "?",    "-",   "--",  "."};
  return words;
}

MissingWords::MissingWords(const std::vector<std::string>& words) : words_{""} {
  for (const std::string& word : words) words_.insert(lower_case(stripped(word)));
  for (const std::string& word : words_) {
    longest_ = std::max(longest_, word.size());
    if (!word.empty()) begins_[static_cast<unsigned char>(word[0])] = true;
  }
}

bool MissingWords::contains(std::string_view field) const {
  field = stripped(field);
  if (field.empty()) return true;
  if (field.size() > longest_ || !begins_[static_cast<unsigned char>(lower_case(field[0]))]) return false;
  return words_.count(lower_case(field)) > 0;
}

NumberStatus parse_number(std::string_view field, const NumberFormat& format, const MissingWords& missing,
                          double& value) {
  if (missing.contains(field)) return NumberStatus::kMissing;
  std::string plain;
  if (!NumberReader(stripped(field), format).read(plain)) return NumberStatus::kNotANumber;
  return parse_double(plain, value) ? NumberStatus::kNumber : NumberStatus::kNotFinite;
}

std::string number_text(double value) {
  if (value == 0) return "0";
  const double magnitude = std::fabs(value);
  const bool fixed = magnitude >= 1e-4 && magnitude < 1e16;
  char digits[32];  // of any double in its shortest form
  const auto form = fixed ? std::chars_format::fixed : std::chars_format::scientific;
  return {digits, std::to_chars(digits, digits + sizeof digits, value, form).ptr};
}

}  // namespace bpnet
