#include "graphs.h"

#include <algorithm>
#include <set>

#include "chance.h"
#include "entry.h"

struct CUgraph_st {
  std::vector<cuda_on_cpu::Node> nodes;
};
struct CUgraphExec_st {
  std::shared_ptr<const std::vector<cuda_on_cpu::Node>> nodes;
};

namespace cuda_on_cpu {
namespace {

std::set<std::shared_ptr<Capture>>& captures() {  // captures in progress
  static auto& all = *new std::set<std::shared_ptr<Capture>>;
  return all;
}

// Removes the streams that take part.
void end(const std::shared_ptr<Capture>& capture) {
  captures().erase(capture);
  for (CUstream_st* stream : capture->streams) {
    stream->capture.reset();
    stream->last_nodes.clear();
  }
  capture->streams.clear();
}

cudaError_t begin_capture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  CUstream_st* const stream = handle ? find_stream(handle) : nullptr;  // the default one cannot be captured
  if (!stream) return handle ? cudaErrorInvalidResourceHandle : cudaErrorStreamCaptureUnsupported;
  if (stream->capture) return cudaErrorIllegalState;
  auto capture = std::make_shared<Capture>();
  capture->origin = stream;
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->streams.insert(stream);
  captures().insert(capture);
  stream->capture = std::move(capture);
  return cudaSuccess;
}

bool depends(const std::vector<Node>& nodes, std::vector<std::size_t> last, std::vector<bool>& reached) {
  while (!last.empty()) {
    const std::size_t node = last.back();
    last.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    last.insert(last.end(), nodes[node].after.begin(), nodes[node].after.end());
  }
  return std::find(reached.begin(), reached.end(), false) == reached.end();
}

cudaError_t end_capture(cudaStream_t handle, cudaGraph_t* graph) {
  *graph = nullptr;
  CUstream_st* const stream = handle ? find_stream(handle) : nullptr;
  if (!stream) return cudaErrorInvalidResourceHandle;
  const std::shared_ptr<Capture> capture = stream->capture;
  if (!capture) return cudaErrorIllegalState;
  if (capture->origin != stream) return capture->invalid = true, cudaErrorStreamCaptureUnmatched;
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id()) {
    return cudaErrorStreamCaptureWrongThread;
  }
  std::vector<bool> reached(capture->nodes.size());
  const bool joined = depends(capture->nodes, stream->last_nodes, reached);
  end(capture);
  if (capture->invalid) return cudaErrorStreamCaptureInvalidated;
  if (!joined) return cudaErrorStreamCaptureUnjoined;
  *graph = new CUgraph_st{capture->nodes};
  return cudaSuccess;
}

// In a random order that the dependences allow.
std::vector<std::size_t> order_of(const std::vector<Node>& nodes) {
  std::vector<std::size_t> missing(nodes.size()), able, order;
  std::vector<std::vector<std::size_t>> then(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    missing[i] = nodes[i].after.size();
    if (missing[i] == 0) able.push_back(i);
    for (const std::size_t before : nodes[i].after) then[before].push_back(i);
  }
  while (!able.empty()) {
    std::swap(able[chance(static_cast<std::uint32_t>(able.size()))], able.back());
    const std::size_t node = able.back();
    able.pop_back();
    order.push_back(node);
    for (const std::size_t next : then[node]) {
      if (--missing[next] == 0) able.push_back(next);
    }
  }
  return order;
}

cudaError_t launch_graph(cudaGraphExec_t exec, cudaStream_t handle) {
  CUstream_st* const stream = find_stream(handle);
  if (!exec || !stream) return cudaErrorInvalidResourceHandle;
  if (stream->capture)
    return stream->capture->invalid = true, cudaErrorNotSupported;  // a graph within a graph
  cudaError_t error = cudaSuccess;
  for (const std::size_t i : order_of(*exec->nodes)) {
    if (error == cudaSuccess) error = add_work(*stream, (*exec->nodes)[i].work);
  }
  return error;
}

}  // namespace

cudaError_t refuse_in_capture() {
  const std::thread::id self = std::this_thread::get_id();
  cudaError_t error = cudaSuccess;
  for (const auto& capture : captures()) {
    const bool own = capture->thread == self && capture->mode != cudaStreamCaptureModeRelaxed;
    if (!own && capture->mode != cudaStreamCaptureModeGlobal) continue;
    capture->invalid = true;
    error = cudaErrorStreamCaptureUnsupported;
  }
  return error;
}

cudaError_t refuse_wait(CUstream_st& stream) {
  if (stream.capture) return stream.capture->invalid = true, cudaErrorStreamCaptureUnsupported;
  return refuse_in_capture();
}

cudaError_t capture_work(CUstream_st& stream, Work work) {
  Capture& capture = *stream.capture;
  if (capture.invalid) return cudaErrorStreamCaptureInvalidated;
  capture.nodes.push_back({std::move(work), stream.last_nodes});
  stream.last_nodes = {capture.nodes.size() - 1};
  return cudaSuccess;
}

cudaError_t capture_record(CUstream_st& stream, Event& event) {
  if (stream.capture->invalid) return cudaErrorStreamCaptureInvalidated;
  event.capture = stream.capture;
  event.nodes = stream.last_nodes;
  return cudaSuccess;
}

cudaError_t capture_wait(CUstream_st& stream, Event& event) {
  if (event.capture && !captures().count(event.capture))
    return cudaErrorCapturedEvent;  // of a capture that ended
  if (stream.capture && stream.capture->invalid) return cudaErrorStreamCaptureInvalidated;
  if (!event.capture) return stream.capture->invalid = true, cudaErrorStreamCaptureIsolation;
  if (event.capture->invalid) return cudaErrorStreamCaptureInvalidated;
  if (stream.capture && stream.capture != event.capture) {
    stream.capture->invalid = event.capture->invalid = true;
    return cudaErrorStreamCaptureMerge;
  }
  stream.capture = event.capture;
  stream.capture->streams.insert(&stream);
  for (const std::size_t node : event.nodes) {
    if (std::find(stream.last_nodes.begin(), stream.last_nodes.end(), node) == stream.last_nodes.end()) {
      stream.last_nodes.push_back(node);
    }
  }
  return cudaSuccess;
}

}  // namespace cuda_on_cpu

using cuda_on_cpu::call;

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return call("cudaStreamBeginCapture", [&] { return cuda_on_cpu::begin_capture(stream, mode); });
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  return call("cudaStreamEndCapture", [&] { return cuda_on_cpu::end_capture(stream, graph); });
}
cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  return call("cudaStreamIsCapturing", [&] {
    const CUstream_st* const stream = cuda_on_cpu::find_stream(handle);
    if (!stream) return cudaErrorInvalidResourceHandle;
    *status = !stream->capture           ? cudaStreamCaptureStatusNone
              : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                         : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long flags) {
  return call("cudaGraphInstantiate", [&] {
    if (!graph || flags != 0) return cudaErrorInvalidValue;
    *exec = new CUgraphExec_st{std::make_shared<const std::vector<cuda_on_cpu::Node>>(graph->nodes)};
    return cudaSuccess;
  });
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  return call("cudaGraphLaunch", [&] { return cuda_on_cpu::launch_graph(exec, stream); });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call("cudaGraphDestroy",
              [&] { return graph ? (delete graph, cudaSuccess) : cudaErrorInvalidValue; });
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  return call("cudaGraphExecDestroy",
              [&] { return exec ? (delete exec, cudaSuccess) : cudaErrorInvalidValue; });
}
