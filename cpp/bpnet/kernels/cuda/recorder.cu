#include "bpnet/kernels/cuda/recorder.h"

#include "bpnet/kernels/cuda/check.h"
#include "bpnet/kernels/cuda/device.h"

namespace bpnet::cuda {
namespace {

struct Recording {
  Device& device;
  cudaGraphExec_t steps;
};

// The graph of the stream's work since the capture began, or null where something was refused.
cudaGraph_t end_capture(Device& device) {
  cudaGraph_t graph = nullptr;
  device.set_recording(false);
  if (cudaStreamEndCapture(device.stream(), &graph) == cudaSuccess) return graph;
  static_cast<void>(cudaGetLastError());  // clears the error, which the next call would report again
  return nullptr;
}

void destroy(cudaGraph_t graph) {
  if (graph) static_cast<void>(cudaGraphDestroy(graph));
}

cudaGraph_t capture(Device& device, void (*work)(const void* argument), const void* argument) {
  // Calls of other threads, for other GPUs or outside the stream, do not affect this capture.
  if (cudaStreamBeginCapture(device.stream(), cudaStreamCaptureModeThreadLocal) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return nullptr;
  }
  device.set_recording(true);
  try {
    work(argument);
  } catch (const DeviceError&) {
    destroy(end_capture(device));
    static_cast<void>(cudaGetLastError());
    return nullptr;
  } catch (const OutOfMemory&) {  // the GPU's; without a recording there may be enough
    destroy(end_capture(device));
    return nullptr;
  } catch (...) {
    destroy(end_capture(device));
    throw;
  }
  return end_capture(device);
}

void* record(const Context& context, void (*work)(const void* argument), const void* argument) {
  Device& device = device_of(context);
  const Device::Lock lock(device);
  const cudaGraph_t graph = capture(device, work, argument);
  if (!graph) return nullptr;
  cudaGraphExec_t steps = nullptr;
  const cudaError_t error = cudaGraphInstantiate(&steps, graph, 0);
  destroy(graph);
  if (error == cudaSuccess) return new Recording{device, steps};
  static_cast<void>(cudaGetLastError());
  return nullptr;
}

void replay(const Context&, void* recording) {
  const auto& mine = *static_cast<const Recording*>(recording);
  const Device::Lock lock(mine.device);
  check("cudaGraphLaunch", cudaGraphLaunch(mine.steps, mine.device.stream()));
}

// A graph that still runs is destroyed once it has ended.
void release(void* recording) noexcept {
  const auto* mine = static_cast<const Recording*>(recording);
  if (!mine) return;
  try {
    const Device::Lock lock(mine->device);
    static_cast<void>(cudaGraphExecDestroy(mine->steps));
  } catch (const Error&) {  // the driver is shut down
  }
  delete mine;
}

}  // namespace

const Recorder kRecorder = {record, replay, release};

}  // namespace bpnet::cuda
