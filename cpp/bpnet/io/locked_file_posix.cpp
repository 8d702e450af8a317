#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>

#include "bpnet/io/locked_file.h"

namespace bpnet {
namespace {

// One call writes less than 2 GiB.
constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

int descriptor_of(std::intptr_t file) { return static_cast<int>(file); }

// A signal whose handler returns ends some calls early.
template <class Call>
int until_not_interrupted(const Call& call) {
  int result;
  do {
    result = call();
  } while (result != 0 && errno == EINTR);
  return result;
}

bool still_there(int descriptor) {
  struct stat about;
  return fstat(descriptor, &about) == 0 && about.st_nlink > 0;
}

void remove_if_unlocked(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) return;
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) unlink(path.c_str());
  close(descriptor);
}

}  // namespace

// On a file system without locks abandoned files are not removed.
std::intptr_t create_locked(const std::filesystem::path& path, Readers readers) {
  const mode_t mode = readers == Readers::kOwner ? 0600 : 0666;
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (descriptor < 0) return kNoFile;
  // Another process may be checking whether it is abandoned, and then has removed it.
  until_not_interrupted([&] { return flock(descriptor, LOCK_EX); });
  if (still_there(descriptor)) return descriptor;
  close(descriptor);
  errno = EEXIST;
  return kNoFile;
}

int write_all(std::intptr_t file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(descriptor_of(file), bytes.data(), std::min(bytes.size(), kMostAtOnce));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
  return 0;
}

int flush_to_disk(std::intptr_t file) {
  return until_not_interrupted([&] { return fsync(descriptor_of(file)); }) == 0 ? 0 : errno;
}

// If interrupted, it is closed nevertheless: closing again might close another file.
int close_file(std::intptr_t file) { return close(descriptor_of(file)) == 0 || errno == EINTR ? 0 : errno; }

int rename_over(const std::filesystem::path& from, const std::filesystem::path& to) {
  return std::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

void flush_folder_of(const std::filesystem::path& file) {
  const std::string folder = file.parent_path().string();
  const int descriptor = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  until_not_interrupted([&] { return fsync(descriptor); });
  close(descriptor);
}

// Not by a directory_iterator: libstdc++'s ends the process where an allocation fails.
void remove_abandoned(const std::filesystem::path& folder, const std::string& prefix) {
  const std::unique_ptr<DIR, CloseFolder> entries(opendir(folder.c_str()));
  if (!entries) return;
  while (const dirent* const entry = readdir(entries.get())) {
    if (is_temporary_name(entry->d_name, prefix)) remove_if_unlocked(folder / entry->d_name);
  }
}

}  // namespace bpnet
