#include <cmath>

#include "bpnet/core/random.h"
#include "bpnet/kernels/cuda/map.h"
#include "bpnet/kernels/cuda/table.h"

namespace bpnet::cuda {
namespace {

// Four elements of a row, the words of one random block.
template <class T>
struct Mask {
  const RandomStep* now;
  uint32_t layer;
  size_t columns, blocks;  // of a row
  uint64_t limit;          // elements with words below it are kept
  T scale;
  bool packed;  // whether all blocks are whole and aligned
  T* mask;

  __device__ void operator()(size_t i) const {
    const RandomKey key = random_key(now->seed, Purpose::kDropout, layer, now->step);
    const size_t row = i / blocks, block = i % blocks, first = 4 * block;
    const RandomBlock words = random_block(key, uint32_t(now->first_row + row), uint32_t(block));
    T* const to = mask + row * columns + first;
    if (!packed) {
      for (unsigned w = 0; w < 4 && first + w < columns; ++w) to[w] = kept(words.word[w]);
      return;
    }
    constexpr unsigned kCount = Pack<T>::kCount;
    for (unsigned p = 0; p < 4 / kCount; ++p) {
      Pack<T> pack;
      for (unsigned k = 0; k < kCount; ++k) pack.at[k] = kept(words.word[p * kCount + k]);
      reinterpret_cast<Pack<T>*>(to)[p] = pack;
    }
  }

  __device__ T kept(uint32_t word) const { return word < limit ? scale : T(0); }
};

template <class T>
void dropout_mask(Context& context, const RandomStep* now, uint32_t layer, size_t rows, size_t columns,
                  double keep, double scale, T* mask) {
  const size_t blocks = (columns + 3) / 4;
  // A word is uniform in 0 … 2^32 − 1; integers below a number are those below the next integer.
  const uint64_t limit = uint64_t(std::ceil(keep * 0x1p32));
  const bool packed = columns % 4 == 0 && is_packed(mask);
  launch_each(context, rows * blocks, Mask<T>{now, layer, columns, blocks, limit, T(scale), packed, mask});
}

}  // namespace

template <class T>
void set_dropout(Kernels<T>& kernels) {
  kernels.dropout_mask = dropout_mask<T>;
}

template void set_dropout(Kernels<float>&);
template void set_dropout(Kernels<double>&);

}  // namespace bpnet::cuda
