// Local response normalisation of channels-last maps: over channels in shared memory where a group of them
// fits, else, and within a map, by loops over the map itself.
#include "bpnet/kernels/cuda/block.h"
#include "bpnet/kernels/cuda/launch.h"
#include "bpnet/kernels/cuda/rows.h"
#include "bpnet/kernels/cuda/scalar_math.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

// How many elements before and after one its window covers; exchanged, how many windows cover it.
template <class Index>
struct Reach {
  Index before, after;

  // The reach of a window over at most `most` contiguous elements.
  Reach(size_t size, size_t most)
      : before(Index(min(size / 2, most))), after(Index(min((size - 1) / 2, most))) {}
  __device__ Reach(Index before_, Index after_, int) : before(before_), after(after_) {}

  __device__ Reach exchanged() const { return {after, before, 0}; }
};

// Of `count` contiguous elements, those in the window of element i: begin … end−1.
template <class Index>
struct Span {
  Index begin, end;

  __device__ Span(Reach<Index> reach, Index i, Index count)
      : begin(i > reach.before ? i - reach.before : 0),
        end(reach.after < count - i ? i + reach.after + 1 : count) {}
};

// s = k + factor · Σ x²
template <class T>
struct Response {
  T k, factor, beta;

  explicit Response(const LocalResponseSizes& s)
      : k(T(s.k)),
        factor(T(s.alpha / (double(s.size) * (s.within_map ? double(s.size) : 1.0)))),
        beta(T(s.beta)) {}

  __device__ T scale(T squares) const { return k + factor * squares; }

  // s^−beta
  __device__ T falloff(T scale) const {
    if (beta != T(0.75)) return power(scale, -beta);
    const T root = square_root(scale);
    return 1 / (root * square_root(root));
  }
};

// ---- over channels, in shared memory

// Groups of channels, contiguous in a map; a block processes some at a time.
struct Groups {
  size_t count;             // of all
  unsigned size, of_block;  // channels of one; groups of a block
  Reach<unsigned> reach;

  size_t blocks() const { return ceil_divide(count, of_block); }
  size_t elements_of_block() const { return size_t{size} * of_block; }
};

constexpr size_t kElementsOfBlock = 4 * kThreads;  // at most, except for a larger group
constexpr size_t kMostShared = 48 * 1024;

Groups groups_of(const LocalResponseSizes& s) {
  const size_t size = s.channels / s.groups, of_block = size < kElementsOfBlock ? kElementsOfBlock / size : 1;
  return {s.n * s.height * s.width * s.groups, unsigned(size), unsigned(of_block), {s.size, size}};
}

// Whether three arrays of a group fit a block's shared memory.
template <class T>
bool fits_shared_memory(const LocalResponseSizes& s) {
  return !s.within_map && s.channels / s.groups <= kMostShared / (3 * sizeof(T));
}

// Σ values[j] over the j of the window of element i
template <class T>
__device__ T sum_of_window(const T* values, unsigned i, unsigned group, Reach<unsigned> reach) {
  const unsigned channel = i % group;
  const Span<unsigned> span(reach, channel, group);
  T sum = 0;
  for (unsigned j = span.begin; j < span.end; ++j) sum += values[i - channel + j];
  return sum;
}

// The elements of a block's groups: first … first + count − 1.
struct Elements {
  size_t first;
  unsigned count;

  __device__ Elements(const Groups& s, size_t block) : first(block * s.of_block * s.size) {
    const size_t here = s.count - block * s.of_block;
    count = s.size * (here < s.of_block ? unsigned(here) : s.of_block);
  }
};

template <class T>
__global__ void forward_of_groups(Groups s, Response<T> response, const T* x, T* y) {
  T* const squares = shared_memory<T>();
  for (size_t block = blockIdx.x; block * s.of_block < s.count; block += gridDim.x) {
    const Elements at(s, block);
    for (unsigned i = threadIdx.x; i < at.count; i += blockDim.x)
      squares[i] = x[at.first + i] * x[at.first + i];
    __syncthreads();
    for (unsigned i = threadIdx.x; i < at.count; i += blockDim.x) {
      const T scale = response.scale(sum_of_window(squares, i, s.size, s.reach));
      y[at.first + i] = x[at.first + i] * response.falloff(scale);
    }
    __syncthreads();
  }
}

template <class T>
__global__ void backward_of_groups(Groups s, Response<T> response, const T* x, const T* grad_y, T* grad_x) {
  T* const squares = shared_memory<T>();
  T* const directs = squares + s.size * s.of_block;  // grad_y s^−beta
  T* const ratios = directs + s.size * s.of_block;   // grad_y x s^(−beta−1)
  const T twice = 2 * response.beta * response.factor;
  for (size_t block = blockIdx.x; block * s.of_block < s.count; block += gridDim.x) {
    const Elements at(s, block);
    for (unsigned i = threadIdx.x; i < at.count; i += blockDim.x)
      squares[i] = x[at.first + i] * x[at.first + i];
    __syncthreads();
    for (unsigned i = threadIdx.x; i < at.count; i += blockDim.x) {
      const T scale = response.scale(sum_of_window(squares, i, s.size, s.reach));
      directs[i] = grad_y[at.first + i] * response.falloff(scale);
      ratios[i] = directs[i] * x[at.first + i] / scale;
    }
    __syncthreads();
    for (unsigned i = threadIdx.x; i < at.count; i += blockDim.x) {
      const T sum = sum_of_window(ratios, i, s.size, s.reach.exchanged());
      grad_x[at.first + i] = directs[i] - twice * x[at.first + i] * sum;
    }
    // The next round first writes squares, which all threads have read before the last barrier.
  }
}

// ---- by loops

template <class Index>
struct Windows {
  Index height, width, channels, group;
  bool within_map;
  Reach<Index> reach;

  explicit Windows(const LocalResponseSizes& s)
      : height(Index(s.height)),
        width(Index(s.width)),
        channels(Index(s.channels)),
        group(Index(s.channels / s.groups)),
        within_map(s.within_map),
        reach(s.size, s.within_map ? max(s.height, s.width) : s.channels / s.groups) {}

  // Σ value(j) over the elements j of the window with the given reach of channel c of a position.
  template <class T, class Value>
  __device__ T sum(Index position, Index c, Reach<Index> far, const Value& value) const {
    T result = 0;
    if (!within_map) {
      const Index first = position * channels + c - c % group;
      const Span<Index> span(far, c % group, group);
      for (Index j = span.begin; j < span.end; ++j) result += value(first + j);
      return result;
    }
    const Index image = position / width / height * height;
    const Span<Index> rows(far, position / width % height, height), columns(far, position % width, width);
    for (Index y = rows.begin; y < rows.end; ++y) {
      for (Index x = columns.begin; x < columns.end; ++x)
        result += value(((image + y) * width + x) * channels + c);
    }
    return result;
  }
};

template <class T, class Index>
struct ForwardByLoops {
  Windows<Index> s;
  Response<T> response;
  const T* x;
  T* y;

  __device__ void operator()(Index position, Index c, Index end, Index step) const {
    for (; c < end; c += step) {
      const Index i = position * s.channels + c;
      const T squares = s.template sum<T>(position, c, s.reach, [&](Index j) { return x[j] * x[j]; });
      y[i] = x[i] * response.falloff(response.scale(squares));
    }
  }
};

// grad_x = grad_y s^−beta, ratios = grad_y x s^(−beta−1)
template <class T, class Index>
struct RatiosByLoops {
  Windows<Index> s;
  Response<T> response;
  const T *x, *grad_y;
  T *ratios, *grad_x;

  __device__ void operator()(Index position, Index c, Index end, Index step) const {
    for (; c < end; c += step) {
      const Index i = position * s.channels + c;
      const T scale =
          response.scale(s.template sum<T>(position, c, s.reach, [&](Index j) { return x[j] * x[j]; }));
      const T direct = grad_y[i] * response.falloff(scale);
      ratios[i] = direct * x[i] / scale;
      grad_x[i] = direct;
    }
  }
};

template <class T, class Index>
struct BackwardByLoops {
  Windows<Index> s;
  T twice;
  const T *x, *ratios;
  T* grad_x;

  __device__ void operator()(Index position, Index c, Index end, Index step) const {
    for (; c < end; c += step) {
      const Index i = position * s.channels + c;
      const T sum = s.template sum<T>(position, c, s.reach.exchanged(), [&](Index j) { return ratios[j]; });
      grad_x[i] -= twice * x[i] * sum;
    }
  }
};

size_t positions_of(const LocalResponseSizes& s) { return s.n * s.height * s.width; }

template <class T, class Index>
void forward_by_loops(Context& context, const LocalResponseSizes& s, const T* x, T* y) {
  launch_each_row<Index>(context, positions_of(s), s.channels,
                         ForwardByLoops<T, Index>{Windows<Index>(s), Response<T>(s), x, y});
}

template <class T, class Index>
void backward_by_loops(Context& context, const LocalResponseSizes& s, const T* x, const T* grad_y,
                       T* grad_x) {
  T* const ratios = reinterpret_cast<T*>(context.scratch);
  const Windows<Index> windows(s);
  const Response<T> response(s);
  launch_each_row<Index>(context, positions_of(s), s.channels,
                         RatiosByLoops<T, Index>{windows, response, x, grad_y, ratios, grad_x});
  launch_each_row<Index>(
      context, positions_of(s), s.channels,
      BackwardByLoops<T, Index>{windows, 2 * response.beta * response.factor, x, ratios, grad_x});
}

bool fits_32_bits(const LocalResponseSizes& s) { return positions_of(s) * s.channels <= kMostOf32Bits; }

// ---- the table's

template <class T>
size_t local_response_workspace(const LocalResponseSizes& s) {
  return fits_shared_memory<T>(s) ? 0 : positions_of(s) * s.channels * sizeof(T);
}

template <class T>
void local_response_forward(Context& context, const LocalResponseSizes& s, const T* x, T* y) {
  if (!fits_shared_memory<T>(s)) {
    return fits_32_bits(s) ? forward_by_loops<T, unsigned>(context, s, x, y)
                           : forward_by_loops<T, size_t>(context, s, x, y);
  }
  const Groups groups = groups_of(s);
  const Grid grid = {min(groups.blocks(), size_t{kMostBlocks}), kThreads,
                     groups.elements_of_block() * sizeof(T)};
  launch(context, grid, forward_of_groups<T>, groups, Response<T>(s), x, y);
}

template <class T>
void local_response_backward(Context& context, const LocalResponseSizes& s, const T* x, const T* grad_y,
                             T* grad_x) {
  if (!fits_shared_memory<T>(s)) {
    return fits_32_bits(s) ? backward_by_loops<T, unsigned>(context, s, x, grad_y, grad_x)
                           : backward_by_loops<T, size_t>(context, s, x, grad_y, grad_x);
  }
  const Groups groups = groups_of(s);
  const Grid grid = {min(groups.blocks(), size_t{kMostBlocks}), kThreads,
                     3 * groups.elements_of_block() * sizeof(T)};
  launch(context, grid, backward_of_groups<T>, groups, Response<T>(s), x, grad_y, grad_x);
}

}  // namespace

template <class T>
void set_local_response(Kernels<T>& kernels) {
  kernels.local_response_workspace = local_response_workspace<T>;
  kernels.local_response_forward = local_response_forward<T>;
  kernels.local_response_backward = local_response_backward<T>;
}

template void set_local_response(Kernels<float>&);
template void set_local_response(Kernels<double>&);

}  // namespace bpnet::cuda
