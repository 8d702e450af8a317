#include "streams.h"

#include <optional>
#include <set>
#include <vector>

#include "chance.h"
#include "death.h"
#include "devices.h"
#include "entry.h"
#include "faults.h"
#include "graphs.h"
#include "memory.h"

namespace cuda_on_cpu {
namespace {

std::set<CUstream_st*>& streams() {
  static auto& all = *new std::set<CUstream_st*>;
  return all;
}

CUstream_st* own_stream(int device) {
  static CUstream_st* own[kMostDevices] = {};
  if (!own[device]) {
    own[device] = new CUstream_st;
    own[device]->device = device;
    streams().insert(own[device]);
  }
  return own[device];
}

bool can_run(const CUstream_st& stream) {
  if (stream.steps.empty()) return false;
  const Step& step = stream.steps.front();
  return !step.waits || step.event->completed >= step.version;
}

// Queued steps, in a random order that streams and events allow.
class Progress {
 public:
  ~Progress() { close(); }

  bool make() {
    std::vector<CUstream_st*> able;
    for (CUstream_st* stream : streams()) {
      if (can_run(*stream)) able.push_back(stream);
    }
    if (able.empty()) return false;
    CUstream_st* const stream = able[chance(static_cast<std::uint32_t>(able.size()))];
    const Step step = std::move(stream->steps.front());
    stream->steps.pop_front();
    if (step.work.run) run(stream->device, step.work);
    if (step.event && !step.waits) step.event->completed = std::max(step.event->completed, step.version);
    if (stream->destroyed && stream->steps.empty()) {
      streams().erase(stream);
      delete stream;
    }
    return true;
  }

 private:
  void run(int device, const Work& work) {
    if (failure_of(device) != cudaSuccess) return;
    if (!work.on_device) {
      close();
    } else if (device != device_) {
      close();
      faults_.emplace();
      open_.emplace(device);
      device_ = device;
    }
    work.run();
  }

  void close() {
    if (!open_) return;
    check_canaries(device_);
    open_.reset();
    faults_.reset();
    device_ = -1;
  }

  int device_ = -1;  // whose memory is open
  std::optional<Faults> faults_;
  std::optional<Open> open_;
};

bool running = false;  // a host function runs within

template <class Condition>
void progress_until(const Condition& condition) {
  if (running) die("a host function that a stream runs may not call the runtime");
  running = true;
  {
    Progress progress;
    while (!condition()) {
      if (!progress.make()) die("a stream waits for an event that nothing records");
    }
  }
  running = false;
}

void progress_by_chance() {
  std::uint32_t steps = chance(4);
  Progress progress;
  while (steps-- > 0 && progress.make()) {
  }
}

bool device_is_done(int device) {
  for (const CUstream_st* stream : streams()) {
    if (stream->device == device && !stream->steps.empty()) return false;
  }
  return true;
}

cudaError_t create(cudaStream_t* stream, unsigned flags) {
  if (device_count() == 0) return cudaErrorNoDevice;
  if (flags != cudaStreamNonBlocking)
    return cudaErrorNotSupported;  // the order that CUDA's default stream imposes
  *stream = new CUstream_st;
  (*stream)->device = current_device();
  streams().insert(*stream);
  return cudaSuccess;
}

cudaError_t destroy(cudaStream_t handle) {
  CUstream_st* const stream = handle ? find_stream(handle) : nullptr;
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (stream->capture) return stream->capture->invalid = true, cudaErrorStreamCaptureUnsupported;
  stream->destroyed = true;
  if (!stream->steps.empty()) return cudaSuccess;  // destroyed when they are done
  streams().erase(stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t synchronize(cudaStream_t handle) {
  CUstream_st* const stream = find_stream(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  const cudaError_t refused = refuse_wait(*stream);
  if (refused != cudaSuccess) return refused;
  return finish_stream(*stream), cudaSuccess;
}

cudaError_t query(cudaStream_t handle) {
  CUstream_st* const stream = find_stream(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  const cudaError_t refused = refuse_wait(*stream);
  if (refused != cudaSuccess) return refused;
  progress_by_chance();
  return stream->steps.empty() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t add_step(CUstream_st& stream, Step step) {
  return stream.steps.push_back(std::move(step)), cudaSuccess;
}

cudaError_t record(cudaEvent_t handle, cudaStream_t stream_handle) {
  CUstream_st* const stream = find_stream(stream_handle);
  if (!stream || !handle || handle->event->device != stream->device) return cudaErrorInvalidResourceHandle;
  Event& event = *handle->event;
  if (stream->capture) return capture_record(*stream, event);
  event.capture.reset();
  return add_step(*stream, {{}, handle->event, ++event.recorded, false});
}

cudaError_t wait(cudaStream_t stream_handle, cudaEvent_t handle) {
  CUstream_st* const stream = find_stream(stream_handle);
  if (!stream || !handle) return cudaErrorInvalidResourceHandle;
  Event& event = *handle->event;
  if (stream->capture || event.capture) return capture_wait(*stream, event);
  return add_step(*stream, {{}, handle->event, event.recorded, true});
}

}  // namespace

CUstream_st* find_stream(cudaStream_t handle) {
  if (device_count() == 0) return nullptr;
  if (!handle) return own_stream(current_device());
  const auto found = streams().find(handle);
  return found == streams().end() || (*found)->destroyed ? nullptr : *found;
}

cudaError_t add_work(CUstream_st& stream, Work work) {
  if (stream.capture) return capture_work(stream, std::move(work));
  return add_step(stream, {std::move(work), nullptr, 0, false});
}

void finish_stream(CUstream_st& stream) {
  progress_until([&] { return stream.steps.empty(); });
}

void finish_device(int device) {
  progress_until([&] { return device_is_done(device); });
}

}  // namespace cuda_on_cpu

using cuda_on_cpu::call;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return call("cudaStreamCreateWithFlags", [&] { return cuda_on_cpu::create(stream, flags); });
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return call("cudaStreamDestroy", [&] { return cuda_on_cpu::destroy(stream); });
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return call("cudaStreamSynchronize", [&] { return cuda_on_cpu::synchronize(stream); });
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return call("cudaStreamQuery", [&] { return cuda_on_cpu::query(stream); });
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  return call("cudaStreamWaitEvent", [&] {
    return flags == cudaEventWaitDefault ? cuda_on_cpu::wait(stream, event) : cudaErrorInvalidValue;
  });
}
cudaError_t cudaDeviceSynchronize() {
  return call("cudaDeviceSynchronize", [&] {
    if (cuda_on_cpu::device_count() == 0) return cudaErrorNoDevice;
    for (CUstream_st* stream : cuda_on_cpu::streams()) {
      if (stream->device != cuda_on_cpu::current_device() || !stream->capture) continue;
      return stream->capture->invalid = true, cudaErrorStreamCaptureUnsupported;
    }
    const cudaError_t refused = cuda_on_cpu::refuse_in_capture();
    if (refused == cudaSuccess) cuda_on_cpu::finish_device(cuda_on_cpu::current_device());
    return refused;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call("cudaEventCreateWithFlags", [&] {
    if (cuda_on_cpu::device_count() == 0) return cudaErrorNoDevice;
    if (flags & ~(cudaEventBlockingSync | cudaEventDisableTiming)) return cudaErrorInvalidValue;
    *event = new CUevent_st{std::make_shared<cuda_on_cpu::Event>()};
    (*event)->event->device = cuda_on_cpu::current_device();
    return cudaSuccess;
  });
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call("cudaEventDestroy",
              [&] { return event ? (delete event, cudaSuccess) : cudaErrorInvalidResourceHandle; });
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return call("cudaEventRecord", [&] { return cuda_on_cpu::record(event, stream); });
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call("cudaEventSynchronize", [&] {
    if (!event) return cudaErrorInvalidResourceHandle;
    cuda_on_cpu::Event& it = *event->event;
    if (it.capture) return it.capture->invalid = true, cudaErrorCapturedEvent;
    const cudaError_t refused = cuda_on_cpu::refuse_in_capture();
    if (refused == cudaSuccess) cuda_on_cpu::progress_until([&] { return it.completed >= it.recorded; });
    return refused;
  });
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call("cudaEventQuery", [&] {
    if (!event) return cudaErrorInvalidResourceHandle;
    cuda_on_cpu::Event& it = *event->event;
    if (it.capture) return it.capture->invalid = true, cudaErrorCapturedEvent;
    const cudaError_t refused = cuda_on_cpu::refuse_in_capture();
    if (refused != cudaSuccess) return refused;
    cuda_on_cpu::progress_by_chance();
    return it.completed >= it.recorded ? cudaSuccess : cudaErrorNotReady;
  });
}
