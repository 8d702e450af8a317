// What this processor can do at most, measured: multiply-adds in registers, and bytes through memory or
// cache.
#pragma once

#include <cstddef>

namespace peaks {

// Each runs for some 20 milliseconds on every one of bpnet's threads, and gives the best rate of all together
// in that time.

double multiply_adds();  // float32 operations a second, a multiply-add counted as two

// Bytes read and written a second by loops over arrays of so many bytes together, the best of four mixtures:
// one array read, a[i] = b[i], the rule of momentum (three read, two written), that of Adam (four, three).
double memory_bytes(std::size_t bytes);

}  // namespace peaks
