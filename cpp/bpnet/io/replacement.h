// A file that replaces another atomically: it is written under a temporary name beside the target, flushed to
// the disk and renamed. Whatever ends the process, the target is the old file or the new one.
//
// The temporary file is locked as long as its writer runs. One that is not locked was left by a process that
// was killed, and the next replacement of the same target removes it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "bpnet/io/locked_file.h"

namespace bpnet {

std::filesystem::path native_path(const std::string& path);  // of UTF-8

class Replacement {
 public:
  // `operation` begins the errors. Throws a FileError that names `path` where no file can be put.
  Replacement(std::string operation, const std::string& path);
  ~Replacement() { discard(); }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  void write(std::string_view bytes);
  void commit();            // with the old file's permissions, where there is one
  void discard() noexcept;  // removes the temporary file, unless commit() has been called

  // For callers that write by other means than write(): the file exists, and is empty.
  const std::filesystem::path& temporary() const { return temporary_; }

 private:
  [[noreturn]] void refuse(int code) const;
  void create(Readers readers);

  const std::string operation_;
  const std::string path_;  // as given by the caller
  std::filesystem::path target_, temporary_;
  std::intptr_t file_ = -1;  // a descriptor, or Windows' handle
};

}  // namespace bpnet
