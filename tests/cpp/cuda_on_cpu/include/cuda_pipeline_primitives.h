// Asynchronous copies into shared memory.
#pragma once

#include <cuda_runtime.h>

// Executed when the thread waits, so that an earlier read finds other numbers.
void __pipeline_memcpy_async(void* to, const void* from, std::size_t bytes);
void __pipeline_commit();
// Waits for all but the last `unfinished` committed batches.
void __pipeline_wait_prior(std::size_t unfinished);
