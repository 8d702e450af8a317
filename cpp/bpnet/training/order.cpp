#include "bpnet/training/order.h"

#include <numeric>
#include <utility>

#include "bpnet/core/random.h"

namespace bpnet {

static void shuffle_order(RandomKey key, std::vector<std::uint64_t>& order) {
  for (std::size_t i = order.size(); i-- > 1;) std::swap(order[i], order[random_below(key, i, i + 1)]);
}

void make_split_order(std::uint64_t seed, std::size_t count, std::vector<std::uint64_t>& order) {
  order.resize(count);
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  shuffle_order(random_key(seed, Purpose::kSplit, 0, 0), order);
}

void make_epoch_order(std::uint64_t seed, std::uint64_t epoch, bool shuffle, std::size_t count,
                      std::vector<std::uint64_t>& order) {
  order.resize(count);
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  if (shuffle) shuffle_order(random_key(seed, Purpose::kShuffle, 0, epoch), order);
}

void make_draws(std::uint64_t seed, std::uint64_t first, std::size_t samples, std::size_t count,
                std::vector<std::uint64_t>& order) {
  order.resize(count);
  const RandomKey key = random_key(seed, Purpose::kDraw, 0, 0);
  for (std::size_t i = 0; i < count; ++i) order[i] = random_below(key, first + i, samples);
}

}  // namespace bpnet
