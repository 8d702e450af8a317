// Pooling over channels-last maps. A thread computes a position of the output (or, backward, of the input)
// for a few channels.
#include "bpnet/kernels/cuda/block.h"
#include "bpnet/kernels/cuda/launch.h"
#include "bpnet/kernels/cuda/rows.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

template <class Index>
struct Axis {
  Index in, out, kernel, stride, dilation, before;

  explicit Axis(const WindowAxis& a)
      : in(Index(a.in)),
        out(Index(a.out)),
        kernel(Index(a.kernel)),
        stride(Index(a.stride)),
        dilation(Index(a.dilation)),
        before(Index(a.before)) {}
};

template <class Index>
struct Pool {
  Axis<Index> height, width;
  Index channels;

  explicit Pool(const PoolSizes& s) : height(s.height), width(s.width), channels(Index(s.channels)) {}
};

bool axis_fits_32_bits(const WindowAxis& a) {
  const size_t most = kMostOf32Bits / 4;  // of each term of a sum
  if (a.stride > most || a.kernel > most || a.dilation > most || a.before > most) return false;
  return (a.in + 1) * (a.out + 1) <= most && a.out * a.stride <= most && a.kernel * a.dilation <= most;
}

bool fits_32_bits(const PoolSizes& s) {
  const size_t in = s.n * s.height.in * s.width.in * s.channels;
  const size_t out = s.n * s.height.out * s.width.out * s.channels;
  return in <= kMostOf32Bits && out <= kMostOf32Bits && axis_fits_32_bits(s.height) &&
         axis_fits_32_bits(s.width);
}

// Along one axis: the inputs begin, begin + dilation … of a window, `count` of them, and their number
// including the padding that counts. Every window has an input.
template <class Index>
struct Range {
  Index begin, count, padded;
};

template <class Index>
__device__ Index steps(Index gap, Index dilation) {
  return dilation == 1 ? gap : ceil_divide(gap, dilation);
}

template <AverageKind kKind, class Index>
__device__ Range<Index> inputs_of(const Axis<Index>& axis, Index o) {
  if constexpr (kKind == AverageKind::kAdaptive) {
    const Index begin = o * axis.in / axis.out, count = ceil_divide((o + 1) * axis.in, axis.out) - begin;
    return {begin, count, count};
  } else {
    const Index first = o * axis.stride;  // in the padded map
    const Index missed = steps(axis.before > first ? axis.before - first : 0, axis.dilation);
    const Index begin = first + missed * axis.dilation - axis.before;
    const Index count = min(axis.kernel - missed, steps(axis.in - begin, axis.dilation));
    if constexpr (kKind == AverageKind::kWithoutPadding) return {begin, count, count};
    return {begin, count, min(axis.kernel, steps(axis.in + 2 * axis.before - first, axis.dilation))};
  }
}

// The outputs begin … end−1 whose windows may include input i; with a dilation not all do.
template <class Index>
struct Outputs {
  Index begin, end;
};

template <AverageKind kKind, class Index>
__device__ Outputs<Index> outputs_of(const Axis<Index>& axis, Index i) {
  if constexpr (kKind == AverageKind::kAdaptive) {
    return {i * axis.out / axis.in, ceil_divide((i + 1) * axis.out, axis.in)};
  } else {
    const Index at = i + axis.before, reach = (axis.kernel - 1) * axis.dilation;
    return {at > reach ? ceil_divide(at - reach, axis.stride) : 0, min(at / axis.stride + 1, axis.out)};
  }
}

template <class Index>
__device__ bool sees(const Axis<Index>& axis, Index o, Index i) {
  return axis.dilation == 1 || (i + axis.before - o * axis.stride) % axis.dilation == 0;
}

// A row of a map's (positions, channels).
template <class Index>
struct Position {
  Index image, y, x;

  __device__ Position(Index row, Index height, Index width)
      : image(row / width / height), y(row / width % height), x(row % width) {}
};

template <class T, class Index>
struct MaxForward {
  Pool<Index> s;
  const T* x;
  T* y;

  __device__ void operator()(Index row, Index c, Index end, Index step) const {
    const Position<Index> at(row, s.height.out, s.width.out);
    const auto rows = inputs_of<AverageKind::kWithoutPadding>(s.height, at.y);
    const auto columns = inputs_of<AverageKind::kWithoutPadding>(s.width, at.x);
    const Index first = ((at.image * s.height.in + rows.begin) * s.width.in + columns.begin) * s.channels;
    const Index down = s.height.dilation * s.width.in * s.channels, along = s.width.dilation * s.channels;
    for (; c < end; c += step) {
      T most = x[first + c];
      for (Index i = 0; i < rows.count; ++i) {
        for (Index j = 0; j < columns.count; ++j) {
          const T value = x[first + c + i * down + j * along];
          most = value > most || value != value ? value : most;
        }
      }
      y[row * s.channels + c] = most;
    }
  }
};

template <class T, class Index>
struct MaxBackward {
  Pool<Index> s;
  const T *x, *y, *grad_y;
  T* grad_x;

  // Whether no equally large input of the window precedes (iy, ix).
  __device__ bool is_first(Index oy, Index ox, Index iy, Index ix, Index image, Index c, T most) const {
    const auto rows = inputs_of<AverageKind::kWithoutPadding>(s.height, oy);
    const auto columns = inputs_of<AverageKind::kWithoutPadding>(s.width, ox);
    for (Index i = 0, r = rows.begin;; ++i, r += s.height.dilation) {
      for (Index j = 0, q = columns.begin; j < columns.count; ++j, q += s.width.dilation) {
        if (r == iy && q == ix) return true;
        const T value = x[((image * s.height.in + r) * s.width.in + q) * s.channels + c];
        if (value == most || value != value) return false;
      }
    }
  }

  __device__ void operator()(Index row, Index c, Index end, Index step) const {
    const Position<Index> at(row, s.height.in, s.width.in);
    const auto rows = outputs_of<AverageKind::kWithoutPadding>(s.height, at.y);
    const auto columns = outputs_of<AverageKind::kWithoutPadding>(s.width, at.x);
    for (; c < end; c += step) {
      const T value = x[row * s.channels + c];
      T sum = 0;
      for (Index oy = rows.begin; oy < rows.end; ++oy) {
        for (Index ox = columns.begin; ox < columns.end; ++ox) {
          if (!sees(s.height, oy, at.y) || !sees(s.width, ox, at.x)) continue;
          const Index o = ((at.image * s.height.out + oy) * s.width.out + ox) * s.channels + c;
          const T most = y[o];
          if (value != most && value == value) continue;
          if (is_first(oy, ox, at.y, at.x, at.image, c, most)) sum += grad_y[o];
        }
      }
      grad_x[row * s.channels + c] = sum;
    }
  }
};

template <AverageKind kKind, class T, class Index>
struct AverageForward {
  Pool<Index> s;
  const T* x;
  T* y;

  __device__ void operator()(Index row, Index c, Index end, Index step) const {
    const Position<Index> at(row, s.height.out, s.width.out);
    const auto rows = inputs_of<kKind>(s.height, at.y), columns = inputs_of<kKind>(s.width, at.x);
    const Index first = ((at.image * s.height.in + rows.begin) * s.width.in + columns.begin) * s.channels;
    const Index down = s.height.dilation * s.width.in * s.channels, along = s.width.dilation * s.channels;
    for (; c < end; c += step) {
      T sum = 0;
      for (Index i = 0; i < rows.count; ++i) {
        for (Index j = 0; j < columns.count; ++j) sum += x[first + c + i * down + j * along];
      }
      y[row * s.channels + c] = sum / T(rows.padded * columns.padded);
    }
  }
};

// The same where windows are large and few: a block computes one, for one channel per lane.
template <AverageKind kKind, class T, class Index>
__global__ void average_large_windows(Pool<Index> s, Index positions, unsigned log2_lanes, const T* x, T* y) {
  T* const sums = shared_memory<T>();  // (lines, lanes)
  const unsigned lanes = 1u << log2_lanes, lane = threadIdx.x % lanes, line = threadIdx.x / lanes;
  const unsigned lines = blockDim.x / lanes;
  const Index across = ceil_divide(s.channels, lanes);
  for (Index index = blockIdx.x; index < positions * across; index += gridDim.x) {
    const Index row = index / across, c = index % across * lanes + lane;
    const Position<Index> at(row, s.height.out, s.width.out);
    const auto rows = inputs_of<kKind>(s.height, at.y), columns = inputs_of<kKind>(s.width, at.x);
    T sum = 0;
    for (Index t = line; c < s.channels && t < rows.count * columns.count; t += lines) {
      const Index iy = rows.begin + t / columns.count * s.height.dilation;
      const Index ix = columns.begin + t % columns.count * s.width.dilation;
      sum += x[((at.image * s.height.in + iy) * s.width.in + ix) * s.channels + c];
    }
    sums[threadIdx.x] = sum;
    for (unsigned half = lines / 2; half > 0; half /= 2) {
      __syncthreads();
      if (line < half) sums[threadIdx.x] += sums[threadIdx.x + half * lanes];
    }
    if (line == 0 && c < s.channels) y[row * s.channels + c] = sums[lane] / T(rows.padded * columns.padded);
    __syncthreads();
  }
}

template <AverageKind kKind, class T, class Index>
struct AverageBackward {
  Pool<Index> s;
  const T* grad_y;
  T* grad_x;

  __device__ void operator()(Index row, Index c, Index end, Index step) const {
    const Position<Index> at(row, s.height.in, s.width.in);
    const auto rows = outputs_of<kKind>(s.height, at.y), columns = outputs_of<kKind>(s.width, at.x);
    T sums[kColumnsOfThread] = {};
    for (Index oy = rows.begin; oy < rows.end; ++oy) {
      const Index tall = inputs_of<kKind>(s.height, oy).padded;
      for (Index ox = columns.begin; ox < columns.end; ++ox) {
        if (!sees(s.height, oy, at.y) || !sees(s.width, ox, at.x)) continue;
        const T divisor = T(tall * inputs_of<kKind>(s.width, ox).padded);
        const T* const grad = grad_y + ((at.image * s.height.out + oy) * s.width.out + ox) * s.channels;
        for (unsigned k = 0; k < kColumnsOfThread; ++k) {
          if (c + k * step < end) sums[k] += grad[c + k * step] / divisor;
        }
      }
    }
    for (unsigned k = 0; k < kColumnsOfThread; ++k) {
      if (c + k * step < end) grad_x[row * s.channels + c + k * step] = sums[k];
    }
  }
};

template <class T, class Index>
void max_forward(Context& context, const PoolSizes& s, const T* x, T* y) {
  launch_each_row<Index>(context, s.n * s.height.out * s.width.out, s.channels,
                         MaxForward<T, Index>{Pool<Index>(s), x, y});
}

template <class T>
void max_pool_forward(Context& context, const PoolSizes& s, const T* x, T* y) {
  fits_32_bits(s) ? max_forward<T, unsigned>(context, s, x, y) : max_forward<T, size_t>(context, s, x, y);
}

template <class T, class Index>
void max_backward(Context& context, const PoolSizes& s, const T* x, const T* y, const T* grad_y, T* grad_x) {
  launch_each_row<Index>(context, s.n * s.height.in * s.width.in, s.channels,
                         MaxBackward<T, Index>{Pool<Index>(s), x, y, grad_y, grad_x});
}

template <class T>
void max_pool_backward(Context& context, const PoolSizes& s, const T* x, const T* y, const T* grad_y,
                       T* grad_x) {
  fits_32_bits(s) ? max_backward<T, unsigned>(context, s, x, y, grad_y, grad_x)
                  : max_backward<T, size_t>(context, s, x, y, grad_y, grad_x);
}

// Inputs of a window from which on a block computes it; this does not depend on the batch's size, so a
// sample's bits do not depend on the other samples.
constexpr size_t kLargeWindow = 128;

bool are_large(const PoolSizes& s, AverageKind kind) {
  const bool adaptive = kind == AverageKind::kAdaptive;
  const size_t tall = adaptive ? s.height.in / s.height.out : min(s.height.kernel, s.height.in);
  const size_t wide = adaptive ? s.width.in / s.width.out : min(s.width.kernel, s.width.in);
  return tall * wide >= kLargeWindow;
}

template <AverageKind kKind, class T, class Index>
void average_forward(Context& context, const PoolSizes& s, const T* x, T* y) {
  const size_t positions = s.n * s.height.out * s.width.out;
  if (!are_large(s, kKind)) {
    return launch_each_row<Index>(context, positions, s.channels,
                                  AverageForward<kKind, T, Index>{Pool<Index>(s), x, y});
  }
  const unsigned log2_lanes = log2_up(s.channels < kWarp ? s.channels : kWarp);
  const size_t blocks = positions * ceil_divide(s.channels, size_t{1} << log2_lanes);
  launch(context, {blocks < kMostBlocks ? blocks : kMostBlocks, kThreads, kThreads * sizeof(T)},
         average_large_windows<kKind, T, Index>, Pool<Index>(s), Index(positions), log2_lanes, x, y);
}

template <AverageKind kKind, class T, class Index>
void average_backward(Context& context, const PoolSizes& s, const T* grad_y, T* grad_x) {
  launch_each_row<Index>(context, s.n * s.height.in * s.width.in, s.channels,
                         AverageBackward<kKind, T, Index>{Pool<Index>(s), grad_y, grad_x});
}

// Calls body.template operator()<kind, Index>().
template <class Body>
void with_kind(const PoolSizes& s, AverageKind kind, const Body& body) {
  const auto with_index = [&]<AverageKind kKind>() {
    if (fits_32_bits(s)) return body.template operator()<kKind, unsigned>();
    body.template operator()<kKind, size_t>();
  };
  switch (kind) {
    case AverageKind::kWithPadding: return with_index.template operator()<AverageKind::kWithPadding>();
    case AverageKind::kWithoutPadding: return with_index.template operator()<AverageKind::kWithoutPadding>();
    case AverageKind::kAdaptive: return with_index.template operator()<AverageKind::kAdaptive>();
  }
}

template <class T>
void average_pool_forward(Context& context, const PoolSizes& s, AverageKind kind, const T* x, T* y) {
  with_kind(s, kind,
            [&]<AverageKind kKind, class Index>() { average_forward<kKind, T, Index>(context, s, x, y); });
}

template <class T>
void average_pool_backward(Context& context, const PoolSizes& s, AverageKind kind, const T* grad_y,
                           T* grad_x) {
  with_kind(s, kind, [&]<AverageKind kKind, class Index>() {
    average_backward<kKind, T, Index>(context, s, grad_y, grad_x);
  });
}

}  // namespace

template <class T>
void set_pooling(Kernels<T>& kernels) {
  kernels.max_pool_forward = max_pool_forward<T>;
  kernels.max_pool_backward = max_pool_backward<T>;
  kernels.average_pool_forward = average_pool_forward<T>;
  kernels.average_pool_backward = average_pool_backward<T>;
}

template void set_pooling(Kernels<float>&);
template void set_pooling(Kernels<double>&);

}  // namespace bpnet::cuda
