// Matrix multiplication: straight from A and B where packing would cost more than it saves, and the five
// loops over packed panels.
#include "contract/gemm.h"

#include "kernels/cpu/gemm/dot.h"
#include "kernels/cpu/gemm/packed.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

// A few rows of B at a time are streams that the prefetcher follows, and the part of C stays in the first
// cache.
inline constexpr int kStreamVecs = 8;
inline constexpr int64_t kStreamDepth = 8, kStreamColumns = 2048;
// A tile of the direct kernel: enough rows that packing a panel of B is paid for.
inline constexpr int64_t kDirectRows = 240, kDirectColumns = 128;
static_assert(kStreamVecs * kLanes<float> * kDepth<float> <= kGemmMaxPanel * kGemmMaxDepth &&
              kStreamVecs * kLanes<double> * kDepth<double> <= kGemmMaxPanel * kGemmMaxDepth);

struct Grid {
  const GemmArgs* args;
  const Run* run;
  int64_t row_size, col_size, row_parts, col_parts, depth;
};

// Where the scratch of one thread begins.
template <class T>
MO_INLINE T* slot_of(const Run* run, int slot) {
  return static_cast<T*>(run->scratch) + slot * (kGemmMaxPanel * kGemmMaxDepth + 2 * kGemmMaxPanel);
}

template <class T, int kVecs>
void direct_columns(const GemmArgs& args, const Item<AsTheyAre<T>>& item, int64_t row0, int64_t rows,
                    int64_t col0, int64_t cols, int64_t l0, int64_t depth, T* panel) {
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

template <class T>
void direct_chunk(void* context, int64_t chunk, int slot) {
  const Grid& grid = *static_cast<const Grid*>(context);
  const GemmArgs& args = *grid.args;
  const int64_t col0 = chunk % grid.col_parts * grid.col_size;
  chunk /= grid.col_parts;
  const int64_t row0 = chunk % grid.row_parts * grid.row_size;
  const Item<AsTheyAre<T>> item(args, chunk / grid.row_parts);
  const int64_t rows = smaller(grid.row_size, args.m - row0), cols = smaller(grid.col_size, args.n - col0);
  if (args.m <= kFewRows && args.b_row == 1) {
    return with_rows<kFewRows>(static_cast<int>(args.m), [&]<int kRows>() {
      dot_columns<AsTheyAre<T>, kRows, 1>(args, item, col0, cols);
    });
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

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_gemm(GemmKernels* table) {
  table->gemm_dot[kF32] = {gemm_dot<float>, MO_KERNEL_NAME("gemm_dot_f32")};
  table->gemm_dot[kF64] = {gemm_dot<double>, MO_KERNEL_NAME("gemm_dot_f64")};
  table->gemm_direct[kF32] = {gemm_direct<float>, MO_KERNEL_NAME("gemm_direct_f32")};
  table->gemm_direct[kF64] = {gemm_direct<double>, MO_KERNEL_NAME("gemm_direct_f64")};
  table->gemm_packed[kF32] = {gemm_packed<AsTheyAre<float>>, MO_KERNEL_NAME("gemm_packed_f32")};
  table->gemm_packed[kF64] = {gemm_packed<AsTheyAre<double>>, MO_KERNEL_NAME("gemm_packed_f64")};
  table->gemm_packed[kBF16] = {gemm_few_or_packed<AsTheyAre<float, BF16>>, MO_KERNEL_NAME("gemm_bf16")};
  table->gemm_packed[kF16] = {gemm_few_or_packed<AsTheyAre<float, F16>>, MO_KERNEL_NAME("gemm_f16")};
  table->gemm_pack[kBF16] = {gemm_pack<AsTheyAre<float, BF16>>, MO_KERNEL_NAME("gemm_pack_bf16")};
  table->gemm_pack[kF16] = {gemm_pack<AsTheyAre<float, F16>>, MO_KERNEL_NAME("gemm_pack_f16")};
  table->gemm_pack[kF32] = {gemm_pack<AsTheyAre<float>>, MO_KERNEL_NAME("gemm_pack_f32")};
  table->gemm_pack[kF64] = {gemm_pack<AsTheyAre<double>>, MO_KERNEL_NAME("gemm_pack_f64")};
}

}  // namespace markone::MARKONE_ISA
