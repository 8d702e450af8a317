// The system's functions for io/replacement.cpp: files that are created, locked and removed.
// locked_file_posix.cpp and locked_file_windows.cpp each have it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string_view>

namespace bpnet {

constexpr std::intptr_t kNoFile = -1;

// Who may read a new file: only its owner, or those that the process' umask permits.
enum class Readers { kOwner, kUsual };

// A new file, locked by its creator; kNoFile, with errno set, where it cannot be created. EEXIST: the name is
// taken, or another process removed the file before it was locked. Windows ignores readers.
std::intptr_t create_locked(const std::filesystem::path& path, Readers readers);
// Each is 0, or an errno.
int write_all(std::intptr_t file, std::string_view bytes);
int flush_to_disk(std::intptr_t file);
int close_file(std::intptr_t file);
int rename_over(const std::filesystem::path& from, const std::filesystem::path& to);
void flush_folder_of(const std::filesystem::path& file);  // so that a rename survives a power cut
// Removes the files of a folder that have the names of temporary files, if their locks are free: the
// processes that made them are gone.
void remove_abandoned(const std::filesystem::path& folder, const std::filesystem::path::string_type& prefix);

// The name of a temporary file is a prefix followed by this many of these digits; any other file is a user's.
constexpr std::size_t kNameDigits = 16;
constexpr std::string_view kHexadecimal = "0123456789abcdef";

inline bool is_temporary_name(std::basic_string_view<std::filesystem::path::value_type> name,
                              const std::filesystem::path::string_type& prefix) {
  if (name.size() != prefix.size() + kNameDigits || !name.starts_with(prefix)) return false;
  const auto is_digit = [](auto character) {
    return std::find(kHexadecimal.begin(), kHexadecimal.end(), character) != kHexadecimal.end();
  };
  return std::all_of(name.begin() + static_cast<std::ptrdiff_t>(prefix.size()), name.end(), is_digit);
}

}  // namespace bpnet
