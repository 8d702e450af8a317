// Block sizes of the matrix product, per instruction set. A tile of kTileRows x kTileVectors vectors stays in
// registers, its rows of a in the first-level cache, a block of b in the second.
#pragma once

#include "bpnet/kernels/cpu/base/vector.h"

namespace {

struct BlockSizes {
  size_t tile_rows, tile_vectors;  // registers
  size_t depth;                    // k per pass
  size_t block_columns;            // of one task: depth x block_columns of b stay in the second-level cache
};

#if BPNET_VECTOR_BYTES == 64  // avx512: 32 registers
constexpr BlockSizes kBlock = {12, 2, 384, 512};
#elif BPNET_VECTOR_BYTES == 32  // avx2: 16 registers
constexpr BlockSizes kBlock = {6, 2, 272, 512};  // 784 inputs are three passes
#else                           // SSE2, NEON
constexpr BlockSizes kBlock = {6, 2, 256, 512};
#endif

constexpr size_t kTileRows = kBlock.tile_rows;
constexpr size_t kTileVectors = kBlock.tile_vectors;
constexpr size_t kTileColumns = kTileVectors * kLanes;
constexpr size_t kDepth = kBlock.depth;
constexpr size_t kBlockColumns = kBlock.block_columns;

// How much of each operand is packed at once; and from how many rows of c packing b pays, and from how many
// columns packing a.
constexpr size_t kPackedRows = 192 * kTileRows;
constexpr size_t kPackedColumns = 4096;
constexpr size_t kPackRows = 8 * kTileRows;
constexpr size_t kPackColumns = 16 * kTileColumns;

// Elements of b that are multiplied in one pass of k, however long k is.
constexpr size_t kThinOperand = (size_t{1} << 17) / sizeof(real);

// A large b is multiplied in bands of its columns, about this many at a time, by at most this many rows of a.
constexpr size_t kBandRows = 16 * kTileRows;
constexpr size_t kBandOperand = size_t{1} << 20;
constexpr size_t kBandTasks = 16;

// A result of at most this many elements is computed in parts of at least this much of k, and at most this
// many parts.
constexpr size_t kSplitResult = 64 * 64;
constexpr size_t kSplitDepth = 256;
constexpr size_t kSplitParts = 32;

// Winograd's filtering. Up to this many weights, and from this many tiles on, the transformed weights stay in
// the second-level cache of each core beside a part's tiles of this many bytes; else all cores together work
// on a larger block, so that the weights are read less often.
constexpr size_t kWinogradPartWeights = 64 * 128;
constexpr size_t kWinogradPartedTiles = 384;
constexpr size_t kWinogradPartBytes = size_t{1} << 20;
constexpr size_t kWinogradParts = 16;
constexpr size_t kWinogradLeastPart = 96;
constexpr size_t kWinogradBytes = size_t{16} << 20;
// The least channels and outputs of a group, tiles, products of one of the 36 points, and positions of a map
// per tile from which it pays.
constexpr size_t kWinogradChannels = 32;
constexpr size_t kWinogradTiles = 32;
constexpr size_t kWinogradProducts = size_t{1} << 19;
constexpr size_t kWinogradPositions = 8;

}  // namespace
