// Convolution as a product of matrices: rows are output channels, columns are output positions, K runs
// over (channel, tap). The right side is read from the image by a table of offsets, so it is never stored.
#include "contract/conv.h"

#include "kernels/cpu/conv/few.h"
#include "kernels/cpu/conv/lanes.h"
#include "kernels/cpu/gemm/planes.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

// Row l of B: at an offset of its own.
template <class T>
struct OffsetB {
  const T* p;
  const int64_t* offset;
  MO_INLINE Vec<T> load(int64_t l, int j) const { return Vec<T>::load(p + offset[l] + j * kLanes<T>); }
  MO_INLINE OffsetB from(int64_t l) const { return {p, offset + l}; }
};
template <class T>
struct OffsetEdgeB {
  const T* p;
  const int64_t* offset;
  int64_t cols;
  MO_INLINE Vec<T> load(int64_t l, int j) const {
    return Vec<T>::load(p + offset[l] + j * kLanes<T>, lanes_of<T>(cols, j));
  }
  MO_INLINE OffsetEdgeB from(int64_t l) const { return {p, offset + l, cols}; }
};

// A run of a tile's columns that are outputs: columns [at, at + count) go to y + to.
struct Segment {
  int64_t at, count, to;
};

template <class T>
struct ConvOut {
  T* y;
  int64_t row, col;  // strides of y from channel to channel and from column to column
  bool from_y;
  const T* bias;  // a number a row, or null
  const Segment* segments;
  int64_t count;
};

template <class T, int kRows, int kVecs, class B>
__attribute__((noinline)) void conv_tile(const Runs& k, const T* a, const B& b, const ConvOut<T>& out) {
  using V = Vec<T>;
  constexpr int64_t kWidth = kVecs * V::kLanes;
  V acc[kRows][kVecs];
  alignas(64) T buffer[kRows * kWidth + V::kLanes];
  const bool plain = out.count == 1 && out.segments[0].at == 0 && out.col == 1;
  const int64_t cols = out.segments[0].count;
  T* const y = out.y + out.segments[0].to;
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kVecs; ++j) acc[i][j] = V(0);
  }
  if (out.from_y) {
    if (!plain) {
      for (int64_t i = 0; i <= kRows * kWidth; i += V::kLanes) V(0).store(buffer + i);
      for (int64_t i = 0; i < kRows; ++i) {
        for (int64_t s = 0; s < out.count; ++s) {
          const Segment& seg = out.segments[s];
          const T* from = out.y + i * out.row + seg.to;
          T* to = buffer + i * kWidth + seg.at;
          copy_run(to, from, seg.count, out.col);
        }
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVecs; ++j) {
        acc[i][j] = plain ? V::load(y + i * out.row + j * V::kLanes, lanes_of<T>(cols, j))
                          : V::load(buffer + i * kWidth + j * V::kLanes);
      }
    }
  }
  for (int64_t i = 0, l = k.first; i < k.count; ++i, l += k.step)
    multiply<T, kRows, kVecs>(acc, k.length, PackedA<T, kRows>{a + l * kRows}, b.from(l));
  if (out.bias) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVecs; ++j) acc[i][j] = acc[i][j] + V(out.bias[i]);
    }
  }
  if (plain) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVecs; ++j) {
        if (cols >= (j + 1) * V::kLanes)
          acc[i][j].store(y + i * out.row + j * V::kLanes);
        else
          store_first(acc[i][j], y + i * out.row + j * V::kLanes, lanes_of<T>(cols, j));
      }
    }
    return;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kVecs; ++j) acc[i][j].store(buffer + i * kWidth + j * V::kLanes);
  }
  for (int64_t i = 0; i < kRows; ++i) {
    for (int64_t s = 0; s < out.count; ++s) {
      const Segment& seg = out.segments[s];
      const T* from = buffer + i * kWidth + seg.at;
      T* to = out.y + i * out.row + seg.to;
      if (out.col == 1) {
        copy_exact(to, from, seg.count);
      } else {
        spread_out(to, from, seg.count, out.col);
      }
    }
  }
}

template <class T>
struct Conv {
  const ConvArgs* args;
  const Run* run;
  int64_t taps, blocks, tiles_h, tiles_w;  // blocks of output channels
  int64_t images;                          // a chunk
  int64_t* offsets;
  T* weights;
  int64_t block_size;  // packed weights of one block, with slack
  bool dense;          // K of a weight row is contiguous

  // What `rows` output channels take for each number of K.
  MO_INLINE int64_t packed_rows(int64_t rows) const {
    return args->image.tiling.lanes ? lanes_rows<T>(rows) : rows;
  }
};

// Panels of output channels: heights that a tile has as rows, or widths that it has as columns.
template <class T, class F>
MO_INLINE void for_panels(const Conv<T>& conv, int64_t rows, const F& f) {
  if (conv.args->image.tiling.lanes) {
    for (int64_t start = 0; start < rows; start += kTileCols<T>)
      f(start, smaller(kTileCols<T>, rows - start), lanes_width<T>(rows - start));
    return;
  }
  const Panels panels(rows);
  for (int64_t p = 0; p < panels.count; ++p) f(panels.start(p), panels.rows(p), panels.rows(p));
}

template <class T>
void pack_weights(void* context, int64_t chunk, int) {
  const Conv<T>& conv = *static_cast<const Conv<T>*>(context);
  const ConvImage& image = conv.args->image;
  const ConvStrides& at = conv.args->weight_at;
  const int64_t row0 = chunk % conv.blocks * image.tiling.rows;
  const int64_t rows = smaller(image.tiling.rows, image.rows - row0);
  const T* from = static_cast<const T*>(conv.args->weight) + chunk / conv.blocks * at.group + row0 * at.outer;
  T* to = conv.weights + chunk * conv.block_size;
  for (int64_t c0 = 0; c0 < image.depth; c0 += image.tiling.depth) {
    const int64_t channels = smaller(image.tiling.depth, image.depth - c0), k = channels * conv.taps;
    for_panels(conv, rows, [&](int64_t start, int64_t height, int64_t width) {
      const T* panel = from + start * at.outer + c0 * at.channel;
      if (conv.dense) {
        pack<T>(to, panel, at.outer, 1, height, k, width);
        to += k * width;
        return;
      }
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t q = 0; q < image.d.taps; ++q) {
          for (int64_t r = 0; r < image.h.taps; ++r) {
            for (int64_t s = 0; s < image.w.taps; ++s) {
              const T* w = panel + c * at.channel + q * at.d + r * at.h + s * at.w;
              for (int64_t i = 0; i < height; ++i) *to++ = w[i * at.outer];
              for (int64_t i = height; i < width; ++i) *to++ = 0;
            }
          }
        }
      }
    });
  }
}

// The outputs among positions [p, p + width) of a tile.
template <int64_t kMax>
struct Segments {
  Segment list[kMax];
  int64_t count = 0;
  // place(row): where the output of its column 0 is.
  template <class F>
  MO_INLINE Segments(int64_t p, int64_t width, int64_t step, int64_t cols, int64_t y_w, const F& place) {
    int64_t row = p / step, col = p % step;
    for (int64_t at = 0; at < width; ++row) {
      const int64_t next = step - col;
      if (col < cols) {
        const int64_t left = cols - col, room = width - at;
        list[count++] = {at, left < room ? left : room, place(row) + col * y_w};
      }
      at += next;
      col = 0;
    }
  }
};

// The taps [first, first + count) of an axis that meet the input for an output of [low, high].
struct TapRange {
  int64_t first, count;
  MO_INLINE TapRange(const ConvAxis& axis, int64_t low, int64_t high) : first(0), count(axis.taps) {
    if (axis.pad == 0 && high * axis.stride + (axis.taps - 1) * axis.dilation < axis.in) return;
    while (count > 0 && high * axis.stride + first * axis.dilation < axis.pad) ++first, --count;
    while (count > 0 && low * axis.stride + (first + count - 1) * axis.dilation - axis.pad >= axis.in)
      --count;
  }
};

// What a tile whose outputs are of depth d and of rows [low, high] adds, of so many channels: without the
// taps that meet nothing but zeros for all of them.
MO_INLINE Runs runs_of(const ConvImage& image, int64_t channels, int64_t d, int64_t low, int64_t high) {
  const TapRange q(image.d, d, d), r(image.h, low, high);
  const int64_t plane = image.h.taps * image.w.taps, taps = image.d.taps * plane;
  if (q.count == 0 || r.count == 0) return {0, 0, 0, 0};
  if (r.count < image.h.taps && image.d.taps == 1)
    return {r.first * image.w.taps, r.count * image.w.taps, channels, taps};
  if (q.count < image.d.taps) return {q.first * plane, q.count * plane, channels, taps};
  if (r.count < image.h.taps)
    return {r.first * image.w.taps, r.count * image.w.taps, channels * image.d.taps, plane};
  return {0, channels * taps, 1, 0};
}

// Where a block of outputs begins in the image.
struct Place {
  int64_t d, h;
};

template <class T>
void conv_block(const Conv<T>& conv, const T* base, const T* weights, T* y, const T* bias, int64_t k,
                int64_t rows, int64_t out_h, int64_t out_w, bool first, bool copied, Place place) {
  constexpr int64_t kWidth = kTileCols<T>;
  const ConvImage& image = conv.args->image;
  const ConvStrides& at = conv.args->y_at;
  const int64_t line = image.tiling.width;
  int64_t step = line, cols = out_w, y_h = at.h;
  int64_t positions = (out_h - 1) * step + out_w;
  if (step == out_w && y_h == out_w * at.w) cols = step = positions;
  const Panels panels(rows);
  for (int64_t p = 0; p < positions; p += kWidth) {
    const int64_t width = smaller(kWidth, positions - p);
    const Segments<kWidth + 1> segments(p, width, step, cols, at.w, [&](int64_t row) { return row * y_h; });
    if (segments.count == 0) continue;
    ConvOut<T> out{nullptr, at.channel, at.w, !first, nullptr, segments.list, segments.count};
    const Runs runs =
        runs_of(image, k / conv.taps, place.d, place.h + p / line, place.h + (p + width - 1) / line);
    for (int64_t i = 0; i < panels.count; ++i) {
      const int64_t start = panels.start(i);
      const T* a = weights + start * k;
      out.y = y + start * at.channel;
      if (bias) out.bias = bias + start;
      if (!copied && p + kWidth < positions) {
        // The columns of the next tile, a share with each panel: so many streams no prefetcher follows.
        for (int64_t l = k * i / panels.count; l < k * (i + 1) / panels.count; ++l) {
          for (int64_t j = 0; j < kWidth; j += 64 / static_cast<int64_t>(sizeof(T)))
            __builtin_prefetch(base + p + kWidth + conv.offsets[l] + j, 0, 2);
        }
      }
      with_rows<kTileRows>(panels.rows(i), [&]<int kRows>() {
        if (width <= kLanes<T>)
          conv_tile<T, kRows, 1>(runs, a, OffsetEdgeB<T>{base + p, conv.offsets, width}, out);
        else if (copied || width == kWidth)
          conv_tile<T, kRows, kTileVecs>(runs, a, OffsetB<T>{base + p, conv.offsets}, out);
        else
          conv_tile<T, kRows, kTileVecs>(runs, a, OffsetEdgeB<T>{base + p, conv.offsets, width}, out);
      });
    }
  }
}

// The same with output channels as lanes.
template <class T>
void lanes_block(const Conv<T>& conv, const T* base, const T* weights, T* y, const T* bias, int64_t k,
                 int64_t rows, int64_t out_h, int64_t out_w, bool first, bool, Place place) {
  const ConvImage& image = conv.args->image;
  const ConvStrides& at = conv.args->y_at;
  const Panels pixels(out_w);
  // Taps beside each other in the image.
  int64_t taps = image.w.taps;
  for (int64_t s = 1; s < image.w.taps; ++s) {
    if (conv.offsets[s] != conv.offsets[0] + s) taps = 1;
  }
  for_panels(conv, rows, [&](int64_t start, int64_t channels, int64_t width) {
    LanesOut<T> out{nullptr, at.channel, channels, !first, bias ? bias + start : nullptr};
    for (int64_t h = 0; h < out_h; ++h) {
      const Runs runs = runs_of(image, k / conv.taps, place.d, place.h + h, place.h + h);
      for (int64_t p = 0; p < pixels.count; ++p) {
        const int64_t w = pixels.start(p);
        const PixelsA<T> a{base + h * image.tiling.width + w, conv.offsets};
        out.y = y + start * at.channel + h * at.h + w;
        with_rows<kTileRows>(pixels.rows(p), [&]<int kRows>() {
          if (width > kLanes<T>)
            lanes_tile<T, kRows, kTileVecs, 1>(runs, a, weights, out);
          else if (taps == 5)
            lanes_tile<T, kRows, 1, 5>(runs, a, weights, out);
          else if (taps == 3)
            lanes_tile<T, kRows, 1, 3>(runs, a, weights, out);
          else
            lanes_tile<T, kRows, 1, 1>(runs, a, weights, out);
        });
      }
    }
    weights += k * width;
  });
}

template <class T>
void few_rows(const Conv<T>& conv, const T* base, const T* weights, T* y, const T* bias, int64_t k,
              int64_t rows, int64_t out_h, int64_t out_w, bool first, bool copied, Place) {
  constexpr int64_t kN = kLanes<T>;
  const ConvStrides& at = conv.args->y_at;
  const int64_t x_row = conv.args->image.tiling.width;
  const int64_t count = parts(out_h, kHighRows), high = out_h / count, longer = out_h % count;
  for (int64_t i = 0, h = 0; i < count; ++i) {
    const int height = static_cast<int>(high + (i < longer));
    for (int64_t w = 0; w < out_w; w += kN) {
      // The last ones again with those before them, unless that would add to a sum twice.
      if (w > 0 && w + kN > out_w && first) w = out_w - kN;
      const int64_t lanes = smaller(kN, out_w - w);
      for (int64_t m = 0; m < rows; ++m) {
        with_rows<kHighRows>(height, [&]<int kHigh>() {
          const auto tile = copied || lanes == kN ? few_tile<T, kHigh, true> : few_tile<T, kHigh, false>;
          tile(k, weights + m, rows, base + h * x_row + w, conv.offsets, x_row,
               y + m * at.channel + h * at.h + w * at.w, at.h, at.w, lanes, bias ? bias + m : nullptr,
               !first);
        });
      }
    }
    h += height;
  }
}

// The inputs of one tile of outputs of an image, tap after tap, side by side: output (h, w) of tap l at
// l * columns + h * out_w + w.
template <class T>
void copy_columns(const Conv<T>& conv, T* to, const T* base, int64_t k, int64_t out_h, int64_t out_w) {
  const ConvTiling& t = conv.args->image.tiling;
  if (t.width == out_w) {
    out_w *= out_h;
    out_h = 1;
  }
  for (int64_t l = 0; l < k; ++l, to += t.columns) {
    const T* from = base + conv.offsets[l];
    for (int64_t h = 0; h < out_h; ++h) copy_run(to + h * out_w, from + h * t.width, out_w, 1);
  }
}

// One block of output channels times the copied columns of `images` images.
template <class T>
void multiply_columns(const Conv<T>& conv, const T* columns, const T* weights, T* y, const T* bias, int64_t k,
                      int64_t rows, int64_t images, int64_t out_h, int64_t out_w, bool first) {
  constexpr int64_t kWidth = kTileCols<T>;
  const ConvStrides& at = conv.args->y_at;
  // Rows of outputs that follow each other in y are one.
  const bool joined = at.h == out_w * at.w;
  const int64_t lines = joined ? 1 : out_h, step = joined ? out_h * out_w : out_w;
  const int64_t count = images * out_h * out_w;
  const Panels panels(rows);
  for (int64_t p = 0; p < count; p += kWidth) {
    const int64_t width = smaller(kWidth, count - p);
    const Segments<kWidth + 1> segments(p, width, step, step, at.w, [&](int64_t line) {
      return line / lines * at.outer + line % lines * at.h;
    });
    ConvOut<T> out{nullptr, at.channel, at.w, !first, nullptr, segments.list, segments.count};
    const RowsB<T> b{columns + p, conv.args->image.tiling.columns};
    for (int64_t i = 0; i < panels.count; ++i) {
      const int64_t start = panels.start(i);
      const T* a = weights + start * k;
      out.y = y + start * at.channel;
      if (bias) out.bias = bias + start;
      with_rows<kTileRows>(panels.rows(i), [&]<int kRows>() {
        if (width > kLanes<T>)
          conv_tile<T, kRows, kTileVecs>(Runs{0, k, 1, 0}, a, b, out);
        else
          conv_tile<T, kRows, 1>(Runs{0, k, 1, 0}, a, b, out);
      });
    }
  }
}

template <class T>
void conv_chunk(void* context, int64_t chunk, int slot) {
  const Conv<T>& conv = *static_cast<const Conv<T>*>(context);
  const ConvArgs& args = *conv.args;
  const ConvImage& image = args.image;
  const ConvTiling& t = image.tiling;
  const int64_t w0 = chunk % conv.tiles_w * t.tile_w;
  chunk /= conv.tiles_w;
  const int64_t h0 = chunk % conv.tiles_h * t.tile_h;
  chunk /= conv.tiles_h;
  const int64_t d0 = chunk % image.d.out;
  chunk /= image.d.out;
  const int64_t block = chunk % (conv.blocks * image.groups),
                n = chunk / (conv.blocks * image.groups) * conv.images;
  const int64_t g = block / conv.blocks, row0 = block % conv.blocks * t.rows;
  const int64_t rows = smaller(t.rows, image.rows - row0);
  const int64_t out_h = smaller(t.tile_h, image.h.out - h0), out_w = smaller(t.tile_w, image.w.out - w0);
  const T* x = static_cast<const T*>(args.x) + n * image.x.outer + g * image.x.group;
  T* y = static_cast<T*>(args.y) + n * args.y_at.outer + g * args.y_at.group + row0 * args.y_at.channel +
         d0 * args.y_at.d + h0 * args.y_at.h + w0 * args.y_at.w;
  const T* weights = conv.weights + block * conv.block_size;
  const T* bias = args.bias ? static_cast<const T*>(args.bias) + g * image.rows + row0 : nullptr;
  T* planes = reinterpret_cast<T*>(static_cast<char*>(conv.run->scratch) + t.table_bytes + t.shared_bytes +
                                   slot * t.slot_bytes);
  const bool copied = t.period_h > 0;
  const int64_t images = smaller(conv.images, image.batch - n);
  T* const columns = planes + planes_size(image);
  int64_t c0 = 0;
  do {
    const int64_t channels = smaller(t.depth, image.depth - c0), k = channels * conv.taps;
    const bool first = c0 == 0;
    const T* last_bias = c0 + channels == image.depth ? bias : nullptr;
    const auto input = [&](int64_t i) -> const T* {
      const T* from = x + i * image.x.outer;
      if (!copied) return from + c0 * image.x.channel + d0 * image.x.d + h0 * image.x.h + w0 * image.x.w;
      fill_planes(image, planes, from, c0, channels, d0, h0, w0, out_h);
      return planes;
    };
    if (t.images) {
      for (int64_t i = 0; i < images; ++i)
        copy_columns(conv, columns + i * out_h * out_w, input(i), k, out_h, out_w);
      multiply_columns(conv, columns, weights, y, last_bias, k, rows, images, out_h, out_w, first);
    } else {
      const auto multiply_block = rows <= 2 ? few_rows<T> : t.lanes ? lanes_block<T> : conv_block<T>;
      multiply_block(conv, input(0), weights, y, last_bias, k, rows, out_h, out_w, first, copied, {d0, h0});
    }
    weights += k * conv.packed_rows(rows);
    c0 += channels;
  } while (c0 < image.depth);
}

template <class T>
void conv_implicit(const ConvArgs* args, const Run* run) {
  const ConvImage& image = args->image;
  const ConvTiling& t = image.tiling;
  const ConvStrides& at = args->weight_at;
  Run limited = *run;
  limited.threads = static_cast<int>(smaller(run->threads, t.slots));
  Conv<T> conv{args,
               run,
               image.d.taps * image.h.taps * image.w.taps,
               parts(image.rows, t.rows),
               parts(image.h.out, t.tile_h),
               parts(image.w.out, t.tile_w),
               t.images ? t.images : 1,
               static_cast<int64_t*>(run->scratch),
               reinterpret_cast<T*>(static_cast<char*>(run->scratch) + t.table_bytes),
               0,
               false};
  conv.block_size = conv.packed_rows(t.rows) * image.depth * conv.taps + kConvSlack;
  conv.dense = at.w == 1 && (image.h.taps == 1 || at.h == image.w.taps) &&
               (image.d.taps == 1 || at.d == image.h.taps * image.w.taps) && at.channel == conv.taps;
  fill_offsets(image, conv.offsets);
  const int64_t blocks = image.groups * conv.blocks;
  run->parallel(&limited, blocks, pack_weights<T>, &conv);
  run->parallel(&limited,
                parts(image.batch, conv.images) * blocks * image.d.out * conv.tiles_h * conv.tiles_w,
                conv_chunk<T>, &conv);
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_conv_weight_grad(ConvKernels* table);
void fill_conv_depthwise(ConvKernels* table);
void fill_conv_weight_grad_winograd(ConvKernels* table);
void fill_conv_winograd(ConvKernels* table);
void fill_conv_columns(ConvKernels* table);
void fill_unfold(ConvKernels* table);

void fill_conv(ConvKernels* table) {
  table->conv_implicit[kF32] = {conv_implicit<float>, MO_KERNEL_NAME("conv_implicit_f32")};
  table->conv_implicit[kF64] = {conv_implicit<double>, MO_KERNEL_NAME("conv_implicit_f64")};
  fill_conv_weight_grad(table);
  fill_conv_depthwise(table);
  fill_conv_weight_grad_winograd(table);
  fill_conv_winograd(table);
  fill_conv_columns(table);
  fill_unfold(table);
}

}  // namespace markone::MARKONE_ISA
