#pragma once

// How often the program has allocated memory so far, by malloc and related functions with glibc, by operator
// new elsewhere; 0 under a sanitizer, which replaces these functions.
long allocations();

// Makes one allocation fail, `after` others from now, or none for a negative number; false where the program
// cannot replace the allocator (under a sanitizer, or without glibc).
bool refuse_allocation(long after);
bool was_refused();  // since then

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
