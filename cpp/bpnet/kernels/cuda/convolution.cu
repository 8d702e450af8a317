#include <algorithm>

#include "bpnet/kernels/cuda/bias_activation.h"
#include "bpnet/kernels/cuda/column_sums.h"
#include "bpnet/kernels/cuda/convolution_direct.h"
#include "bpnet/kernels/cuda/convolution_library.h"
#include "bpnet/kernels/cuda/launch.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

size_t positions(const ConvolutionSizes& s) { return s.n * s.height.out * s.width.out; }
size_t window(const ConvolutionSizes& s) { return s.height.kernel * s.width.kernel; }
size_t weights(const ConvolutionSizes& s) { return s.out_channels * (s.channels / s.groups) * window(s); }

size_t extent(const WindowAxis& axis) { return (axis.kernel - 1) * axis.dilation + 1; }

// Whether the library's formula, with equal padding before and after, gives this output size.
bool is_even(const WindowAxis& axis) {
  const size_t in = axis.in + 2 * axis.before;
  return in >= extent(axis) && (in - extent(axis)) / axis.stride + 1 == axis.out;
}

// The axis of exactly the inputs from the first used one to the last, padding included.
WindowAxis seen(const WindowAxis& axis) {
  return {(axis.out - 1) * axis.stride + extent(axis), axis.out, axis.kernel, axis.stride, axis.dilation, 0};
}

size_t inputs(const ConvolutionSizes& s) { return s.n * s.height.in * s.width.in * s.channels; }
size_t outputs(const ConvolutionSizes& s) { return positions(s) * s.out_channels; }

// The request to the library.
struct Form {
  ConvolutionSizes sizes;
  bool framed;      // its images are copies with padding, or without unused inputs
  bool transposed;  // its weights are transposed copies, where its channels are last

  explicit Form(const ConvolutionSizes& s)
      : sizes(s),
        framed(!is_even(s.height) || !is_even(s.width)),
        transposed(window(s) > 1 && s.channels > s.groups) {
    if (!framed) return;
    sizes.height = seen(s.height);
    sizes.width = seen(s.width);
  }
};

// The copies. After the first two, the same memory holds the copies with channels first and the library's
// workspace beside them, or its workspace with channels last, or the sums.
template <class T>
struct Pieces {
  T *weights, *framed;
  T *inputs_first, *outputs_first;
  unsigned char *library_first, *library_last, *sums;

  unsigned char* library(Layout layout) const {
    return layout == Layout::kChannelsFirst ? library_first : library_last;
  }
};

template <class T>
Pieces<T> take(Scratch& scratch, const Form& form) {
  const ConvolutionSizes& s = form.sizes;
  Pieces<T> pieces{};
  if (form.transposed) pieces.weights = scratch.take<T>(weights(s));
  if (form.framed) pieces.framed = scratch.take<T>(inputs(s));
  Scratch last = scratch, sums = scratch;
  pieces.inputs_first = scratch.take<T>(inputs(s));
  pieces.outputs_first = scratch.take<T>(outputs(s));
  pieces.library_first = scratch.take<unsigned char>(library_workspace(s, sizeof(T), Layout::kChannelsFirst));
  pieces.library_last = last.take<unsigned char>(library_workspace(s, sizeof(T), Layout::kChannelsLast));
  pieces.sums = sums.take<unsigned char>(column_sums_workspace(positions(s), s.out_channels));
  scratch.bytes = std::max({scratch.bytes, last.bytes, sums.bytes});
  return pieces;
}

template <class T>
size_t convolution_workspace(const ConvolutionSizes& s) {
  if (positions(s) == 0) return 0;
  Scratch scratch{nullptr};
  take<T>(scratch, Form(s));
  return scratch.bytes;
}

// Between (out, in/groups, window) and (out, window, in/groups).
template <class T>
struct TransposeWeights {
  size_t in, window;
  const T* from;
  T* to;
  bool back, accumulate;

  __device__ void operator()(size_t i) const {  // of (out, in/groups, window)
    const size_t t = i % window, j = i / window % in, c = i / window / in;
    const size_t other = (c * window + t) * in + j;
    if (!back) {
      to[other] = from[i];
    } else {
      to[i] = accumulate ? to[i] + from[other] : from[other];
    }
  }
};

// An image (high, wide, channels) and its copy in a frame, before which `top` rows and `left` columns are 0.
struct Frame {
  size_t high, wide, channels, top, left;
  size_t frame_high, frame_wide;

  Frame(const ConvolutionSizes& s, const ConvolutionSizes& form)
      : high(s.height.in),
        wide(s.width.in),
        channels(s.channels),
        top(s.height.before),
        left(s.width.before),
        frame_high(form.height.in),
        frame_wide(form.width.in) {}
};

template <class T>
struct PutInFrame {
  Frame f;
  const T* x;
  T* framed;

  __device__ void operator()(size_t i) const {  // of framed
    const size_t c = i % f.channels,
                 column = i / f.channels % f.frame_wide - f.left;  // wraps where it is negative
    const size_t line = i / f.channels / f.frame_wide, row = line % f.frame_high - f.top,
                 image = line / f.frame_high;
    const bool inside = row < f.high && column < f.wide;
    framed[i] = inside ? x[((image * f.high + row) * f.wide + column) * f.channels + c] : T(0);
  }
};

template <class T>
struct TakeFromFrame {
  Frame f;
  const T* framed;
  T* x;

  __device__ void operator()(size_t i) const {  // of x
    const size_t c = i % f.channels, column = i / f.channels % f.wide + f.left;
    const size_t line = i / f.channels / f.wide, row = line % f.high + f.top, image = line / f.high;
    const bool inside = row < f.frame_high && column < f.frame_wide;
    x[i] = inside ? framed[((image * f.frame_high + row) * f.frame_wide + column) * f.channels + c] : T(0);
  }
};

// One convolution by the library, if it supports it in one of the layouts.
template <class T>
class Asked {
 public:
  Asked(Context& context, ConvolutionPass pass, const ConvolutionSizes& sizes)
      : context_(context), sizes_(sizes), form_(sizes) {
    Scratch scratch{context.scratch};
    at_ = take<T>(scratch, form_);
    for (const Layout layout : {Layout::kChannelsLast, Layout::kChannelsFirst}) {
      if (plan_) break;
      layout_ = layout;
      plan_ = library_plan<T>(context, pass, layout, form_.sizes);
    }
  }

  bool has_form() const { return plan_ != nullptr; }

  void make(const T* a, const T* b, T* result, bool accumulate = false) const {
    library_convolution(context_, *plan_, a, b, result, at_.library(layout_), accumulate);
  }

  // Our array in the library's layout.
  const T* inputs_of(const T* x) const {
    if (form_.framed) {
      launch_each(context_, inputs(form_.sizes), PutInFrame<T>{Frame(sizes_, form_.sizes), x, at_.framed});
      x = at_.framed;
    }
    if (!first()) return x;
    transpose(in_positions(), sizes_.channels, x, at_.inputs_first);
    return at_.inputs_first;
  }
  const T* outputs_of(const T* y) const {
    if (!first()) return y;
    transpose(out_positions(), sizes_.out_channels, y, at_.outputs_first);
    return at_.outputs_first;
  }
  const T* weights_of(const T* w) const {
    if (!copies_weights()) return w;
    launch_each(context_, weights(sizes_), transposed_weights(w, at_.weights, false, false));
    return at_.weights;
  }

  // Where the library writes our result, and how it is then converted.
  T* inputs_for(T* x) const { return first() ? at_.inputs_first : form_.framed ? at_.framed : x; }
  void put_inputs(T* x) const {
    if (first()) transpose(sizes_.channels, in_positions(), at_.inputs_first, form_.framed ? at_.framed : x);
    if (form_.framed) {
      launch_each(context_, inputs(sizes_), TakeFromFrame<T>{Frame(sizes_, form_.sizes), at_.framed, x});
    }
  }
  T* outputs_for(T* y) const { return first() ? at_.outputs_first : y; }
  void put_outputs(T* y) const {
    if (first()) transpose(sizes_.out_channels, out_positions(), at_.outputs_first, y);
  }
  bool copies_weights() const { return form_.transposed && !first(); }
  T* weights_for(T* w) const { return copies_weights() ? at_.weights : w; }
  void put_weights(T* w, bool accumulate) const {
    if (!copies_weights()) return;
    launch_each(context_, weights(sizes_), transposed_weights(at_.weights, w, true, accumulate));
  }

 private:
  bool first() const { return layout_ == Layout::kChannelsFirst; }
  size_t in_positions() const { return form_.sizes.height.in * form_.sizes.width.in; }
  size_t out_positions() const { return sizes_.height.out * sizes_.width.out; }

  void transpose(size_t rows, size_t columns, const T* from, T* to) const {  // of each image
    table<T>()->transpose(context_, sizes_.n, rows, columns, from, to);
  }
  TransposeWeights<T> transposed_weights(const T* from, T* to, bool back, bool accumulate) const {
    return {sizes_.channels / sizes_.groups, window(sizes_), from, to, back, accumulate};
  }

  Context& context_;
  const ConvolutionSizes& sizes_;
  Form form_;
  Pieces<T> at_;
  Layout layout_ = Layout::kChannelsLast;
  const ConvolutionPlan* plan_ = nullptr;
};

template <class T>
void convolution_forward(Context& context, const ConvolutionSizes& s, const T* x, const T* w, const T* bias,
                         Activation act, T* y) {
  if (positions(s) == 0) return;
  const Asked<T> library(context, ConvolutionPass::kForward, s);
  if (library.has_form()) {
    library.make(library.inputs_of(x), library.weights_of(w), library.outputs_for(y));
    library.put_outputs(y);
  } else {
    direct_forward(context, s, x, w, y);
  }
  add_bias_and_activate(context, positions(s), s.out_channels, bias, act, y);
}

template <class T>
void convolution_backward_input(Context& context, const ConvolutionSizes& s, const T* grad_y, const T* w,
                                T* grad_x) {
  if (positions(s) == 0) return;
  const Asked<T> library(context, ConvolutionPass::kInput, s);
  if (!library.has_form()) return direct_backward_input(context, s, grad_y, w, grad_x);
  library.make(library.outputs_of(grad_y), library.weights_of(w), library.inputs_for(grad_x));
  library.put_inputs(grad_x);
}

template <class T>
void weight_gradient(Context& context, const ConvolutionSizes& s, const T* x, const T* grad_y, T* grad_w,
                     bool accumulate) {
  const Asked<T> library(context, ConvolutionPass::kWeight, s);
  if (!library.has_form()) return direct_backward_weight(context, s, x, grad_y, grad_w, accumulate);
  const bool adds = accumulate && !library.copies_weights();
  library.make(library.inputs_of(x), library.outputs_of(grad_y), library.weights_for(grad_w), adds);
  library.put_weights(grad_w, accumulate);
}

template <class T>
void convolution_backward_weight(Context& context, const ConvolutionSizes& s, const T* x, const T* grad_y,
                                 T* grad_w, T* grad_bias, bool accumulate) {
  if (positions(s) == 0) {
    direct_backward_weight(context, s, x, grad_y, grad_w, accumulate);
  } else {
    weight_gradient(context, s, x, grad_y, grad_w, accumulate);
  }
  if (!grad_bias) return;
  Scratch scratch{context.scratch};
  const Scratch sums{take<T>(scratch, Form(s)).sums};
  column_sums(context, sums, positions(s), s.out_channels, grad_y, grad_bias, accumulate);
}

}  // namespace

template <class T>
void set_convolution(Kernels<T>& kernels) {
  kernels.convolution_workspace = convolution_workspace<T>;
  kernels.convolution_forward = convolution_forward<T>;
  kernels.convolution_backward_input = convolution_backward_input<T>;
  kernels.convolution_backward_weight = convolution_backward_weight<T>;
}

template void set_convolution(Kernels<float>&);
template void set_convolution(Kernels<double>&);

}  // namespace bpnet::cuda
