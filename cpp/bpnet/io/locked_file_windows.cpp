#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "bpnet/io/locked_file.h"

namespace bpnet {
namespace {

constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;

HANDLE handle_of(std::intptr_t file) { return reinterpret_cast<HANDLE>(file); }

int last_error() {
  switch (GetLastError()) {
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS: return EEXIST;
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND: return ENOENT;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
    case ERROR_WRITE_PROTECT: return EACCES;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL: return ENOSPC;
    case ERROR_FILENAME_EXCED_RANGE: return ENAMETOOLONG;
    default: return EIO;
  }
}

void remove_if_unlocked(const std::filesystem::path& path) {
  const HANDLE handle = CreateFileW(path.c_str(), GENERIC_READ | DELETE, FILE_SHARE_DELETE, nullptr,
                                    OPEN_EXISTING, FILE_FLAG_DELETE_ON_CLOSE, nullptr);
  if (handle != INVALID_HANDLE_VALUE) CloseHandle(handle);
}

}  // namespace

// Another opener must share it for writing, as the C library does and remove_if_unlocked does not. It is
// opened for writing only, since the C library would not share it for deletion, which a rename needs.
std::intptr_t create_locked(const std::filesystem::path& path, Readers) {
  constexpr DWORD kShared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  const HANDLE handle =
      CreateFileW(path.c_str(), GENERIC_WRITE, kShared, nullptr, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (handle != INVALID_HANDLE_VALUE) return reinterpret_cast<std::intptr_t>(handle);
  errno = last_error();
  return kNoFile;
}

int write_all(std::intptr_t file, std::string_view bytes) {
  while (!bytes.empty()) {
    DWORD done = 0;
    const auto count = static_cast<DWORD>(std::min(bytes.size(), kMostAtOnce));
    if (!WriteFile(handle_of(file), bytes.data(), count, &done, nullptr)) return last_error();
    bytes.remove_prefix(done);
  }
  return 0;
}

int flush_to_disk(std::intptr_t file) { return FlushFileBuffers(handle_of(file)) ? 0 : last_error(); }
int close_file(std::intptr_t file) { return CloseHandle(handle_of(file)) ? 0 : last_error(); }

int rename_over(const std::filesystem::path& from, const std::filesystem::path& to) {
  return MoveFileExW(from.c_str(), to.c_str(), MOVEFILE_REPLACE_EXISTING) ? 0 : last_error();
}

void flush_folder_of(const std::filesystem::path&) {}  // Windows has no such call

void remove_abandoned(const std::filesystem::path& folder, const std::wstring& prefix) {
  WIN32_FIND_DATAW entry;
  const HANDLE entries = FindFirstFileW((folder / (prefix + L"*")).c_str(), &entry);
  if (entries == INVALID_HANDLE_VALUE) return;
  do {
    if (is_temporary_name(entry.cFileName, prefix)) remove_if_unlocked(folder / entry.cFileName);
  } while (FindNextFileW(entries, &entry));
  FindClose(entries);
}

}  // namespace bpnet
