#pragma once

// How often the program has taken memory so far, by malloc and its like where glibc is, by operator new
// elsewhere; stays 0 under a sanitizer, which brings its own.
long allocations();

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
