// Streams: operations are executed when the host waits for them.
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
  std::shared_ptr<Capture> capture;                // in which it was last recorded
  std::vector<std::size_t> nodes;                  // of the capture, represented by the event
};

// One step of a stream.
struct Step {
  Work work;
  std::shared_ptr<Event> event;    // recorded or waited for
  unsigned long long version = 0;  // which recording of it
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
  std::shared_ptr<cuda_on_cpu::Capture> capture;  // in progress
  std::vector<std::size_t> last_nodes;            // of the capture, on which the next node depends
};

namespace cuda_on_cpu {

// The stream, or for a null one the current GPU's default stream; null where there is none.
CUstream_st* find_stream(cudaStream_t);

// Puts the work on the stream, or into the graph that captures it.
cudaError_t add_work(CUstream_st& stream, Work work);
void finish_stream(CUstream_st& stream);
void finish_device(int device);

}  // namespace cuda_on_cpu
