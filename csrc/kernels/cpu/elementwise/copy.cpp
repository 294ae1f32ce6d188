// Copies between layouts and types, and fill.
#include <stddef.h>

#include "contract/elementwise.h"
#include "kernels/cpu/elementwise/kernel.h"
#include "kernels/cpu/gemm/pack.h"
#include "kernels/cpu/vec_stream.h"

MO_ISA_BEGIN

template <class T>
void copy_block(void* out, const void* in, const void*, const void*, int64_t n, int64_t) {
  __builtin_memcpy(out, in, static_cast<size_t>(n) * sizeof(T));
}
// The same for an output that no cache could hold.
template <class T>
void stream_block(void* out, const void* in, const void*, const void*, int64_t n, int64_t) {
  stream_out(out, in, n * static_cast<int64_t>(sizeof(T)));
  stream_end();
}

// The floating type of a size, whose vectors move any element of that size.
template <int kBytes>
struct FloatOf {
  using type = float;
};
template <>
struct FloatOf<8> {
  using type = double;
};

constexpr int64_t kTile = 32;
// Tiles that one thread takes at once.
constexpr int64_t kTilesPerChunk = 16;

// A transpose: the output runs along `last`, the input along `fast`. Both are read and written a cache line
// at a time by going through a tile.
struct TransposeContext {
  const CopyArgs* args;
  int64_t fast, fast_tiles, last_tiles, tiles;
};

// out[j, i] = in[i, j] of one block of registers.
template <class V>
MO_INLINE void transpose_block(const typename V::Scalar* in, int64_t in_step, typename V::Scalar* out,
                               int64_t out_step) {
  V rows[V::kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < V::kLanes; ++i) rows[i] = V::load(in + i * in_step);
  transpose(rows);
#pragma GCC unroll 16
  for (int i = 0; i < V::kLanes; ++i) rows[i].store(out + i * out_step);
}
// A whole tile of 4 or 8 byte elements, a block of registers after the other.
template <class C>
void transpose_blocks(const C* in, int64_t in_step, C* out, int64_t out_step) {
  using V = Vec<C>;
  for (int64_t j = 0; j < kTile; j += V::kLanes) {
    for (int64_t i = 0; i < kTile; i += V::kLanes)
      transpose_block<V>(in + i * in_step + j, in_step, out + j * out_step + i, out_step);
  }
}

template <class T>
void transpose_tile(const TransposeContext& c, int64_t tile) {
  const CopyArgs* args = c.args;
  const int64_t last = args->ndim - 1;
  const int64_t i0 = tile % c.last_tiles * kTile;
  tile /= c.last_tiles;
  const int64_t j0 = tile % c.fast_tiles * kTile;
  int64_t outer = tile / c.fast_tiles;
  const int64_t out_step = args->out_stride[c.fast], in_step = args->in_stride[last];
  auto* out = static_cast<T*>(args->out) + i0 + j0 * out_step;
  auto* in = static_cast<const T*>(args->in) + j0 + i0 * in_step;
  for (int64_t d = last - 1; d >= 0; --d) {
    if (d == c.fast) continue;
    const int64_t at = outer % args->shape[d];
    outer /= args->shape[d];
    out += at * args->out_stride[d];
    in += at * args->in_stride[d];
  }
  const int64_t rows = args->shape[c.fast] - j0 < kTile ? args->shape[c.fast] - j0 : kTile;
  const int64_t columns = args->shape[last] - i0 < kTile ? args->shape[last] - i0 : kTile;
  if constexpr (sizeof(T) >= 4) {
    // Loads, shuffles and stores keep any bits.
    using C = typename FloatOf<sizeof(T)>::type;
    if (rows == kTile && columns == kTile)
      return transpose_blocks(reinterpret_cast<const C*>(in), in_step, reinterpret_cast<C*>(out), out_step);
  }
  T buffer[kTile][kTile + 1];
  for (int64_t i = 0; i < columns; ++i) {
    for (int64_t j = 0; j < rows; ++j) buffer[j][i] = in[i * in_step + j];
  }
  for (int64_t j = 0; j < rows; ++j) {
    for (int64_t i = 0; i < columns; ++i) out[j * out_step + i] = buffer[j][i];
  }
}

template <class T>
void transpose_chunk(void* context, int64_t chunk, int) {
  const auto& c = *static_cast<const TransposeContext*>(context);
  const int64_t end = (chunk + 1) * kTilesPerChunk < c.tiles ? (chunk + 1) * kTilesPerChunk : c.tiles;
  for (int64_t tile = chunk * kTilesPerChunk; tile < end; ++tile) transpose_tile<T>(c, tile);
}

// True where it was one.
template <class T>
bool copy_transposed(const CopyArgs* args, const Run* run) {
  const int64_t last = args->ndim - 1;
  if (last == 0 || args->out_stride[last] != 1 || args->in_stride[last] == 1 || args->in_stride[last] == 0)
    return false;
  int64_t fast = -1, outer = 1;
  for (int64_t d = 0; d < last; ++d) {
    if (args->in_stride[d] == 1 && fast < 0 && args->shape[d] >= 4) {
      fast = d;
    } else {
      outer *= args->shape[d];
    }
  }
  if (fast < 0 || args->shape[last] < 4) return false;
  TransposeContext c{args, fast, (args->shape[fast] + kTile - 1) / kTile,
                     (args->shape[last] + kTile - 1) / kTile, 0};
  c.tiles = outer * c.fast_tiles * c.last_tiles;
  run->parallel(run, (c.tiles + kTilesPerChunk - 1) / kTilesPerChunk, transpose_chunk<T>, &c);
  return true;
}

// Lines along the last dimension, in which the output lies in memory.
constexpr int64_t kLineTask = 16384;  // elements that one task takes, about
constexpr int64_t kShortLine = 8;     // lines shorter than this are not worth their start

struct LineContext {
  const CopyArgs* args;
  int64_t lines, pieces, per_task;  // a line has so many pieces of at most kLineTask elements
};

template <class T>
MO_INLINE void copy_line(T* __restrict to, const T* __restrict from, int64_t step, int64_t n) {
  if (step == 1) {
    __builtin_memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
  } else if (step == 0) {
    const T value = *from;
    for (int64_t i = 0; i < n; ++i) to[i] = value;
  } else if (step == -1) {
    for (int64_t i = 0; i < n; ++i) to[i] = from[-i];
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * step];
  }
}

template <class T>
void line_task(void* context, int64_t task, int) {
  const auto& c = *static_cast<const LineContext*>(context);
  const CopyArgs* args = c.args;
  const int64_t last = args->ndim - 1, row = args->shape[last], step = args->in_stride[last];
  const int64_t first = task * c.per_task;
  const int64_t end = first + c.per_task < c.lines ? first + c.per_task : c.lines;
  int64_t at[8], rest = first / c.pieces, piece = first % c.pieces, to = 0, from = 0;
  for (int64_t d = last - 1; d >= 0; --d) {
    at[d] = rest % args->shape[d];
    rest /= args->shape[d];
    to += at[d] * args->out_stride[d];
    from += at[d] * args->in_stride[d];
  }
  for (int64_t line = first; line < end; ++line) {
    const int64_t begin = piece * kLineTask;
    copy_line(static_cast<T*>(args->out) + to + begin, static_cast<const T*>(args->in) + from + begin * step,
              step, row - begin < kLineTask ? row - begin : kLineTask);
    if (++piece < c.pieces) continue;
    piece = 0;
    for (int64_t d = last - 1; d >= 0; --d) {
      to += args->out_stride[d];
      from += args->in_stride[d];
      if (++at[d] < args->shape[d]) break;
      to -= at[d] * args->out_stride[d];
      from -= at[d] * args->in_stride[d];
      at[d] = 0;
    }
  }
}

// True where it was lines. What is one block of memory is left to the driver.
template <class T>
bool copy_lines(const CopyArgs* args, const Run* run) {
  const int64_t last = args->ndim - 1, row = args->shape[last];
  if (args->out_stride[last] != 1 || row < kShortLine || (last == 0 && args->in_stride[0] == 1)) return false;
  LineContext c{args, (row + kLineTask - 1) / kLineTask, (row + kLineTask - 1) / kLineTask, 1};
  for (int64_t d = 0; d < last; ++d) c.lines *= args->shape[d];
  if (row < kLineTask) c.per_task = kLineTask / row;
  run->parallel(run, (c.lines + c.per_task - 1) / c.per_task, line_task<T>, &c);
  return true;
}

void copy_through(const CopyArgs* args, const Run* run, const KernelSpec* spec) {
  ElementwiseArgs e;
  e.ndim = args->ndim;
  for (int64_t d = 0; d < args->ndim; ++d) {
    e.shape[d] = args->shape[d];
    e.out_stride[d] = args->out_stride[d];
    e.in_stride[0][d] = args->in_stride[d];
  }
  e.out = args->out;
  e.in[0] = args->in;
  e.scalar[0] = args->scalar;
  drive(&e, run, spec);
}

// The type as it is stored, without conversion.
template <class T, DType kType>
constexpr Format kStored = {sizeof(T), sizeof(T), nullptr, nullptr, kType};

// One type, or a number of the output's type.
template <DType kType>
void copy_same(const CopyArgs* args, const Run* run) {
  using T = typename TypeOf<kType>::type;
  using Raw = typename BitsOf<sizeof(T)>::type;
  if (args->in && (copy_transposed<Raw>(args, run) || copy_lines<Raw>(args, run))) return;
  static constexpr Format f = kStored<T, kType>;
  static constexpr KernelSpec spec = {copy_block<Raw>, 1, {&f}, &f, false, false};
  static constexpr KernelSpec far = {stream_block<Raw>, 1, {&f}, &f, false, false};
  int64_t bytes = args->in ? 2 * sizeof(T) : sizeof(T);
  for (int64_t d = 0; d < args->ndim; ++d) bytes *= args->shape[d];
  const bool along = args->out_stride[args->ndim - 1] == 1;
  copy_through(args, run, along && bytes >= kStreamBytes ? &far : &spec);
}

template <DType kFrom, DType kTo>
void copy_kernel(const CopyArgs* args, const Run* run) {
  if constexpr (kFrom == kTo) {
    copy_same<kTo>(args, run);
  } else {
    if (!args->in) return copy_same<kTo>(args, run);
    using From = typename TypeOf<kFrom>::type;
    using To = typename TypeOf<kTo>::type;
    static constexpr Format from = kStored<From, kFrom>, to = kStored<To, kTo>;
    static constexpr KernelSpec spec = {convert_block<From, To>, 1, {&from}, &to, false, false};
    copy_through(args, run, &spec);
  }
}

constexpr const char* kCopyNames[kDTypeCount][kDTypeCount] = {
#define MO_COPY_NAMES(from)                                                   \
  {MO_KERNEL_NAME("copy_" from "_f32"),  MO_KERNEL_NAME("copy_" from "_f64"), \
   MO_KERNEL_NAME("copy_" from "_bf16"), MO_KERNEL_NAME("copy_" from "_f16"), \
   MO_KERNEL_NAME("copy_" from "_i64"),  MO_KERNEL_NAME("copy_" from "_i32"), \
   MO_KERNEL_NAME("copy_" from "_u8"),   MO_KERNEL_NAME("copy_" from "_bool")},
    MO_COPY_NAMES("f32") MO_COPY_NAMES("f64") MO_COPY_NAMES("bf16") MO_COPY_NAMES("f16") MO_COPY_NAMES("i64")
        MO_COPY_NAMES("i32") MO_COPY_NAMES("u8") MO_COPY_NAMES("bool")
#undef MO_COPY_NAMES
};

template <int kPair = 0>
void fill_pairs(ElementwiseKernels* table) {
  if constexpr (kPair < kDTypeCount * kDTypeCount) {
    constexpr DType from = static_cast<DType>(kPair / kDTypeCount),
                    to = static_cast<DType>(kPair % kDTypeCount);
    table->copy[from][to] = {copy_kernel<from, to>, kCopyNames[from][to]};
    fill_pairs<kPair + 1>(table);
  }
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_copy(ElementwiseKernels* table) { fill_pairs(table); }

}  // namespace markone::MARKONE_ISA
