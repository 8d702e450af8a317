#include "settings.h"

#include <cerrno>
#include <cstdlib>

#include "death.h"

namespace cuda_on_cpu {

std::uint64_t setting(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  if (!text || !*text) return otherwise;
  char* end = nullptr;
  errno = 0;
  const std::uint64_t value = std::strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end || errno) die("%s is '%s', which is no number", variable, text);
  return value;
}

}  // namespace cuda_on_cpu
