#pragma once

// How often the program has taken memory so far, by malloc and its like where glibc is, by operator new
// elsewhere; stays 0 under a sanitizer, which brings its own.
long allocations();

// Refuses one allocation, `after` others from now, or none for a negative number; false where the program's
// allocations are not its own to refuse (under a sanitizer, or without glibc).
bool refuse_allocation(long after);
bool was_refused();  // since then

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
