// The five loops over packed panels, for numbers that are stored as they are multiplied or otherwise, and for
// those that are multiplied in pairs.
#pragma once
#include "contract/gemm.h"
#include "kernels/cpu/gemm/fetch.h"
#include "kernels/cpu/gemm/pack.h"

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
// A packed block of A, kBlockRows x kDepth, stays in the second cache: 120 * 384 * 4 = 180 KiB. One chunk of
// the packed kernel multiplies it by up to kChunkColumns of B.
inline constexpr int64_t kBlockRows = 120, kChunkColumns = 512;
// Pieces that a few threads share evenly; more of them would read what they have in common more often.
inline constexpr int64_t kFairChunks = 8;
static_assert(kBlockRows <= kGemmMaxRows && kDepth<float> <= kGemmMaxDepth &&
              kDepth<double> <= kGemmMaxDepth);

// How A and B lie in memory, as Source, and packed, as words of the type of C: kNumbers of K to a word.
template <class T, class From = T>
struct AsTheyAre {
  using Source = From;
  using Sum = T;
  static constexpr int64_t kNumbers = 1;
  template <int kRows>
  using A = PackedA<T, kRows>;

  static MO_INLINE Vec<T> load(const From* p) { return load_as(p); }
  static MO_INLINE Vec<T> load(const From* p, int64_t numbers) { return load_as(p, numbers); }
  static MO_INLINE Vec<T> splat(const From* p, int64_t) { return Vec<T>(number_of(*p)); }
  static MO_INLINE Vec<T> add_product(Vec<T> a, Vec<T> b, Vec<T> sum) { return fma(a, b, sum); }
  static MO_INLINE void pack(T* to, const From* from, int64_t stride_i, int64_t stride_l, int64_t count,
                             int64_t numbers, int64_t width) {
    MARKONE_ISA::pack<T, From>(to, from, stride_i, stride_l, count, numbers, width);
  }
  // Whole panels from rows that lie in memory, a row of all of them at a time: long runs are read faster than
  // short ones a row apart.
  static void pack_beside(T* to, const From* from, int64_t row, int64_t numbers, int64_t panels) {
    for (int64_t l = 0; l < numbers; ++l, from += row) {
      for (int64_t i = 0; i < panels; ++i) {
        T* line = to + (i * numbers + l) * kTileCols<T>;
#pragma GCC unroll 4
        for (int j = 0; j < kTileVecs; ++j)
          load_as(from + i * kTileCols<T> + j * kLanes<T>).store(line + j * kLanes<T>);
      }
    }
  }
};

// The matrices of one item of the batch.
template <class Way>
struct Item {
  const typename Way::Source* a;
  const typename Way::Source* b;
  typename Way::Sum* c;
  Item(const GemmArgs& args, int64_t index)
      : a(static_cast<const typename Way::Source*>(args.a)),
        b(static_cast<const typename Way::Source*>(args.b)),
        c(static_cast<typename Way::Sum*>(args.c)) {
    for (int64_t d = args.batch_ndim - 1; d >= 0; --d) {
      const int64_t at = index % args.batch_shape[d];
      index /= args.batch_shape[d];
      a += at * args.batch_a[d];
      b += at * args.batch_b[d];
      c += at * args.batch_c[d];
    }
  }
};

template <class Way>
struct Packed {
  using T = typename Way::Sum;
  const GemmArgs* args;
  const Run* run;
  Item<Way> item;
  T* b;            // the packed block: panels of kTileCols x depth
  T* a = nullptr;  // one block of A a thread
  int64_t a_size = 0;
  int64_t l0 = 0, depth = 0, col0 = 0, cols = 0;  // l0 and depth in words
  Panels rows{0};                                 // of all rows; a chunk has chunk_panels of them
  int64_t chunk_panels = 0, row_parts = 0, col_parts = 0, pack_panels = 0;
};

inline constexpr int64_t kPackPanels = 8;

template <class Way>
void pack_chunk(void* context, int64_t chunk, int) {
  using T = typename Way::Sum;
  const Packed<Way>& p = *static_cast<const Packed<Way>*>(context);
  const GemmArgs& args = *p.args;
  const int64_t first = chunk * p.pack_panels * kTileCols<T>, k0 = p.l0 * Way::kNumbers;
  const int64_t numbers = smaller(args.k - k0, p.depth * Way::kNumbers);
  const auto* b = p.item.b + k0 * args.b_row + p.col0 * args.b_col;
  if (args.b_col == 1 && first + p.pack_panels * kTileCols<T> <= p.cols) {
    Way::pack_beside(p.b + first * p.depth, b + first, args.b_row, numbers, p.pack_panels);
    return;
  }
  for (int64_t i = chunk * p.pack_panels; i < (chunk + 1) * p.pack_panels; ++i) {
    const int64_t j = i * kTileCols<T>;
    if (j >= p.cols) return;
    Way::pack(p.b + j * p.depth, b + j * args.b_col, args.b_col, args.b_row,
              smaller(kTileCols<T>, p.cols - j), numbers, kTileCols<T>);
  }
}

template <class Way>
void packed_chunk(void* context, int64_t chunk, int slot) {
  using T = typename Way::Sum;
  const Packed<Way>& p = *static_cast<const Packed<Way>*>(context);
  const GemmArgs& args = *p.args;
  const int64_t col0 = chunk % p.col_parts * kChunkColumns, first = chunk / p.col_parts * p.chunk_panels;
  const int64_t cols = smaller(kChunkColumns, p.cols - col0), row0 = p.rows.start(first);
  const Panels panels = p.rows.some(first, p.chunk_panels);
  const int64_t k0 = p.l0 * Way::kNumbers, numbers = smaller(args.k - k0, p.depth * Way::kNumbers);
  T* const block = p.a + slot * p.a_size;
  for (int64_t i = 0; i < panels.count; ++i) {
    const int64_t start = panels.start(i);
    Way::pack(block + start * p.depth, p.item.a + (row0 + start) * args.a_row + k0 * args.a_col, args.a_row,
              args.a_col, panels.rows(i), numbers, panels.rows(i));
  }
  for (int64_t j = col0; j < col0 + cols; j += kTileCols<T>) {
    TileOut<T> out{nullptr, args.c_row, smaller(kTileCols<T>, col0 + cols - j), p.l0 > 0 || args.accumulate,
                   nullptr};
    if (args.bias && k0 + numbers == args.k) out.bias = static_cast<const T*>(args.bias) + p.col0 + j;
    const RowsB<T> b{p.b + j * p.depth, kTileCols<T>};
    for (int64_t i = 0; i < panels.count; ++i) {
      const int64_t start = panels.start(i);
      const T* a = block + start * p.depth;
      out.c = p.item.c + (row0 + start) * args.c_row + p.col0 + j;
      if (out.from_c)
        fetch_next_tile<T>(p.item.c + row0 * args.c_row + p.col0 + col0, args.c_row, panels, i, j - col0,
                           cols);
      with_rows<kTileRows>(panels.rows(i), [&]<int kRows>() {
        tile<T, kRows, kTileVecs>(p.depth, typename Way::template A<kRows>{a}, b, out);
      });
    }
  }
}

// From 1 to `most`.
MO_INLINE int64_t at_most(int64_t most, int64_t n) { return n < 1 ? 1 : smaller(most, n); }

// Where the block of B from (l0, col0) on is, packed beforehand: blocks of columns, in each blocks of the k
// words.
template <class T>
MO_INLINE T* packed_block(const void* b, int64_t k, int64_t l0, int64_t col0, int64_t cols) {
  return static_cast<T*>(const_cast<void*>(b)) + col0 * k + l0 * parts(cols, kTileCols<T>) * kTileCols<T>;
}

// Calls f for each block of columns and K, with its place in `p`.
template <class Way, class F>
void for_blocks(Packed<Way>& p, const F& f) {
  using T = typename Way::Sum;
  const int64_t words = parts(p.args->k, Way::kNumbers);
  for (p.col0 = 0; p.col0 < p.args->n; p.col0 += kGemmMaxColumns) {
    p.cols = smaller(kGemmMaxColumns, p.args->n - p.col0);
    p.pack_panels = at_most(kPackPanels, parts(p.cols, kTileCols<T>) / kFairChunks);
    p.l0 = 0;
    do {
      p.depth = smaller(kPackedDepth<T>, words - p.l0);
      f();
      p.l0 += p.depth;
    } while (p.l0 < words);
  }
}

template <class Way>
void gemm_pack(const GemmArgs* args, const Run* run) {
  using T = typename Way::Sum;
  static_assert(kGemmMaxColumns % kTileCols<T> == 0 && kTileCols<T> <= kGemmMaxPanel);
  Packed<Way> p{args, run, Item<Way>(*args, 0), nullptr};
  for_blocks(p, [&] {
    p.b = packed_block<T>(args->c, parts(args->k, Way::kNumbers), p.l0, p.col0, p.cols);
    run->parallel(run, parts(p.cols, kTileCols<T> * p.pack_panels), pack_chunk<Way>, &p);
  });
}

template <class Way>
void gemm_packed(const GemmArgs* args, const Run* run) {
  using T = typename Way::Sum;
  Run limited = *run;
  limited.threads = static_cast<int>(smaller(run->threads, args->slots));
  const int64_t b_size = (smaller(args->n, kGemmMaxColumns) + kGemmMaxPanel) * kGemmMaxDepth;
  for (int64_t index = 0; index < args->batch; ++index) {
    Packed<Way> p{args, run, Item<Way>(*args, index), static_cast<T*>(run->scratch)};
    p.a = p.b + b_size;
    p.a_size = kGemmMaxRows * kGemmMaxDepth + kGemmMaxPanel;
    p.rows = Panels(args->m);
    for_blocks(p, [&] {
      p.col_parts = parts(p.cols, kChunkColumns);
      p.chunk_panels = at_most(kBlockRows / kTileRows, p.rows.count * p.col_parts / kFairChunks);
      p.row_parts = parts(p.rows.count, p.chunk_panels);
      if (args->packed_b)
        p.b = packed_block<T>(args->b, parts(args->k, Way::kNumbers), p.l0, p.col0, p.cols);
      else
        run->parallel(&limited, parts(p.cols, kTileCols<T> * p.pack_panels), pack_chunk<Way>, &p);
      run->parallel(&limited, p.row_parts * p.col_parts, packed_chunk<Way>, &p);
    });
  }
}

MO_ISA_END
