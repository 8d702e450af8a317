#include <cudnn.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "bpnet/kernels/cuda/convolution_library.h"
#include "bpnet/kernels/cuda/plans.h"

namespace bpnet::cuda {

struct ConvolutionPlan {
  ConvolutionPass pass;
  bool usable = false;  // else cuDNN does not support it
  cudnnTensorDescriptor_t x = nullptr, y = nullptr;
  cudnnFilterDescriptor_t w = nullptr;
  cudnnConvolutionDescriptor_t convolution = nullptr;
  int algorithm = 0;  // of the pass's enumeration
  std::size_t workspace = 0;
};

namespace {

void check(const char* call, cudnnStatus_t status) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  if (status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED) refuse_memory_of(call);
  fail<DeviceError>("cuda: ", call, ": ", cudnnGetErrorString(status));
}

// Whether cuDNN supports the request; throws for any other error.
bool supported(const char* call, cudnnStatus_t status) {
  const int kind = CUDNN_STATUS_CATEGORY(status);
  if (kind == CUDNN_STATUS_NOT_SUPPORTED || kind == CUDNN_STATUS_BAD_PARAM) return false;
  check(call, status);
  return true;
}

// cuDNN counts in int.
bool countable(const ConvolutionSizes& s) {
  const ConvolutionKey sizes = convolution_key({}, {}, 0, {}, s);
  return *std::max_element(sizes.begin(), sizes.end()) <= std::size_t{std::numeric_limits<int>::max()};
}

// Whether cuDNN accepts these sizes: it limits an array's elements too.
bool describe(ConvolutionPlan& plan, const ConvolutionSizes& s, cudnnTensorFormat_t format,
              cudnnDataType_t type, cudnnMathType_t math) {
  const auto integer = [](std::size_t size) { return static_cast<int>(size); };
  const WindowAxis &h = s.height, &w = s.width;
  check("cudnnCreateTensorDescriptor", cudnnCreateTensorDescriptor(&plan.x));
  check("cudnnCreateTensorDescriptor", cudnnCreateTensorDescriptor(&plan.y));
  check("cudnnCreateFilterDescriptor", cudnnCreateFilterDescriptor(&plan.w));
  check("cudnnCreateConvolutionDescriptor", cudnnCreateConvolutionDescriptor(&plan.convolution));
  return supported("cudnnSetTensor4dDescriptor",
                   cudnnSetTensor4dDescriptor(plan.x, format, type, integer(s.n), integer(s.channels),
                                              integer(h.in), integer(w.in))) &&
         supported("cudnnSetTensor4dDescriptor",
                   cudnnSetTensor4dDescriptor(plan.y, format, type, integer(s.n), integer(s.out_channels),
                                              integer(h.out), integer(w.out))) &&
         supported("cudnnSetFilter4dDescriptor",
                   cudnnSetFilter4dDescriptor(plan.w, type, format, integer(s.out_channels),
                                              integer(s.channels / s.groups), integer(h.kernel),
                                              integer(w.kernel))) &&
         supported("cudnnSetConvolution2dDescriptor",
                   cudnnSetConvolution2dDescriptor(plan.convolution, integer(h.before), integer(w.before),
                                                   integer(h.stride), integer(w.stride), integer(h.dilation),
                                                   integer(w.dilation), CUDNN_CROSS_CORRELATION, type)) &&
         supported("cudnnSetConvolutionGroupCount",
                   cudnnSetConvolutionGroupCount(plan.convolution, integer(s.groups))) &&
         supported("cudnnSetConvolutionMathType", cudnnSetConvolutionMathType(plan.convolution, math));
}

// Chooses the fastest algorithm that is deterministic and fits; `found` is sorted by speed.
template <class Found>
void choose(ConvolutionPlan& plan, const Found* found, int count, std::size_t most_workspace, bool tf32) {
  for (const Found* f = found; f != found + count && !plan.usable; ++f) {
    const bool full = f->mathType == CUDNN_FMA_MATH || f->mathType == CUDNN_DEFAULT_MATH;
    if (f->mathType == CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION) continue;  // to 16 bits
    if (f->status != CUDNN_STATUS_SUCCESS || f->determinism != CUDNN_DETERMINISTIC ||
        f->memory > most_workspace)
      continue;
    if (!full && !tf32) continue;
    if (tf32) {
      check("cudnnSetConvolutionMathType", cudnnSetConvolutionMathType(plan.convolution, f->mathType));
    }
    plan.algorithm = f->algo;
    plan.workspace = f->memory;
    plan.usable = true;
  }
}

void find_algorithm(cudnnHandle_t handle, ConvolutionPlan& plan, std::size_t most_workspace, bool tf32) {
  int count = 0;
  switch (plan.pass) {
    case ConvolutionPass::kForward: {
      cudnnConvolutionFwdAlgoPerf_t found[CUDNN_CONVOLUTION_FWD_ALGO_COUNT];
      if (supported("cudnnGetConvolutionForwardAlgorithm_v7",
                    cudnnGetConvolutionForwardAlgorithm_v7(handle, plan.x, plan.w, plan.convolution, plan.y,
                                                           std::size(found), &count, found))) {
        choose(plan, found, count, most_workspace, tf32);
      }
      return;
    }
    case ConvolutionPass::kInput: {
      cudnnConvolutionBwdDataAlgoPerf_t found[CUDNN_CONVOLUTION_BWD_DATA_ALGO_COUNT];
      if (supported("cudnnGetConvolutionBackwardDataAlgorithm_v7",
                    cudnnGetConvolutionBackwardDataAlgorithm_v7(handle, plan.w, plan.y, plan.convolution,
                                                                plan.x, std::size(found), &count, found))) {
        choose(plan, found, count, most_workspace, tf32);
      }
      return;
    }
    case ConvolutionPass::kWeight: {
      cudnnConvolutionBwdFilterAlgoPerf_t found[CUDNN_CONVOLUTION_BWD_FILTER_ALGO_COUNT];
      if (supported("cudnnGetConvolutionBackwardFilterAlgorithm_v7",
                    cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle, plan.x, plan.y, plan.convolution,
                                                                  plan.w, std::size(found), &count, found))) {
        choose(plan, found, count, most_workspace, tf32);
      }
      return;
    }
  }
}

class Convolutions final : public Library {
 public:
  explicit Convolutions(const Device& device) {
    check("cudnnCreate", cudnnCreate(&handle_));
    check("cudnnSetStream", cudnnSetStream(handle_, device.stream()));
  }

  template <class T>
  const ConvolutionPlan& plan(const Device& device, ConvolutionPass pass, Layout layout, Precision precision,
                              const ConvolutionSizes& sizes) {
    return plans_.get(device, convolution_key(pass, layout, sizeof(T), precision, sizes), [&] {
      const bool single = sizeof(T) == sizeof(float), tf32 = single && precision == Precision::kTf32;
      ConvolutionPlan made{pass};
      if (!countable(sizes)) return made;
      if (describe(made, sizes, layout == Layout::kChannelsLast ? CUDNN_TENSOR_NHWC : CUDNN_TENSOR_NCHW,
                   single ? CUDNN_DATA_FLOAT : CUDNN_DATA_DOUBLE,
                   single && !tf32 ? CUDNN_FMA_MATH : CUDNN_DEFAULT_MATH)) {
        find_algorithm(handle_, made, library_workspace(sizes, sizeof(T), layout), tf32);
      }
      return made;
    });
  }

  template <class T>
  void run(const ConvolutionPlan& p, const T* a, const T* b, T* result, void* workspace, bool accumulate) {
    const T one = 1, beta = accumulate ? T(1) : T(0);
    switch (p.pass) {
      case ConvolutionPass::kForward:
        return check("cudnnConvolutionForward",
                     cudnnConvolutionForward(handle_, &one, p.x, a, p.w, b, p.convolution,
                                             static_cast<cudnnConvolutionFwdAlgo_t>(p.algorithm), workspace,
                                             p.workspace, &beta, p.y, result));
      case ConvolutionPass::kInput:
        return check("cudnnConvolutionBackwardData",
                     cudnnConvolutionBackwardData(handle_, &one, p.w, b, p.y, a, p.convolution,
                                                  static_cast<cudnnConvolutionBwdDataAlgo_t>(p.algorithm),
                                                  workspace, p.workspace, &beta, p.x, result));
      case ConvolutionPass::kWeight:
        return check("cudnnConvolutionBackwardFilter",
                     cudnnConvolutionBackwardFilter(handle_, &one, p.x, a, p.y, b, p.convolution,
                                                    static_cast<cudnnConvolutionBwdFilterAlgo_t>(p.algorithm),
                                                    workspace, p.workspace, &beta, p.w, result));
    }
  }

 private:
  cudnnHandle_t handle_ = nullptr;
  Plans<ConvolutionKey, ConvolutionPlan> plans_;
};

Convolutions& convolutions(Device& device) {
  if (!device.convolutions) device.convolutions = std::make_unique<Convolutions>(device);
  return static_cast<Convolutions&>(*device.convolutions);
}

}  // namespace

template <class T>
const ConvolutionPlan* library_plan(Context& context, ConvolutionPass pass, Layout layout,
                                    const ConvolutionSizes& sizes) {
  Device& device = device_of(context);
  const Device::Lock lock(device);
  const ConvolutionPlan& plan = convolutions(device).plan<T>(device, pass, layout, context.precision, sizes);
  return plan.usable ? &plan : nullptr;
}

// Space for parts of the weights' sums, and for the images with channels first, which it may create from
// those with channels last.
std::size_t library_workspace(const ConvolutionSizes& s, std::size_t element, Layout layout) {
  constexpr std::size_t kAlways = std::size_t{16} << 20;
  const std::size_t image =
      s.height.in * s.width.in * s.channels + s.height.out * s.width.out * s.out_channels;
  const std::size_t weights = s.out_channels * (s.channels / s.groups) * s.height.kernel * s.width.kernel;
  return kAlways + ((layout == Layout::kChannelsLast ? s.n * image : 0) + 4 * weights) * element;
}

template <class T>
void library_convolution(Context& context, const ConvolutionPlan& plan, const T* a, const T* b, T* result,
                         void* workspace, bool accumulate) {
  Device& device = device_of(context);
  const Device::Lock lock(device);
  convolutions(device).run(plan, a, b, result, workspace, accumulate);
}

template const ConvolutionPlan* library_plan<float>(Context&, ConvolutionPass, Layout,
                                                    const ConvolutionSizes&);
template const ConvolutionPlan* library_plan<double>(Context&, ConvolutionPass, Layout,
                                                     const ConvolutionSizes&);
template void library_convolution(Context&, const ConvolutionPlan&, const float*, const float*, float*, void*,
                                  bool);
template void library_convolution(Context&, const ConvolutionPlan&, const double*, const double*, double*,
                                  void*, bool);

}  // namespace bpnet::cuda
