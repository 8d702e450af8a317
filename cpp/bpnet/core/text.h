// Numbers to strings and back, the same under every locale. A failed allocation is a std::bad_alloc here; a
// standard stream would swallow it and write, or read, something else.
#pragma once

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace bpnet {

void append_text(std::string& out, double value);  // six significant digits, for messages
inline void append_text(std::string& out, std::string_view text) { out += text; }
inline void append_text(std::string& out, char character) { out += character; }
template <std::integral Integer>
  requires(!std::same_as<Integer, char>)
void append_text(std::string& out, Integer value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, +value).ptr;
  out.append(digits, end);
}

// The shortest digits that read back as the same double: "0.1", "1e+300", "3".
std::string exact_text(double value);

// Whether the whole string is a decimal number: without spaces, a leading plus, infinity or NaN. Below the
// smallest double it is 0; above the largest it is not a number.
bool parse_double(std::string_view text, double& value);

}  // namespace bpnet
