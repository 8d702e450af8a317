// An operand, rounded to bfloat16 while its panels are packed.
#pragma once

#include "bpnet/kernels/cpu/bfloat16/windows.h"

namespace {

constexpr size_t kMostAcross = 512;  // lines that are packed together, where rows are across them

// Rows of float, or windows. A row is a line of the operand along k, or, if `across`, one k of all lines.
struct Factor {
  const float* data;  // null: windows
  size_t stride;
  bool across;
  Windows windows = {};
  size_t first = 0;                    // k that counts as 0
  const bfloat16* prepared = nullptr;  // columns of b: all panels, each for the whole of k
  size_t depth = 0;                    // the whole of k
};

inline Factor matrix_of(const float* data, size_t stride, bool across) { return {data, stride, across}; }
inline Factor prepared_columns(const bfloat16* panels, size_t k) {
  return {nullptr, 0, false, {}, 0, panels, k};
}
inline Factor rows_of(const Windows& windows, bool across) { return {nullptr, 0, across, windows}; }

// Rows one after another, from `row` on, `count` elements of each from `begin` on.
class Rows {
 public:
  Rows(const Factor& f, size_t row, size_t begin, size_t count)
      : f_(f), count_(count), cursor_(f.windows, f.data ? 0 : row) {
    if (f.data) {
      from_ = f.data + row * f.stride + begin;
    } else {
      start_ = window_start(f.windows, begin);
    }
  }
  // to = the next row and zeros up to `whole`; up to 31 elements more are written.
  void next(size_t whole, bfloat16* to) {
    if (f_.data) {
      round_run(count_, from_, to);
      from_ += f_.stride;
    } else {
      copy_window(f_.windows, cursor_.window(), start_, count_, to);
      cursor_.next();
    }
    zero_run(whole - count_, to + count_);
  }

 private:
  const Factor& f_;
  size_t count_;
  WindowCursor cursor_;
  const float* from_ = nullptr;
  WindowStart start_ = {};
};

// Lines of a: rows as they are stored.
inline void pack_a_along(const Factor& f, size_t line0, size_t lines, size_t k0, size_t k, bfloat16* to) {
  const size_t whole = round_up(k, kBlockDepth), line = line_elements(k);
  Rows rows(f, line0, f.first + k0, k);
  for (size_t i = 0; i < lines; ++i) rows.next(whole, to + i * line);
  for (size_t i = lines; i % kPanelLines != 0; ++i) zero_run(whole, to + i * line);
}

// Columns of b whose elements are contiguous: 16 rows, transposed.
inline void pack_b_along(const Factor& f, size_t line0, size_t lines, size_t k0, size_t k, bfloat16* to) {
  constexpr size_t kPart = 512, kStride = kPart + kBlockDepth;  // elements of a row that are packed at once
  alignas(64) bfloat16 part[kPanelLines * kStride];
  for (size_t p = 0; p < k; p += kPart) {
    const size_t count = smaller(kPart, k - p), whole = round_up(count, kBlockDepth);
    Rows rows(f, line0, f.first + k0 + p, count);
    for (size_t panel = 0; panel < lines; panel += kPanelLines) {
      for (size_t i = 0; i < kPanelLines; ++i) {
        if (panel + i < lines) {
          rows.next(whole, part + i * kStride);
        } else {
          zero_run(whole, part + i * kStride);
        }
      }
      bfloat16* const blocks = to + panel / kPanelLines * b_panel_elements(k) + p * kPanelLines;
      for (size_t b = 0; b < whole; b += kBlockDepth) {
        transpose_pairs(part + b, kStride, blocks + b * kPanelLines, kBlockDepth);
      }
    }
  }
}

// Pairs of rows across the lines, as in b: body(pair, first row, second row) for each, with zeros up to whole
// panels and blocks.
template <class Body>
inline void each_pair(const Factor& f, size_t line, size_t lines, size_t k0, size_t k, const Body& body) {
  alignas(64) bfloat16 rows[2][kMostAcross + kBlockDepth];
  const size_t whole = round_up(lines, kPanelLines);
  Rows from(f, f.first + k0, line, lines);
  for (size_t p = 0; p < round_up(k, kBlockDepth); ++p) {
    if (p < k) {
      from.next(whole, rows[p % 2]);
    } else {
      zero_run(whole, rows[p % 2]);
    }
    if (p % 2) body(p / 2, rows[0], rows[1]);
  }
}

inline void pack_b_across(const Factor& f, size_t line0, size_t lines, size_t k0, size_t k, bfloat16* to) {
  const size_t panel = b_panel_elements(k);
  each_pair(f, line0, lines, k0, k, [&](size_t pair, const bfloat16* first, const bfloat16* second) {
    pair_rows(ceil_divide(lines, kPanelLines), first, second, to + pair * kBlockDepth, panel);
  });
}

inline void pack_a_across(const Factor& f, size_t line0, size_t lines, size_t k0, size_t k, bfloat16* to) {
  constexpr size_t kPairs = kBlockDepth / 2;
  alignas(64) bfloat16 blocks[kMostAcross * kBlockDepth];
  const size_t panels = ceil_divide(lines, kPanelLines), line = line_elements(k);
  each_pair(f, line0, lines, k0, k, [&](size_t pair, const bfloat16* first, const bfloat16* second) {
    pair_rows(panels, first, second, blocks + pair % kPairs * kBlockDepth, kBlockElements);
    if (pair % kPairs != kPairs - 1) return;
    for (size_t p = 0; p < panels; ++p) {
      transpose_pairs(blocks + p * kBlockElements, kBlockDepth,
                      to + p * kPanelLines * line + pair / kPairs * kBlockDepth, line);
    }
  });
}

// Lines line0 … line0+lines−1 of a or b, k0 … k0+k−1.
__attribute__((noinline)) void pack_panels(const Factor& f, bool is_b, size_t line0, size_t lines, size_t k0,
                                           size_t k, bfloat16* to) {
  if (!f.across) return (is_b ? pack_b_along : pack_a_along)(f, line0, lines, k0, k, to);
  const size_t panel = is_b ? b_panel_elements(k) : a_panel_elements(k);
  for (size_t part = 0; part < lines; part += kMostAcross) {
    (is_b ? pack_b_across : pack_a_across)(f, line0 + part, smaller(kMostAcross, lines - part), k0, k,
                                           to + part / kPanelLines * panel);
  }
}

// Packed lines of an operand; its panels are `panel` elements apart.
struct Panels {
  const bfloat16* data;
  size_t panel;

  const bfloat16* of_line(size_t line) const { return data + line / kPanelLines * panel; }
};

// The panels from line0 and k0 on: prepared, or packed for k elements at `packed`.
inline Panels panels_at(const Factor& f, bool is_b, size_t line0, size_t k0, size_t k,
                        const bfloat16* packed) {
  if (!f.prepared) return {packed, is_b ? b_panel_elements(k) : a_panel_elements(k)};
  const size_t panel = b_panel_elements(f.depth);
  return {f.prepared + line0 / kPanelLines * panel + k0 / kBlockDepth * kBlockElements, panel};
}

inline size_t prepared_elements(size_t lines, size_t k) {
  return ceil_divide(lines, kPanelLines) * b_panel_elements(k);
}

// to = the panels of all columns of b, to multiply by them many times.
inline void prepare_columns(const Factor& f, size_t lines, size_t k, bfloat16* to) {
  constexpr size_t kTogether = 4 * kPanelLines;
  run_tasks(ceil_divide(lines, kTogether), lines * k < kChunk, [&](size_t index) {
    const size_t line = index * kTogether;
    pack_panels(f, true, line, smaller(kTogether, lines - line), 0, k, to + prepared_elements(line, k));
  });
}

}  // namespace
