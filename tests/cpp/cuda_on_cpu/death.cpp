#include "death.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace cuda_on_cpu {

void die(const char* format, ...) {
  char message[1024];
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  std::fprintf(stderr, "cuda-on-cpu: %s\n", message);
  std::abort();
}

}  // namespace cuda_on_cpu
