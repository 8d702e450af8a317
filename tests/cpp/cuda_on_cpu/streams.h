// Streams: what the host asks for waits until the host waits for it.
#pragma once

#include <cuda_runtime.h>

#include <deque>
#include <functional>
#include <memory>

namespace cuda_on_cpu {

struct Work {
  std::function<void()> run;
  bool on_device = true;  // the GPU's memory is open while it runs
};

struct Capture;

struct Event {
  int device = 0;
  unsigned long long recorded = 0, completed = 0;  // how often
  std::shared_ptr<Capture> capture;                // that it was last recorded in
  std::vector<std::size_t> nodes;                  // of it, that it represents
};

// One step of a stream.
struct Step {
  Work work;
  std::shared_ptr<Event> event;    // that it records or waits for
  unsigned long long version = 0;  // which record of it
  bool waits = false;
};

}  // namespace cuda_on_cpu

struct CUevent_st {
  std::shared_ptr<cuda_on_cpu::Event> event;
};

struct CUstream_st {
  int device = 0;
  bool destroyed = false;
  std::deque<cuda_on_cpu::Step> steps;
  std::shared_ptr<cuda_on_cpu::Capture> capture;  // that it takes part in
  std::vector<std::size_t> last_nodes;            // of it, that what comes next depends on
};

namespace cuda_on_cpu {

// The stream, or for a null one the current GPU's own; null where there is none.
CUstream_st* find_stream(cudaStream_t);

// Puts the work on the stream, or into the graph that captures it.
cudaError_t add_work(CUstream_st& stream, Work work);
void finish_stream(CUstream_st& stream);
void finish_device(int device);

}  // namespace cuda_on_cpu
