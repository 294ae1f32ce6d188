// Matrix multiplication: straight from A and B where packing would cost more than it saves, and the five
// loops over packed panels.
#include "contract/gemm.h"

#include "kernels/cpu/gemm/fetch.h"
#include "kernels/cpu/gemm/pack.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

// A panel of B, kDepth x kTileCols, is read once for each panel of A and has to stay in the first cache with
// it: 24 KiB of 32.
template <class T>
inline constexpr int64_t kDepthFit = 24576 / (kTileCols<T> * static_cast<int64_t>(sizeof(T)));
template <class T>
inline constexpr int64_t kDepth = kDepthFit<T> < 384 ? kDepthFit<T> : 384;
// The packed kernel reads the panel from the second cache as fast, one line after the other, and a deeper one
// reads and writes C less often.
template <class T>
inline constexpr int64_t kDeep = 1536 / static_cast<int64_t>(sizeof(T));
template <class T>
inline constexpr int64_t kPackedDepth = kDeep<T> > kDepth<T> ? kDeep<T> : kDepth<T>;
// With so few rows B is read once, at the speed of memory. A few of its rows at a time are streams that the
// prefetcher follows, and the part of C stays in the first cache.
inline constexpr int kFewRows = 4;
inline constexpr int kStreamVecs = 8;
inline constexpr int64_t kStreamDepth = 8, kStreamColumns = 2048;
// A tile of the direct kernel: enough rows that packing a panel of B is paid for.
inline constexpr int64_t kDirectRows = 240, kDirectColumns = 128;
// A packed block of A, kBlockRows x kDepth, stays in the second cache: 120 * 384 * 4 = 180 KiB. One chunk of
// the packed kernel multiplies it by up to kChunkColumns of B.
inline constexpr int64_t kBlockRows = 120, kChunkColumns = 512;
// Pieces that a few threads share evenly; more of them would read what they have in common more often.
inline constexpr int64_t kFairChunks = 8;
static_assert(kBlockRows <= kGemmMaxRows && kDepth<float> <= kGemmMaxDepth &&
              kDepth<double> <= kGemmMaxDepth);

static_assert(kStreamVecs * kLanes<float> * kDepth<float> <= kGemmMaxPanel * kGemmMaxDepth &&
              kStreamVecs * kLanes<double> * kDepth<double> <= kGemmMaxPanel * kGemmMaxDepth);

template <class T>
struct Item {
  const T* a;
  const T* b;
  T* c;
  Item(const GemmArgs& args, int64_t index)
      : a(static_cast<const T*>(args.a)), b(static_cast<const T*>(args.b)), c(static_cast<T*>(args.c)) {
    for (int64_t d = args.batch_ndim - 1; d >= 0; --d) {
      const int64_t at = index % args.batch_shape[d];
      index /= args.batch_shape[d];
      a += at * args.batch_a[d];
      b += at * args.batch_b[d];
      c += at * args.batch_c[d];
    }
  }
};

// Where the scratch of one thread begins.
template <class T>
MO_INLINE T* slot_of(const Run* run, int slot) {
  return static_cast<T*>(run->scratch) + slot * (kGemmMaxPanel * kGemmMaxDepth + 2 * kGemmMaxPanel);
}

struct Grid {
  const GemmArgs* args;
  const Run* run;
  int64_t row_size, col_size, row_parts, col_parts, depth;
};

template <class T, int kVecs>
void direct_columns(const GemmArgs& args, const Item<T>& item, int64_t row0, int64_t rows, int64_t col0,
                    int64_t cols, int64_t l0, int64_t depth, T* panel) {
  constexpr int64_t kWidth = kVecs * kLanes<T>;
  const Panels panels(rows);
  for (int64_t j = col0; j < col0 + cols; j += kWidth) {
    const int64_t width = smaller(kWidth, col0 + cols - j);
    const T* b = item.b + l0 * args.b_row + j * args.b_col;
    int64_t b_row = args.b_row;
    if (args.b_col != 1) {
      pack<T>(panel, b, args.b_col, args.b_row, width, depth, kWidth);
      b = panel;
      b_row = kWidth;
    }
    TileOut<T> out{nullptr, args.c_row, width, l0 > 0 || args.accumulate, nullptr};
    if (args.bias && l0 + depth == args.k) out.bias = static_cast<const T*>(args.bias) + j;
    const bool whole = width == kWidth || args.b_col != 1;
    if (depth == kStreamDepth && l0 + 2 * depth <= args.k) {
      // The same columns of the rows that come next.
      for (int64_t l = depth; l < 2 * depth; ++l) {
        for (int64_t i = 0; i < width; i += 64 / static_cast<int64_t>(sizeof(T)))
          __builtin_prefetch(b + l * b_row + i, 0, 2);
      }
    }
    for (int64_t p = 0; p < panels.count; ++p) {
      const int64_t i = row0 + panels.start(p);
      const StridedA<T> a{item.a + i * args.a_row + l0 * args.a_col, args.a_row, args.a_col};
      out.c = item.c + i * args.c_row + j;
      with_rows<kVecs == kTileVecs   ? kTileRows
                : kVecs == kWideVecs ? 2
                                     : 1>(panels.rows(p), [&]<int kRows>() {
        if (whole)
          tile<T, kRows, kVecs>(depth, a, RowsB<T>{b, b_row}, out);
        else
          tile<T, kRows, kVecs>(depth, a, RowsEdgeB<T>{b, b_row, width}, out);
      });
    }
  }
}

// A few rows times a B whose columns are contiguous: kLanes columns at a time are turned into rows in
// registers, so that B passes once, at the speed of memory. kGroups chains hide the latency of the adder.
template <class T, int kRows, int kGroups>
void dot_columns(const GemmArgs& args, const Item<T>& item, int64_t col0, int64_t cols) {
  using V = Vec<T>;
  constexpr int64_t kN = V::kLanes, kWidth = kGroups * kN;
  // So far ahead of each of the streams; 512 bytes are the time of a few blocks.
  constexpr int64_t kAhead = 512 / static_cast<int64_t>(sizeof(T));
  for (int64_t j = col0; j < col0 + cols; j += kWidth) {
    const int64_t width = smaller(kWidth, col0 + cols - j);
    const T* from[kWidth];
    // Columns past the edge repeat the last one and are never stored.
    for (int64_t c = 0; c < kWidth; ++c) from[c] = item.b + (c < width ? j + c : j + width - 1) * args.b_col;
    V acc[kRows][kGroups];
    for (int r = 0; r < kRows; ++r) {
      for (int g = 0; g < kGroups; ++g)
        acc[r][g] =
            args.accumulate ? V::load(item.c + r * args.c_row + j + g * kN, lanes_of<T>(width, g)) : V(0);
    }
    for (int64_t l = 0; l < args.k; l += kN) {
      const int64_t n = smaller(kN, args.k - l);
#pragma GCC unroll 2
      for (int g = 0; g < kGroups; ++g) {
        V rows[kN];
        if (n == kN) {
#pragma GCC unroll 16
          for (int c = 0; c < kN; ++c) {
            const T* p = from[g * kN + c] + l;
            rows[c] = V::load(p);
            __builtin_prefetch(p + kAhead, 0, 2);
          }
        } else {
          for (int c = 0; c < kN; ++c) rows[c] = V::load(from[g * kN + c] + l, n);
        }
        transpose(rows);
        const T* a = item.a + l * args.a_col;
        if (n == kN) {
#pragma GCC unroll 16
          for (int c = 0; c < kN; ++c) {
#pragma GCC unroll 4
            for (int r = 0; r < kRows; ++r)
              acc[r][g] = fma(V(a[r * args.a_row + c * args.a_col]), rows[c], acc[r][g]);
          }
        } else {
          for (int c = 0; c < n; ++c) {
            for (int r = 0; r < kRows; ++r)
              acc[r][g] = fma(V(a[r * args.a_row + c * args.a_col]), rows[c], acc[r][g]);
          }
        }
      }
    }
    for (int g = 0; g < kGroups; ++g) {
      const int64_t lanes = lanes_of<T>(width, g);
      for (int r = 0; r < kRows; ++r) {
        if (args.bias) acc[r][g] = acc[r][g] + V::load(static_cast<const T*>(args.bias) + j + g * kN, lanes);
        store_first(acc[r][g], item.c + r * args.c_row + j + g * kN, lanes);
      }
    }
  }
}

template <class T>
void direct_chunk(void* context, int64_t chunk, int slot) {
  const Grid& grid = *static_cast<const Grid*>(context);
  const GemmArgs& args = *grid.args;
  const int64_t col0 = chunk % grid.col_parts * grid.col_size;
  chunk /= grid.col_parts;
  const int64_t row0 = chunk % grid.row_parts * grid.row_size;
  const Item<T> item(args, chunk / grid.row_parts);
  const int64_t rows = smaller(grid.row_size, args.m - row0), cols = smaller(grid.col_size, args.n - col0);
  if (args.m <= kFewRows && args.b_row == 1) {
    return with_rows<kFewRows>(static_cast<int>(args.m),
                               [&]<int kRows>() { dot_columns<T, kRows, 1>(args, item, col0, cols); });
  }
  int64_t l0 = 0;
  do {
    const int64_t depth = smaller(grid.depth, args.k - l0);
    const auto columns = rows == 1   ? direct_columns<T, kStreamVecs>
                         : rows == 2 ? direct_columns<T, kWideVecs>
                                     : direct_columns<T, kTileVecs>;
    columns(args, item, row0, rows, col0, cols, l0, depth, slot_of<T>(grid.run, slot));
    l0 += depth;
  } while (l0 < args.k);
}

template <class T>
void gemm_direct(const GemmArgs* args, const Run* run) {
  Run limited = *run;
  limited.threads = static_cast<int>(smaller(run->threads, args->slots));
  const bool stream = args->m <= kFewRows && args->b_col == 1;
  Grid grid{args, run, 0, 0, 0, 0, stream ? kStreamDepth : kDepth<T>};
  grid.row_parts = parts(args->m, kDirectRows);
  grid.row_size = parts(parts(args->m, grid.row_parts), kTileRows) * kTileRows;
  grid.row_parts = parts(args->m, grid.row_size);
  grid.col_size = stream ? kStreamColumns : kDirectColumns;
  // A narrower piece only reads A again.
  while (!stream && grid.col_size > kTileCols<T> &&
         args->batch * grid.row_parts * parts(args->n, grid.col_size) < kFairChunks)
    grid.col_size /= 2;
  grid.col_parts = parts(args->n, grid.col_size);
  run->parallel(&limited, args->batch * grid.row_parts * grid.col_parts, direct_chunk<T>, &grid);
}

template <class T>
void dot_chunk(void* context, int64_t chunk, int) {
  using V = Vec<T>;
  constexpr int kSums = 8;  // hide the latency of the adder
  const Grid& grid = *static_cast<const Grid*>(context);
  const GemmArgs& args = *grid.args;
  const T* a = static_cast<const T*>(args.a) + chunk * kDotBlock;
  const T* b = static_cast<const T*>(args.b) + chunk * kDotBlock;
  const int64_t n = smaller(kDotBlock, args.k - chunk * kDotBlock);
  V acc[kSums];
#pragma GCC unroll 8
  for (int j = 0; j < kSums; ++j) acc[j] = V(0);
  int64_t i = 0;
  for (; i + kSums * V::kLanes <= n; i += kSums * V::kLanes) {
#pragma GCC unroll 8
    for (int j = 0; j < kSums; ++j)
      acc[j] = fma(V::load(a + i + j * V::kLanes), V::load(b + i + j * V::kLanes), acc[j]);
  }
  for (int j = 0; i < n; i += V::kLanes, ++j) {
    const int64_t lanes = smaller(V::kLanes, n - i);
    acc[j] = fma(V::load(a + i, lanes), V::load(b + i, lanes), acc[j]);
  }
  for (int half = kSums / 2; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) acc[j] = acc[j] + acc[j + half];
  }
  T lanes[V::kLanes];
  acc[0].store(lanes);
  for (int half = V::kLanes / 2; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  static_cast<T*>(grid.run->scratch)[chunk] = lanes[0];
}

template <class T>
void gemm_dot(const GemmArgs* args, const Run* run) {
  Grid grid{args, run, 0, 0, 0, 0, 0};
  const int64_t blocks = parts(args->k, kDotBlock);
  run->parallel(run, blocks, dot_chunk<T>, &grid);
  T total = 0;
  for (int64_t i = 0; i < blocks; ++i) total += static_cast<const T*>(run->scratch)[i];
  *static_cast<T*>(args->c) = total;
}

template <class T>
struct Packed {
  const GemmArgs* args;
  const Run* run;
  Item<T> item;
  T* b;            // the packed block: panels of kTileCols x depth
  T* a = nullptr;  // one block of A a thread
  int64_t a_size = 0;
  int64_t l0 = 0, depth = 0, col0 = 0, cols = 0;
  Panels rows{0};  // of all rows; a chunk has chunk_panels of them
  int64_t chunk_panels = 0, row_parts = 0, col_parts = 0, pack_panels = 0;
};

inline constexpr int64_t kPackPanels = 8;

// A chunk of whole panels from rows that lie in memory, a row of all of them at a time: long runs are read
// faster than short ones a row apart.
template <class T>
void pack_beside(T* to, const T* from, int64_t row, int64_t depth, int64_t panels) {
  for (int64_t l = 0; l < depth; ++l, from += row) {
    for (int64_t i = 0; i < panels; ++i) {
      T* line = to + (i * depth + l) * kTileCols<T>;
#pragma GCC unroll 4
      for (int j = 0; j < kTileVecs; ++j)
        Vec<T>::load(from + i * kTileCols<T> + j * kLanes<T>).store(line + j * kLanes<T>);
    }
  }
}

template <class T>
void pack_chunk(void* context, int64_t chunk, int) {
  const Packed<T>& p = *static_cast<const Packed<T>*>(context);
  const GemmArgs& args = *p.args;
  const int64_t first = chunk * p.pack_panels * kTileCols<T>;
  if (args.b_col == 1 && first + p.pack_panels * kTileCols<T> <= p.cols) {
    pack_beside(p.b + first * p.depth, p.item.b + p.l0 * args.b_row + p.col0 + first, args.b_row, p.depth,
                p.pack_panels);
    return;
  }
  for (int64_t i = chunk * p.pack_panels; i < (chunk + 1) * p.pack_panels; ++i) {
    const int64_t j = i * kTileCols<T>;
    if (j >= p.cols) return;
    pack<T>(p.b + j * p.depth, p.item.b + p.l0 * args.b_row + (p.col0 + j) * args.b_col, args.b_col,
            args.b_row, smaller(kTileCols<T>, p.cols - j), p.depth, kTileCols<T>);
  }
}

template <class T>
void packed_chunk(void* context, int64_t chunk, int slot) {
  const Packed<T>& p = *static_cast<const Packed<T>*>(context);
  const GemmArgs& args = *p.args;
  const int64_t col0 = chunk % p.col_parts * kChunkColumns, first = chunk / p.col_parts * p.chunk_panels;
  const int64_t cols = smaller(kChunkColumns, p.cols - col0), row0 = p.rows.start(first);
  const Panels panels = p.rows.some(first, p.chunk_panels);
  T* const block = p.a + slot * p.a_size;
  for (int64_t i = 0; i < panels.count; ++i) {
    const int64_t start = panels.start(i);
    pack<T>(block + start * p.depth, p.item.a + (row0 + start) * args.a_row + p.l0 * args.a_col, args.a_row,
            args.a_col, panels.rows(i), p.depth, panels.rows(i));
  }
  for (int64_t j = col0; j < col0 + cols; j += kTileCols<T>) {
    TileOut<T> out{nullptr, args.c_row, smaller(kTileCols<T>, col0 + cols - j), p.l0 > 0 || args.accumulate,
                   nullptr};
    if (args.bias && p.l0 + p.depth == args.k) out.bias = static_cast<const T*>(args.bias) + p.col0 + j;
    const RowsB<T> b{p.b + j * p.depth, kTileCols<T>};
    for (int64_t i = 0; i < panels.count; ++i) {
      const int64_t start = panels.start(i);
      const T* a = block + start * p.depth;
      out.c = p.item.c + (row0 + start) * args.c_row + p.col0 + j;
      if (out.from_c)
        fetch_next_tile<T>(p.item.c + row0 * args.c_row + p.col0 + col0, args.c_row, panels, i, j - col0,
                           cols);
      with_rows<kTileRows>(panels.rows(i), [&]<int kRows>() {
        tile<T, kRows, kTileVecs>(p.depth, PackedA<T, kRows>{a}, b, out);
      });
    }
  }
}

// From 1 to `most`.
MO_INLINE int64_t at_most(int64_t most, int64_t n) { return n < 1 ? 1 : smaller(most, n); }

// Where the block of B from (l0, col0) on is, packed beforehand: blocks of columns, in each blocks of K.
template <class T>
MO_INLINE T* packed_block(const void* b, int64_t k, int64_t l0, int64_t col0, int64_t cols) {
  return static_cast<T*>(const_cast<void*>(b)) + col0 * k + l0 * parts(cols, kTileCols<T>) * kTileCols<T>;
}

// Calls f for each block of columns and K, with its place in `p`.
template <class T, class F>
void for_blocks(Packed<T>& p, const F& f) {
  for (p.col0 = 0; p.col0 < p.args->n; p.col0 += kGemmMaxColumns) {
    p.cols = smaller(kGemmMaxColumns, p.args->n - p.col0);
    p.pack_panels = at_most(kPackPanels, parts(p.cols, kTileCols<T>) / kFairChunks);
    p.l0 = 0;
    do {
      p.depth = smaller(kPackedDepth<T>, p.args->k - p.l0);
      f();
      p.l0 += p.depth;
    } while (p.l0 < p.args->k);
  }
}

template <class T>
void gemm_pack(const GemmArgs* args, const Run* run) {
  static_assert(kGemmMaxColumns % kTileCols<T> == 0 && kTileCols<T> <= kGemmMaxPanel);
  Packed<T> p{args, run, Item<T>(*args, 0), nullptr};
  for_blocks(p, [&] {
    p.b = packed_block<T>(args->c, args->k, p.l0, p.col0, p.cols);
    run->parallel(run, parts(p.cols, kTileCols<T> * p.pack_panels), pack_chunk<T>, &p);
  });
}

template <class T>
void gemm_packed(const GemmArgs* args, const Run* run) {
  Run limited = *run;
  limited.threads = static_cast<int>(smaller(run->threads, args->slots));
  const int64_t b_size = (smaller(args->n, kGemmMaxColumns) + kGemmMaxPanel) * kGemmMaxDepth;
  for (int64_t index = 0; index < args->batch; ++index) {
    Packed<T> p{args, run, Item<T>(*args, index), static_cast<T*>(run->scratch)};
    p.a = p.b + b_size;
    p.a_size = kGemmMaxRows * kGemmMaxDepth + kGemmMaxPanel;
    p.rows = Panels(args->m);
    for_blocks(p, [&] {
      p.col_parts = parts(p.cols, kChunkColumns);
      p.chunk_panels = at_most(kBlockRows / kTileRows, p.rows.count * p.col_parts / kFairChunks);
      p.row_parts = parts(p.rows.count, p.chunk_panels);
      if (args->packed_b)
        p.b = packed_block<T>(args->b, args->k, p.l0, p.col0, p.cols);
      else
        run->parallel(&limited, parts(p.cols, kTileCols<T> * p.pack_panels), pack_chunk<T>, &p);
      run->parallel(&limited, p.row_parts * p.col_parts, packed_chunk<T>, &p);
    });
  }
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_gemm(GemmKernels* table) {
  table->gemm_dot[kF32] = {gemm_dot<float>, MO_KERNEL_NAME("gemm_dot_f32")};
  table->gemm_dot[kF64] = {gemm_dot<double>, MO_KERNEL_NAME("gemm_dot_f64")};
  table->gemm_direct[kF32] = {gemm_direct<float>, MO_KERNEL_NAME("gemm_direct_f32")};
  table->gemm_direct[kF64] = {gemm_direct<double>, MO_KERNEL_NAME("gemm_direct_f64")};
  table->gemm_packed[kF32] = {gemm_packed<float>, MO_KERNEL_NAME("gemm_packed_f32")};
  table->gemm_packed[kF64] = {gemm_packed<double>, MO_KERNEL_NAME("gemm_packed_f64")};
  table->gemm_pack[kF32] = {gemm_pack<float>, MO_KERNEL_NAME("gemm_pack_f32")};
  table->gemm_pack[kF64] = {gemm_pack<double>, MO_KERNEL_NAME("gemm_pack_f64")};
}

}  // namespace markone::MARKONE_ISA
