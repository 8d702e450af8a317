#include <cmath>

#include "bpnet/core/random.h"
#include "bpnet/kernels/cuda/launch.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

// Four elements of a row, the words of one random block.
template <class T>
struct Mask {
  const RandomStep* now;
  uint32_t layer;
  size_t columns, blocks;  // of a row
  uint64_t limit;          // words below it keep their element
  T scale;
  T* mask;

  __device__ void operator()(size_t i) const {
    const RandomKey key = random_key(now->seed, Purpose::kDropout, layer, now->step);
    const size_t row = i / blocks, block = i % blocks, first = 4 * block;
    const RandomBlock words = random_block(key, uint32_t(now->first_row + row), uint32_t(block));
    T* const to = mask + row * columns + first;
    for (unsigned w = 0; w < 4 && first + w < columns; ++w) to[w] = words.word[w] < limit ? scale : T(0);
  }
};

template <class T>
void dropout_mask(Context& context, const RandomStep* now, uint32_t layer, size_t rows, size_t columns, double keep,
                  double scale, T* mask) {
  const size_t blocks = (columns + 3) / 4;
  // A word is uniform in 0 … 2^32 − 1; integers below a number are those below the next integer.
  const uint64_t limit = uint64_t(std::ceil(keep * 0x1p32));
  launch_each(context, rows * blocks, Mask<T>{now, layer, columns, blocks, limit, T(scale), mask});
}

}  // namespace

template <class T>
void set_dropout(Kernels<T>& kernels) {
  kernels.dropout_mask = dropout_mask<T>;
}

template void set_dropout(Kernels<float>&);
template void set_dropout(Kernels<double>&);

}  // namespace bpnet::cuda
