// The order of an epoch's samples: a pure function of seed and epoch, so that a resumed run visits the same
// ones.
#pragma once

#include <cstdint>
#include <vector>

namespace bpnet {

// The permutation that splits data into training and validation parts.
void make_split_order(std::uint64_t seed, std::size_t count, std::vector<std::uint64_t>& order);

// A permutation of 0 … count−1 (Fisher and Yates), or the identity.
void make_epoch_order(std::uint64_t seed, std::uint64_t epoch, bool shuffle, std::size_t count,
                      std::vector<std::uint64_t>& order);

// The samples that steps first, first+1, … of the lecture's loop pick, with replacement.
void make_draws(std::uint64_t seed, std::uint64_t first, std::size_t samples, std::size_t count,
                std::vector<std::uint64_t>& order);

}  // namespace bpnet
