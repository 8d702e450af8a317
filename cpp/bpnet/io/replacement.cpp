#include "bpnet/io/replacement.h"

#include <algorithm>
#include <cerrno>
#include <random>
#include <utility>

#include "bpnet/core/error.h"
#include "bpnet/core/threads/interrupt.h"
#include "bpnet/io/locked_file.h"

namespace bpnet {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = ".tmp-";
constexpr int kMostLinks = 40;                        // as POSIX systems follow
constexpr std::size_t kMostName = 200;                // of the 255 bytes that file systems allow
constexpr std::size_t kPiece = std::size_t{1} << 24;  // between two of these the caller may interrupt

// The target of a path: a link remains a link, also one whose target does not exist yet.
fs::path follow_links(fs::path target, std::error_code& problem) {
  for (int links = 0; fs::is_symlink(fs::symlink_status(target, problem)); ++links) {
    if (links == kMostLinks) {
      problem = std::make_error_code(std::errc::too_many_symbolic_link_levels);
      return target;
    }
    const fs::path to = fs::read_symlink(target, problem);
    if (problem) return target;
    target = target.parent_path() / to;  // which is `to` itself where that is absolute
  }
  problem.clear();
  return target;
}

// The prefix of a target's temporary files. A long name is cut, so that theirs still fit.
fs::path::string_type prefix_of(const fs::path& target) {
  fs::path::string_type name = target.filename().native();
  std::size_t end = std::min(name.size(), kMostName);
  while (end < name.size() && (name[end] & 0xC0) == 0x80) --end;  // not within a character of UTF-8
  name.resize(end);
  name.insert(name.end(), kMark.begin(), kMark.end());
  return name;
}

// Unique over time, not only among running processes: in a container process ids repeat.
fs::path::string_type random_digits() {
  static thread_local std::random_device device;
  fs::path::string_type digits;
  for (std::size_t i = 0; i < kNameDigits; ++i) digits += kHexadecimal[device() & 15];
  return digits;
}

}  // namespace

fs::path native_path(const std::string& path) { return fs::path(std::u8string(path.begin(), path.end())); }

Replacement::Replacement(std::string operation, const std::string& path)
    : operation_(std::move(operation)), path_(path) {
  std::error_code problem;
  target_ = follow_links(native_path(path), problem);
  if (problem) refuse(problem.value());
  const auto status = fs::status(target_, problem);
  if (fs::is_directory(status)) refuse(EISDIR);
  if (fs::exists(status) && !fs::is_regular_file(status)) refuse(EINVAL);
  if (!target_.has_filename()) refuse(target_.empty() ? ENOENT : EISDIR);
  const fs::path folder = target_.parent_path();
  remove_abandoned(folder.empty() ? fs::path(".") : folder, prefix_of(target_));
  // The old file's mode is set in commit(): until then others cannot read contents that it may protect.
  create(fs::exists(status) ? Readers::kOwner : Readers::kUsual);
}

void Replacement::create(Readers readers) {
  constexpr int kTries = 100;
  for (int attempt = 0; file_ == kNoFile; ++attempt) {
    temporary_ = target_.parent_path() / (prefix_of(target_) + random_digits());
    file_ = create_locked(temporary_, readers);
    if (file_ == kNoFile && (errno != EEXIST || attempt == kTries)) {
      throw FileError(operation_ + ": no temporary file can be made beside it", errno, path_);
    }
  }
}

void Replacement::discard() noexcept {
  if (file_ == kNoFile) return;
  std::error_code ignored;
  fs::remove(temporary_, ignored);
  close_file(std::exchange(file_, kNoFile));
}

void Replacement::refuse(int code) const { throw FileError(operation_, code, path_); }

void Replacement::write(std::string_view bytes) {
  Interruptible* const work = Interruptible::current();
  while (!bytes.empty()) {
    if (work) work->check();
    const std::string_view piece = bytes.substr(0, kPiece);
    if (const int code = write_all(file_, piece)) refuse(code);
    bytes.remove_prefix(piece.size());
  }
}

void Replacement::commit() {
  if (const int code = flush_to_disk(file_)) refuse(code);
  std::error_code ignored;
  const auto old = fs::status(target_, ignored);
  if (fs::exists(old)) fs::permissions(temporary_, old.permissions(), ignored);
  if (const int code = rename_over(temporary_, target_)) refuse(code);
  const int code = close_file(file_);
  file_ = kNoFile;
  if (code) refuse(code);
  flush_folder_of(target_);
}

}  // namespace bpnet
