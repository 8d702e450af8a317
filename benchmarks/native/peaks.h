// What this processor can do at most, measured: multiply-adds in registers, and bytes through memory.
#pragma once

namespace peaks {

// Each runs for some milliseconds on every one of bpnet's threads, and gives the rate of all together.
double multiply_adds();  // float32 operations a second, a multiply-add counted as two
double memory_bytes();   // bytes read and written a second by a[i] = b[i] + s * a[i] over large arrays

}  // namespace peaks
