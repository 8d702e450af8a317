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

// Whether the library's formula, with as much padding after as before, gives this output.
bool is_even(const WindowAxis& axis) {
  const size_t in = axis.in + 2 * axis.before;
  return in >= extent(axis) && (in - extent(axis)) / axis.stride + 1 == axis.out;
}

// Of exactly the inputs between the first that is seen and the last, padding included.
WindowAxis seen(const WindowAxis& axis) {
  return {(axis.out - 1) * axis.stride + extent(axis), axis.out, axis.kernel, axis.stride, axis.dilation, 0};
}

// What the library is asked for instead, and on what.
struct Form {
  ConvolutionSizes sizes;
  bool framed;      // its images are copies of ours with padding, or without what no output sees
  bool transposed;  // its weights are copies of ours

  explicit Form(const ConvolutionSizes& s)
      : sizes(s),
        framed(!is_even(s.height) || !is_even(s.width)),
        transposed(window(s) > 1 && s.channels > s.groups) {
    if (!framed) return;
    sizes.height = seen(s.height);
    sizes.width = seen(s.width);
  }
};

template <class T>
struct Pieces {
  T *weights, *images;
  unsigned char *library, *sums;  // of which one is in use at a time
};

template <class T>
Pieces<T> take(Scratch& scratch, const Form& form) {
  const ConvolutionSizes& s = form.sizes;
  Pieces<T> pieces{};
  if (form.transposed) pieces.weights = scratch.take<T>(weights(s));
  if (form.framed) pieces.images = scratch.take<T>(s.n * s.height.in * s.width.in * s.channels);
  const size_t sums = column_sums_workspace(positions(s), s.out_channels);
  pieces.library = pieces.sums = scratch.take<unsigned char>(std::max(library_workspace(s, sizeof(T)), sums));
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

template <class T>
void transpose_weights(Context& context, const ConvolutionSizes& s, const T* from, T* to, bool back,
                       bool accumulate) {
  launch_each(context, weights(s),
              TransposeWeights<T>{s.channels / s.groups, window(s), from, to, back, accumulate});
}

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

size_t image_count(const ConvolutionSizes& s) { return s.n * s.height.in * s.width.in * s.channels; }

// x as the library is given it.
template <class T>
const T* images(Context& context, const ConvolutionSizes& s, const Form& form, const T* x, T* framed) {
  if (!form.framed) return x;
  launch_each(context, image_count(form.sizes), PutInFrame<T>{Frame(s, form.sizes), x, framed});
  return framed;
}

template <class T>
const T* filters(Context& context, const ConvolutionSizes& s, const Form& form, const T* w, T* transposed) {
  if (!form.transposed) return w;
  transpose_weights(context, s, w, transposed, false, false);
  return transposed;
}

template <class T>
Pieces<T> pieces_of(const Context& context, const Form& form) {
  Scratch scratch{context.scratch};
  return take<T>(scratch, form);
}

template <class T>
void convolution_forward(Context& context, const ConvolutionSizes& s, const T* x, const T* w, const T* bias,
                         Activation act, T* y) {
  if (positions(s) == 0) return;
  const Form form(s);
  const Pieces<T> at = pieces_of<T>(context, form);
  if (const ConvolutionPlan* plan = library_plan<T>(context, ConvolutionPass::kForward, form.sizes)) {
    const T* const framed = images(context, s, form, x, at.images);
    library_convolution(context, *plan, framed, filters(context, s, form, w, at.weights), y, at.library,
                        false);
  } else {
    direct_forward(context, s, x, w, y);
  }
  add_bias_and_activate(context, positions(s), s.out_channels, bias, act, y);
}

template <class T>
void convolution_backward_input(Context& context, const ConvolutionSizes& s, const T* grad_y, const T* w,
                                T* grad_x) {
  if (positions(s) == 0) return;
  const Form form(s);
  const Pieces<T> at = pieces_of<T>(context, form);
  const ConvolutionPlan* const plan = library_plan<T>(context, ConvolutionPass::kInput, form.sizes);
  if (!plan) return direct_backward_input(context, s, grad_y, w, grad_x);
  const T* const filter = filters(context, s, form, w, at.weights);
  library_convolution(context, *plan, grad_y, filter, form.framed ? at.images : grad_x, at.library, false);
  if (form.framed) {
    launch_each(context, image_count(s), TakeFromFrame<T>{Frame(s, form.sizes), at.images, grad_x});
  }
}

template <class T>
void weight_gradient(Context& context, const ConvolutionSizes& s, const T* x, const T* grad_y, T* grad_w,
                     bool accumulate) {
  const Form form(s);
  const ConvolutionPlan* const plan =
      positions(s) == 0 ? nullptr : library_plan<T>(context, ConvolutionPass::kWeight, form.sizes);
  if (!plan) return direct_backward_weight(context, s, x, grad_y, grad_w, accumulate);
  const Pieces<T> at = pieces_of<T>(context, form);
  const T* const framed = images(context, s, form, x, at.images);
  T* const made = form.transposed ? at.weights : grad_w;
  library_convolution(context, *plan, framed, grad_y, made, at.library, accumulate && !form.transposed);
  if (form.transposed) transpose_weights(context, s, made, grad_w, true, accumulate);
}

template <class T>
void convolution_backward_weight(Context& context, const ConvolutionSizes& s, const T* x, const T* grad_y,
                                 T* grad_w, T* grad_bias, bool accumulate) {
  weight_gradient(context, s, x, grad_y, grad_w, accumulate);
  if (!grad_bias) return;
  const Pieces<T> at = pieces_of<T>(context, Form(s));
  column_sums(context, {at.sums}, positions(s), s.out_channels, grad_y, grad_bias, accumulate);
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
