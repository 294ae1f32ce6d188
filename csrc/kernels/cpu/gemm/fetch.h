// Fetches what the next tile begins with, while this one is multiplied.
#pragma once
#include "kernels/cpu/gemm/tile.h"

MO_ISA_BEGIN

// Of C, which has left the caches since it was last touched: `rows` rows of `cols` columns, to be written.
template <class T>
MO_INLINE void fetch_tile(const T* c, int64_t c_row, int rows, int64_t cols) {
  for (int i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; j += 64 / static_cast<int64_t>(sizeof(T)))
      __builtin_prefetch(c + i * c_row + j, 1, 2);
  }
}

// The tile after panel i at column j of a block of C at `c`: the panel below, or the first one of the next
// columns, of which there are `cols` in all.
template <class T>
MO_INLINE void fetch_next_tile(const T* c, int64_t c_row, const Panels& panels, int64_t i, int64_t j,
                               int64_t cols) {
  const bool below = i + 1 < panels.count;
  const int64_t next = below ? i + 1 : 0, column = below ? j : j + kTileCols<T>;
  if (column >= cols) return;
  fetch_tile<T>(c + panels.start(next) * c_row + column, c_row, panels.rows(next),
                smaller(kTileCols<T>, cols - column));
}

MO_ISA_END
