// An operand, rounded to bfloat16 while its panels are packed.
#pragma once

#include "bpnet/kernels/cpu/bfloat16/windows.h"

namespace {

// Rows of float, or of what windows see. A row is a line of the operand along k, or, if `across`, one k of
// all lines.
struct Factor {
  const float* data;  // null: windows
  size_t stride;
  bool across;
  Windows windows = {};
  size_t first = 0;  // k that counts as 0
};

inline Factor matrix_of(const float* data, size_t stride, bool across) { return {data, stride, across}; }
inline Factor rows_of(const Windows& windows, bool across) { return {nullptr, 0, across, windows}; }

inline void cut_row(const Factor& f, size_t row, size_t begin, size_t end, bfloat16* to) {
  if (f.data) {
    round_run(end - begin, f.data + row * f.stride + begin, to);
  } else {
    cut_window(f.windows, row, begin, end, to);
  }
}

constexpr size_t kRowPart = 1024;  // elements of a row that are cut at once
static_assert(kRowPart % kBlockDepth == 0 && kRowPart % kPanelLines == 0);

inline void pack_along(const Factor& f, size_t line0, size_t lines, size_t k0, size_t k, bfloat16* panels) {
  alignas(64) bfloat16 row[kRowPart];
  const size_t panel = panel_elements(k);
  for (size_t part = 0; part < k; part += kRowPart) {
    const size_t count = smaller(kRowPart, k - part), blocks = ceil_divide(count, kBlockDepth);
    for (size_t i = 0; i < round_up(lines, kPanelLines); ++i) {
      const size_t there = i < lines ? count : 0;
      if (there) cut_row(f, line0 + i, f.first + k0 + part, f.first + k0 + part + count, row);
      zero_run(blocks * kBlockDepth - there, row + there);
      bfloat16* const to = panels + i / kPanelLines * panel + part / kBlockDepth * kBlockElements +
                           i % kPanelLines * kBlockDepth;
      for (size_t b = 0; b < blocks; ++b) {
        __builtin_memcpy(to + b * kBlockElements, row + b * kBlockDepth, kBlockDepth * sizeof *row);
      }
    }
  }
}

inline void pack_across(const Factor& f, size_t line0, size_t lines, size_t k0, size_t k, bfloat16* panels) {
  alignas(64) bfloat16 rows[2][kRowPart];
  const size_t panel = panel_elements(k);
  for (size_t part = 0; part < lines; part += kRowPart) {
    const size_t count = smaller(kRowPart, lines - part), begin = line0 + part;
    const size_t whole = round_up(count, kPanelLines);
    bfloat16* const to = panels + part / kPanelLines * panel;
    for (size_t p = 0; p < round_up(k, kBlockDepth); p += 2) {
      for (size_t half = 0; half < 2; ++half) {
        const size_t there = p + half < k ? count : 0;
        if (there) cut_row(f, f.first + k0 + p + half, begin, begin + count, rows[half]);
        zero_run(whole - there, rows[half] + there);
      }
      pair_rows(whole / kPanelLines, rows[0], rows[1],
                to + p / kBlockDepth * kBlockElements + p % kBlockDepth * kPanelLines, panel);
    }
  }
}

// Lines line0 … line0+lines−1, k0 … k0+k−1, in the order of a's panels or of b's.
__attribute__((noinline)) void pack_panels(const Factor& f, bool for_b, size_t line0, size_t lines, size_t k0,
                                           size_t k, bfloat16* panels) {
  if (f.across) {
    pack_across(f, line0, lines, k0, k, panels);
  } else {
    pack_along(f, line0, lines, k0, k, panels);
  }
  if (f.across == for_b) return;
  const size_t elements = packed_elements(lines, k);
  for (size_t block = 0; block < elements; block += kBlockElements) transpose_pairs(panels + block);
}

}  // namespace
