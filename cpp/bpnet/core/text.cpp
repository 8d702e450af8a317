#include "bpnet/core/text.h"

#include <cmath>
#include <cstdlib>
#ifdef __APPLE__
#include <xlocale.h>
#endif

namespace bpnet {
namespace {

constexpr std::size_t kMostDigits = 32;  // of any double, sign, point and exponent included

// Whether a number out of a double's range is too small for it rather than too large.
bool is_tiny(std::string_view text) {
  const std::size_t e = text.find_first_of("eE");
  const std::string_view digits = text.substr(0, e);
  const std::size_t first = digits.find_first_of("123456789"), point = digits.find('.');
  if (first == std::string_view::npos) return true;
  const long before_point = static_cast<long>(point == std::string_view::npos ? digits.size() : point);
  long exponent = 0;
  if (e != std::string_view::npos) {
    std::string_view written = text.substr(e + 1);
    if (written.starts_with('+')) written.remove_prefix(1);
    const auto read = std::from_chars(written.data(), written.data() + written.size(), exponent);
    if (read.ec == std::errc::result_out_of_range) return written.starts_with('-');
  }
  return exponent < static_cast<long>(first) - before_point;
}

// Functions of the library read "inf" and "nan(abc)" too.
bool has_decimal_characters(std::string_view text) {
  return text.find_first_not_of("+-.0123456789eE") == std::string_view::npos && !text.starts_with('+');
}

}  // namespace

void append_text(std::string& out, double value) {
  if (std::isnan(value)) {  // to_chars shows its sign, which has no meaning
    out += "nan";
    return;
  }
  char digits[kMostDigits];
  out.append(digits, std::to_chars(digits, digits + kMostDigits, value, std::chars_format::general, 6).ptr);
}

std::string exact_text(double value) {
  char digits[kMostDigits];
  return {digits, std::to_chars(digits, digits + kMostDigits, value).ptr};
}

#ifdef __cpp_lib_to_chars

bool parse_double(std::string_view text, double& value) {
  if (!has_decimal_characters(text)) return false;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec == std::errc::result_out_of_range && read.ptr == end && is_tiny(text)) {
    value = text.starts_with('-') ? -0.0 : 0.0;
    return true;
  }
  return read.ec == std::errc{} && read.ptr == end;
}

#else  // libc++ before 20 does not parse double

bool parse_double(std::string_view text, double& value) {
  static const locale_t c_locale = newlocale(LC_ALL_MASK, "C", nullptr);
  if (text.empty() || !has_decimal_characters(text)) return false;
  const std::string ended(text);
  char* end = nullptr;
  value = strtod_l(ended.c_str(), &end, c_locale);
  const bool too_large = value - value != 0;
  return end == ended.c_str() + ended.size() && !too_large;
}

#endif

}  // namespace bpnet
