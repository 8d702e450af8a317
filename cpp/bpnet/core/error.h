// The kinds of error bpnet throws. A message begins with the operation and shows both sides:
// "linear: input has 783 features, weight expects 784".
#pragma once

#include <cstring>
#include <stdexcept>
#include <string>

#include "bpnet/core/text.h"

namespace bpnet {

class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

class ShapeError : public Error {  // sizes that do not fit together
  using Error::Error;
};
class ValueError : public Error {  // a value outside its range
  using Error::Error;
};
class FileError : public Error {  // the system refused to read or write a file
 public:
  FileError(const std::string& operation, int code, const std::string& path)
      : Error(operation + ": '" + path + "': " + std::strerror(code)),
        operation_(operation),
        code_(code),
        path_(path) {}
  const std::string& operation() const { return operation_; }
  int code() const { return code_; }  // errno
  const std::string& path() const { return path_; }

 private:
  std::string operation_;
  int code_;
  std::string path_;
};
class FileFormatError : public Error {  // a file with invalid contents
  using Error::Error;
};
class NumericError : public Error {  // NaN or infinity
  using Error::Error;
};
class Interrupted : public Error {  // the caller interrupted the work
  using Error::Error;
};
class DeviceError : public Error {  // a backend or device that is not available
  using Error::Error;
};

template <class Kind, class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::string text;
  (append_text(text, parts), ...);
  throw Kind(text);
}

}  // namespace bpnet
