// A JSON value, for architectures, optimizers and trainer state. Objects keep the order of their keys;
// integers are exact to 64 bits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bpnet {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;

  Json() = default;  // null
  Json(const Json& other);
  Json(Json&&) noexcept = default;
  Json& operator=(const Json& other);
  Json& operator=(Json&&) noexcept = default;
  ~Json() = default;
  Json(bool value) : value_(value) {}
  Json(double value) : value_(value) {}
  Json(std::int64_t value) : value_(value) {}
  Json(int value) : value_(std::int64_t{value}) {}
  Json(std::size_t value);  // a ValueError above 2^63 − 1
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(value_); }
  bool is_number() const { return is_integer() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // Each throws a FileFormatError that names the kind found when the value is of another kind.
  bool boolean() const;
  std::int64_t integer() const;
  std::size_t size() const;    // an integer ≥ 0
  std::uint64_t word() const;  // 64 bits, written as a string: "18446744073709551615"
  double number() const;
  const std::string& string() const;
  const Array& array() const;
  const Object& object() const;

  const Json* find(std::string_view key) const;        // null when absent or not an object
  const Json& operator[](std::string_view key) const;  // a FileFormatError when absent
  void set(std::string_view key, Json value);          // replaces, or appends

  std::string dump() const;
  static Json parse(std::string_view text);  // UTF-8; a FileFormatError with the byte's position

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

}  // namespace bpnet
