#include "bpnet/core/json.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "bpnet/core/error.h"
#include "bpnet/core/text.h"

namespace bpnet {
namespace {

constexpr int kMaxDepth = 64;  // a hostile file must not overflow the stack

const char* kind_name(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_bool()) return "a boolean";
  if (value.is_integer()) return "an integer";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "a string";
  return value.is_array() ? "an array" : "an object";
}

[[noreturn]] void wrong_kind(const char* wanted, const Json& found) {
  fail<FileFormatError>("json: ", wanted, " expected, found ", kind_name(found));
}

void write_string(std::string& out, std::string_view text) {
  static const char* const digits = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

// JSON has no NaN or infinity; they are written as strings, which number() reads back.
void write_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "\"nan\"";
  } else if (std::isinf(value)) {
    out += value > 0 ? "\"inf\"" : "\"-inf\"";
  } else {
    std::string digits = exact_text(value);
    if (digits.find_first_of(".e") == std::string::npos) digits += ".0";
    out += digits;
  }
}

void write(std::string& out, const Json& value) {
  if (value.is_null()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.boolean() ? "true" : "false";
  } else if (value.is_integer()) {
    out += std::to_string(value.integer());
  } else if (value.is_number()) {
    write_number(out, value.number());
  } else if (value.is_string()) {
    write_string(out, value.string());
  } else if (value.is_array()) {
    out += '[';
    bool first = true;
    for (const Json& item : value.array()) {
      if (!first) out += ',';
      first = false;
      write(out, item);
    }
    out += ']';
  } else {
    out += '{';
    bool first = true;
    for (const auto& [key, item] : value.object()) {
      if (!first) out += ',';
      first = false;
      write_string(out, key);
      out += ':';
      write(out, item);
    }
    out += '}';
  }
}

// The offset of the first invalid UTF-8, or the text's size.
std::size_t utf8_end(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  std::size_t at = 0;
  while (at < text.size()) {
    const unsigned char first = byte(at);
    if (first < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() - at < length) return at;
    for (std::size_t i = 1; i < length; ++i) {
      if ((byte(at + i) & 0xC0) != 0x80) return at;
    }
    // Overlong forms, the halves of surrogate pairs, and numbers beyond Unicode.
    const unsigned char second = byte(at + 1);
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
        (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) {
      return at;
    }
    at += length;
  }
  return at;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Json document() {
    at_ = utf8_end(text_);
    if (at_ != text_.size()) broken("UTF-8");
    at_ = 0;
    Json value = element(0);
    skip_space();
    if (at_ != text_.size()) broken("the end");
    return value;
  }

 private:
  [[noreturn]] void broken(const char* wanted) const {
    fail<FileFormatError>("json: ", wanted, " expected at byte ", at_);
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }

  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Json element(int depth) {
    if (depth > kMaxDepth) broken("shallower nesting");
    skip_space();
    if (take("null")) return {};
    if (take("true")) return true;
    if (take("false")) return false;
    // Python's json writes these for numbers that JSON does not have; readers check the range.
    if (take("NaN")) return std::numeric_limits<double>::quiet_NaN();
    if (take("Infinity")) return std::numeric_limits<double>::infinity();
    if (take("-Infinity")) return -std::numeric_limits<double>::infinity();
    switch (peek()) {
      case '"': return string();
      case '[': return array(depth);
      case '{': return object(depth);
      default: return number();
    }
  }

  Json array(int depth) {
    ++at_;
    Json::Array items;
    skip_space();
    if (take("]")) return items;
    do {
      items.push_back(element(depth + 1));
      skip_space();
    } while (take(","));
    if (!take("]")) broken("',' or ']'");
    return items;
  }

  Json object(int depth) {
    ++at_;
    Json::Object items;
    skip_space();
    if (take("}")) return items;
    do {
      skip_space();
      if (peek() != '"') broken("a key");
      std::string key = string();
      skip_space();
      if (!take(":")) broken("':'");
      items.emplace_back(std::move(key), element(depth + 1));
      skip_space();
    } while (take(","));
    if (!take("}")) broken("',' or '}'");
    return items;
  }

  Json number() {
    const std::size_t start = at_;
    bool integer = true;
    if (peek() == '-') ++at_;
    while (true) {
      const char c = peek();
      if (c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-') integer = false;
      else if (c < '0' || c > '9') break;
      ++at_;
    }
    const std::string_view digits = text_.substr(start, at_ - start);
    if (integer) {
      std::int64_t value = 0;
      const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (read.ec == std::errc{} && read.ptr == digits.data() + digits.size()) return value;
    }
    double value = 0;
    if (!parse_double(digits, value)) {
      at_ = start;
      broken("a value");
    }
    return value;
  }

  unsigned hex4() {
    unsigned code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek();
      if (c >= '0' && c <= '9') code = code * 16 + unsigned(c - '0');
      else if (c >= 'a' && c <= 'f') code = code * 16 + unsigned(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F') code = code * 16 + unsigned(c - 'A' + 10);
      else broken("a hexadecimal digit");
    }
    return code;
  }

  void append_escape(std::string& out) {
    const char c = peek();
    ++at_;
    switch (c) {
      case '"':
      case '\\':
      case '/': out += c; return;
      case 'b': out += '\b'; return;
      case 'f': out += '\f'; return;
      case 'n': out += '\n'; return;
      case 'r': out += '\r'; return;
      case 't': out += '\t'; return;
      case 'u': break;
      default: broken("an escape");
    }
    unsigned code = hex4();
    if (code >= 0xDC00 && code < 0xE000) broken("the first half of a surrogate pair");
    if (code >= 0xD800 && code < 0xDC00) {  // a surrogate pair
      if (!take("\\u")) broken("the second half of a surrogate pair");
      const unsigned low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) broken("the second half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code < 0x80) {
      out += char(code);
    } else if (code < 0x800) {
      out += char(0xC0 | code >> 6);
      out += char(0x80 | (code & 63));
    } else if (code < 0x10000) {
      out += char(0xE0 | code >> 12);
      out += char(0x80 | (code >> 6 & 63));
      out += char(0x80 | (code & 63));
    } else {
      out += char(0xF0 | code >> 18);
      out += char(0x80 | (code >> 12 & 63));
      out += char(0x80 | (code >> 6 & 63));
      out += char(0x80 | (code & 63));
    }
  }

  std::string string() {
    ++at_;
    std::string out;
    while (true) {
      if (at_ >= text_.size()) broken("'\"'");
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) broken("an escaped control character");
      ++at_;
      if (c == '"') return out;
      if (c == '\\') append_escape(out);
      else out += c;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

// The copy is complete before it is moved in: a variant of libstdc++ 12 whose construction throws is
// destroyed as if it had been constructed.
Json::Json(const Json& other) {
  std::visit(
      [this](const auto& value) {
        auto copy = value;
        value_ = std::move(copy);
      },
      other.value_);
}

Json& Json::operator=(const Json& other) {
  Json copy(other);
  value_ = std::move(copy.value_);
  return *this;
}

Json::Json(std::size_t value) : value_(static_cast<std::int64_t>(value)) {
  if (value > static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max())) {
    fail<ValueError>("json: ", value, " does not fit in 63 bits");
  }
}

bool Json::boolean() const {
  if (const bool* value = std::get_if<bool>(&value_)) return *value;
  wrong_kind("a boolean", *this);
}

std::int64_t Json::integer() const {
  if (const std::int64_t* value = std::get_if<std::int64_t>(&value_)) return *value;
  wrong_kind("an integer", *this);
}

std::size_t Json::size() const {
  const std::int64_t value = integer();
  if (value < 0) fail<FileFormatError>("json: a size expected, found ", value);
  return static_cast<std::size_t>(value);
}

std::uint64_t Json::word() const {
  const std::string& text = string();
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) {
    fail<FileFormatError>("json: an integer of 64 bits expected, found '", text, "'");
  }
  return value;
}

double Json::number() const {
  if (const double* value = std::get_if<double>(&value_)) return *value;
  if (const std::int64_t* value = std::get_if<std::int64_t>(&value_)) return double(*value);
  if (const std::string* text = std::get_if<std::string>(&value_)) {
    if (*text == "nan") return std::numeric_limits<double>::quiet_NaN();
    if (*text == "inf") return std::numeric_limits<double>::infinity();
    if (*text == "-inf") return -std::numeric_limits<double>::infinity();
  }
  wrong_kind("a number", *this);
}

const std::string& Json::string() const {
  if (const std::string* value = std::get_if<std::string>(&value_)) return *value;
  wrong_kind("a string", *this);
}

const Json::Array& Json::array() const {
  if (const Array* value = std::get_if<Array>(&value_)) return *value;
  wrong_kind("an array", *this);
}

const Json::Object& Json::object() const {
  if (const Object* value = std::get_if<Object>(&value_)) return *value;
  wrong_kind("an object", *this);
}

const Json* Json::find(std::string_view key) const {
  if (const Object* items = std::get_if<Object>(&value_)) {
    for (const auto& [name, value] : *items) {
      if (name == key) return &value;
    }
  }
  return nullptr;
}

const Json& Json::operator[](std::string_view key) const {
  if (const Json* value = find(key)) return *value;
  fail<FileFormatError>("json: no key '", key, "' in ", kind_name(*this));
}

void Json::set(std::string_view key, Json value) {
  if (is_null()) value_ = Object{};
  if (!is_object()) wrong_kind("an object", *this);
  for (auto& [name, old] : std::get<Object>(value_)) {
    if (name == key) {
      old = std::move(value);
      return;
    }
  }
  std::get<Object>(value_).emplace_back(key, std::move(value));
}

std::string Json::dump() const {
  std::string out;
  write(out, *this);
  return out;
}

Json Json::parse(std::string_view text) { return Parser(text).document(); }

}  // namespace bpnet
