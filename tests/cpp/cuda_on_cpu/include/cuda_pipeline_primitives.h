// Copies into shared memory that a thread begins and later waits for.
#pragma once

#include <cuda_runtime.h>

// Made when the thread waits, so that who reads them before finds other numbers.
void __pipeline_memcpy_async(void* to, const void* from, std::size_t bytes);
void __pipeline_commit();
// For all but the last `unfinished` that were committed.
void __pipeline_wait_prior(std::size_t unfinished);
