// What io/replacement.cpp needs of the system: files that are created, locked and removed.
// locked_file_posix.cpp and locked_file_windows.cpp each have it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace bpnet {

constexpr std::intptr_t kNoFile = -1;

// A new file that its creator holds the lock of; kNoFile, with errno set, where it cannot be made. EEXIST:
// the name is taken, or another process removed the file before it was locked.
std::intptr_t create_locked(const std::filesystem::path& path);
// Each is 0, or an errno.
int write_all(std::intptr_t file, std::string_view bytes);
int flush_to_disk(std::intptr_t file);
int close_file(std::intptr_t file);
int rename_over(const std::filesystem::path& from, const std::filesystem::path& to);
void flush_folder_of(const std::filesystem::path& file);  // so that a rename survives a power cut
// Removes the files of a folder whose names begin with `prefix` and have `length` characters, if their locks
// are free: the processes that made them are gone.
void remove_abandoned(const std::filesystem::path& folder, const std::filesystem::path::string_type& prefix,
                      std::size_t length);

}  // namespace bpnet
