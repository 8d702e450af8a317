// Captures and graphs.
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "streams.h"

namespace cuda_on_cpu {

struct Node {
  Work work;
  std::vector<std::size_t> after;  // the nodes that it depends on
};

struct Capture {
  std::vector<Node> nodes;
  CUstream_st* origin = nullptr;
  std::set<CUstream_st*> streams;  // taking part
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread;
  bool invalid = false;
};

// For calls that CUDA names potentially unsafe: invalidates the captures that forbid them to this thread.
cudaError_t refuse_in_capture();
// For calls that wait for the stream.
cudaError_t refuse_wait(CUstream_st& stream);

cudaError_t capture_work(CUstream_st& stream, Work work);
cudaError_t capture_record(CUstream_st& stream, Event& event);
cudaError_t capture_wait(CUstream_st& stream, Event& event);

}  // namespace cuda_on_cpu
