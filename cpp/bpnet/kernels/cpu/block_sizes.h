// Block sizes of the matrix product, per instruction set. A tile of kTileRows x kTileVectors vectors
// stays in registers; a packed panel of the right operand, kDepth deep, stays in the first-level
// cache; a block of the left one in the second.
#pragma once

#include "bpnet/kernels/cpu/vector.h"

namespace {

struct BlockSizes {
  size_t tile_rows, tile_vectors;    // registers
  size_t depth;                      // k per pass
  size_t block_rows, block_columns;  // one task of the parallel loop
};

#if BPNET_VECTOR_BYTES == 64  // avx512: 32 registers
constexpr BlockSizes kBlock = {12, 2, 256, 96, 256};
#elif BPNET_VECTOR_BYTES == 32  // avx2: 16 registers
constexpr BlockSizes kBlock = {6, 2, 256, 96, 256};
#else                           // SSE2, NEON
constexpr BlockSizes kBlock = {6, 2, 256, 48, 256};
#endif

constexpr size_t kTileRows = kBlock.tile_rows;
constexpr size_t kTileVectors = kBlock.tile_vectors;
constexpr size_t kTileColumns = kTileVectors * kLanes;
constexpr size_t kDepth = kBlock.depth;

// How much of each operand is packed at once.
constexpr size_t kPackedRows = 8 * kBlock.block_rows;
constexpr size_t kPackedColumns = 4096;

// Below this many multiply-adds, or elements of an elementwise operation, threads cost more than
// they save (a parallel region takes some microseconds).
constexpr size_t kSerialProducts = size_t{1} << 19;
constexpr size_t kChunk = size_t{1} << 14;

}  // namespace
