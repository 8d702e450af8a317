// What the compiler calls before each read and write of the kernels, with -fsanitize=thread.
// ThreadSanitizer's library is not linked.
#include <cstddef>
#include <cstdint>

#include <cuda_runtime.h>

using cuda_on_cpu::note_read;
using cuda_on_cpu::note_write;

#define HIDDEN __attribute__((visibility("hidden")))
#define ACCESSES(size)                                                                         \
  HIDDEN void __tsan_read##size(void* at) { note_read(at, size); }                             \
  HIDDEN void __tsan_write##size(void* at) { note_write(at, size); }                           \
  HIDDEN void __tsan_unaligned_read##size(void* at) { note_read(at, size); }                   \
  HIDDEN void __tsan_unaligned_write##size(void* at) { note_write(at, size); }                 \
  HIDDEN void __tsan_read_write##size(void* at) { note_read(at, size), note_write(at, size); } \
  HIDDEN void __tsan_unaligned_read_write##size(void* at) { note_read(at, size), note_write(at, size); }

extern "C" {
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
HIDDEN void __tsan_read_range(void* at, std::size_t size) { note_read(at, size); }
HIDDEN void __tsan_write_range(void* at, std::size_t size) { note_write(at, size); }
HIDDEN void __tsan_init() {}
HIDDEN void __tsan_func_entry(void*) {}
HIDDEN void __tsan_func_exit() {}
HIDDEN void __tsan_vptr_update(void**, void*) {}
HIDDEN void __tsan_vptr_read(void**) {}
// The host's code: atomic variables, and guards of static ones.
HIDDEN std::uint8_t __tsan_atomic8_load(const volatile std::uint8_t* at, int order) {
  return __atomic_load_n(at, order);
}
HIDDEN std::uint32_t __tsan_atomic32_fetch_add(volatile std::uint32_t* at, std::uint32_t value, int order) {
  return __atomic_fetch_add(at, value, order);
}
HIDDEN std::uint64_t __tsan_atomic64_load(const volatile std::uint64_t* at, int order) {
  return __atomic_load_n(at, order);
}
HIDDEN std::uint64_t __tsan_atomic64_fetch_add(volatile std::uint64_t* at, std::uint64_t value, int order) {
  return __atomic_fetch_add(at, value, order);
}
}
