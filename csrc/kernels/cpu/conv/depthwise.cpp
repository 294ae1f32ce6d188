// Convolution with few input channels a group, and the gradient of its weights: straight from planes of one
// channel, with 3x3 or 5x5 taps at stride 1 or 2. A vector of neighbouring inputs is loaded once for all of
// the outputs, kHigh rows high, that it meets. At stride 2 the even and the odd columns are planes of their
// own.
#include "contract/conv.h"
#include "kernels/cpu/gemm/planes.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

template <class Args>
struct Depthwise {
  const Args* args;
  const Run* run;
  int64_t tiles_h, tiles_w;
  const ConvTiling& tiling() const { return args->image.tiling; }
  char* slot(int slot) const {
    return static_cast<char*>(run->scratch) + tiling().shared_bytes + slot * tiling().slot_bytes;
  }
};

template <class V, int... kI>
MO_INLINE V with_zeros_low(V a, Places<kI...>) {
  return V(__builtin_shufflevector(a.v, V(0).v, (kI % 2 ? V::kLanes : kI / 2)...));
}
template <class V, int... kI>
MO_INLINE V with_zeros_high(V a, Places<kI...>) {
  return V(__builtin_shufflevector(a.v, V(0).v, (kI % 2 ? V::kLanes : (V::kLanes + kI) / 2)...));
}

// As fill_plane, of an image that has a zero between any two neighbours.
template <class T>
void fill_spread(T* to, const T* x, const ConvAxis& h, const ConvAxis& w, int64_t x_h, int64_t x_w,
                 int64_t first_h, int64_t first_w, int64_t rows, int64_t width) {
  using V = Vec<T>;
  constexpr int64_t kN = V::kLanes;
  using All = typename CountTo<V::kLanes>::Type;
  const int64_t begin = first_w <= 0 ? smaller(-first_w, width) : first_w % 2;  // of the first number
  const int64_t source = first_w <= 0 ? 0 : (first_w + 1) / 2;
  const int64_t end = smaller(w.in - first_w, width);
  const int64_t count = end > begin ? (end - begin + 1) / 2 : 0;
  for (int64_t q = 0; q < rows; ++q, to += width) {
    const int64_t ih = first_h + q;
    zero_run(to, width);
    if (ih < 0 || ih >= h.in || ih % 2) continue;
    const T* from = x + ih / 2 * x_h + source * x_w;
    if (x_w != 1) {
      for (int64_t i = 0; i < count; ++i) to[begin + 2 * i] = from[i * x_w];
      continue;
    }
    for (int64_t i = 0; i < count; i += kN) {
      const V in = load_most(from + i, count - i);
      with_zeros_low(in, All()).store(to + begin + 2 * i);
      with_zeros_high(in, All()).store(to + begin + 2 * i + kN);
    }
  }
}

// The input of a tile of outputs: channel c, columns of remainder s at ((c * stride + s) * rows + row) *
// width.
template <class T>
MO_INLINE void fill_channels(const ConvImage& image, T* to, const T* x, int64_t rows, int64_t h0,
                             int64_t w0) {
  const ConvTiling& t = image.tiling;
  ConvAxis every_row = image.h;
  every_row.stride = 1;
  const auto fill = image.spread == 2 ? fill_spread<T> : fill_plane<T>;
  for (int64_t c = 0; c < image.depth; ++c) {
    for (int64_t s = 0; s < image.w.stride; ++s, to += t.plane)
      fill(to, x + c * image.x.channel, every_row, image.w, image.x.h, image.x.w,
           h0 * image.h.stride - image.h.pad, w0 * image.w.stride + s - image.w.pad, rows, t.width);
  }
}

template <class T>
struct DepthwiseOut {
  T* y;
  int64_t row, col, lanes;
  const T* bias;
};

template <class T, int kTaps, int kStride, int kHigh>
__attribute__((noinline)) void depthwise_tile(const T* x, int64_t width, int64_t plane, int64_t depth,
                                              const T* weights, const DepthwiseOut<T>& out) {
  using V = Vec<T>;
  V acc[kHigh];
#pragma GCC unroll 8
  for (int i = 0; i < kHigh; ++i) acc[i] = V(0);
  for (int64_t c = 0; c < depth; ++c, x += kStride * plane, weights += kTaps * kTaps) {
#pragma GCC unroll 32
    for (int q = 0; q < (kHigh - 1) * kStride + kTaps; ++q) {
#pragma GCC unroll 5
      for (int s = 0; s < kTaps; ++s) {
        const V in = V::load(x + s % kStride * plane + q * width + s / kStride);
#pragma GCC unroll 8
        for (int i = 0; i < kHigh; ++i) {
          const int r = q - i * kStride;
          if (r >= 0 && r < kTaps) acc[i] = fma(V(weights[r * kTaps + s]), in, acc[i]);
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kHigh; ++i) {
    const V sum = out.bias ? acc[i] + V(*out.bias) : acc[i];
    T* const to = out.y + i * out.row;
    if (out.col == 1) {
      store_first(sum, to, out.lanes);
    } else {
      alignas(64) T buffer[V::kLanes];
      sum.store(buffer);
      spread_out(to, buffer, out.lanes, out.col);
    }
  }
}

// f(first, size) for runs of `size` that cover [0, n): of 8, of 4 or of 1, the last ones again with those
// before them.
template <class F>
MO_INLINE void for_overlapping(int64_t n, const F& f) {
  const int64_t size = n >= 8 ? 8 : n >= 4 ? 4 : 1;
  for (int64_t i = 0; i < n; i += size) f(i + size > n ? n - size : i, size);
}

template <class T, int kTaps, int kStride>
void depthwise_chunk(void* context, int64_t chunk, int slot) {
  constexpr int64_t kN = kLanes<T>;
  const auto& conv = *static_cast<const Depthwise<ConvArgs>*>(context);
  const ConvArgs& args = *conv.args;
  const ConvImage& image = args.image;
  const ConvStrides &at = args.weight_at, &y_at = args.y_at;
  const ConvTiling& t = image.tiling;
  const int64_t w0 = chunk % conv.tiles_w * t.tile_w;
  chunk /= conv.tiles_w;
  const int64_t h0 = chunk % conv.tiles_h * t.tile_h;
  chunk /= conv.tiles_h;
  const int64_t g = chunk % image.groups, n = chunk / image.groups;
  const int64_t high = smaller(t.tile_h, image.h.out - h0), wide = smaller(t.tile_w, image.w.out - w0);
  T* const planes = reinterpret_cast<T*>(conv.slot(slot));
  T* const weights = planes + image.depth * kStride * t.plane;
  fill_channels(image, planes, static_cast<const T*>(args.x) + n * image.x.outer + g * image.x.group,
                (high - 1) * kStride + kTaps, h0, w0);
  const T* bias = args.bias ? static_cast<const T*>(args.bias) + g * image.rows : nullptr;
  for (int64_t m = 0; m < image.rows; ++m) {
    T* tap = weights;
    for (int64_t c = 0; c < image.depth; ++c) {
      const T* from = static_cast<const T*>(args.weight) + g * at.group + m * at.outer + c * at.channel;
      for (int64_t r = 0; r < kTaps; ++r) {
        for (int64_t s = 0; s < kTaps; ++s) *tap++ = from[r * at.h + s * at.w];
      }
    }
    T* y = static_cast<T*>(args.y) + n * y_at.outer + g * y_at.group + m * y_at.channel + h0 * y_at.h +
           w0 * y_at.w;
    for_overlapping(high, [&](int64_t h, int64_t size) {
      for (int64_t w = 0; w < wide; w += kN) {
        if (w > 0 && w + kN > wide) w = wide - kN;
        const DepthwiseOut<T> out{y + h * y_at.h + w * y_at.w, y_at.h, y_at.w, smaller(kN, wide - w),
                                  bias ? bias + m : nullptr};
        const auto tile = size == 8   ? depthwise_tile<T, kTaps, kStride, 8>
                          : size == 4 ? depthwise_tile<T, kTaps, kStride, 4>
                                      : depthwise_tile<T, kTaps, kStride, 1>;
        tile(planes + h * kStride * t.width + w, t.width, t.plane, image.depth, weights, out);
      }
    });
  }
}

// Calls f with the taps and the stride of the image.
template <class F>
MO_INLINE void with_taps(const ConvImage& image, const F& f) {
  if (image.w.taps == 3) {
    if (image.w.stride == 1) return f.template operator()<3, 1>();
    return f.template operator()<3, 2>();
  }
  if (image.w.stride == 1) return f.template operator()<5, 1>();
  f.template operator()<5, 2>();
}

template <class T>
void depthwise(const ConvArgs* args, const Run* run) {
  const ConvImage& image = args->image;
  const ConvTiling& t = image.tiling;
  Run limited = *run;
  limited.threads = static_cast<int>(smaller(run->threads, t.slots));
  Depthwise<ConvArgs> conv{args, run, parts(image.h.out, t.tile_h), parts(image.w.out, t.tile_w)};
  with_taps(image, [&]<int kTaps, int kStride>() {
    run->parallel(&limited, image.batch * image.groups * conv.tiles_h * conv.tiles_w,
                  depthwise_chunk<T, kTaps, kStride>, &conv);
  });
}

// As many columns of taps at a time as their sums find registers.
template <int kTaps>
inline constexpr int kTapColumns = kTaps == 3 || kTileRows >= 14 ? kTaps : 1;

// The sums of one vector of columns over `rows` rows of outputs, kHigh at a time, for taps [s0, s0 + kCols)
// of every row of taps; each lane on its own.
template <class T, int kTaps, int kStride, int kCols, int kHigh, bool kWhole>
MO_INLINE void add_rows(Vec<T> (&acc)[kTaps][kCols], const T* x, int64_t width, int64_t plane, int s0,
                        const T* g, int64_t g_row, int64_t rows, int64_t lanes) {
  using V = Vec<T>;
  const T* columns[kCols];
  for (int s = 0; s < kCols; ++s) columns[s] = x + (s0 + s) % kStride * plane + (s0 + s) / kStride;
  for (int64_t h = 0; h < rows; h += kHigh) {
    V gradient[kHigh];
#pragma GCC unroll 4
    for (int i = 0; i < kHigh; ++i)
      gradient[i] = kWhole ? V::load(g + (h + i) * g_row) : V::load(g + (h + i) * g_row, lanes);
#pragma GCC unroll 16
    for (int q = 0; q < (kHigh - 1) * kStride + kTaps; ++q) {
#pragma GCC unroll 5
      for (int s = 0; s < kCols; ++s) {
        const T* from = columns[s] + (h * kStride + q) * width;
        const V in = kWhole ? V::load(from) : V::load(from, lanes);
#pragma GCC unroll 4
        for (int i = 0; i < kHigh; ++i) {
          const int r = q - i * kStride;
          if (r >= 0 && r < kTaps) acc[r][s] = fma(gradient[i], in, acc[r][s]);
        }
      }
    }
  }
}

template <class T, int kTaps, int kStride, bool kWhole>
__attribute__((noinline)) void add_columns(T* sums, const T* x, int64_t width, int64_t plane, const T* g,
                                           int64_t g_row, int64_t rows, int64_t lanes) {
  using V = Vec<T>;
  constexpr int kCols = kTapColumns<kTaps>;
  constexpr int kHigh = 4;
  const int64_t most = rows / kHigh * kHigh;
  for (int s0 = 0; s0 < kTaps; s0 += kCols) {
    V acc[kTaps][kCols];
#pragma GCC unroll 5
    for (int r = 0; r < kTaps; ++r) {
#pragma GCC unroll 5
      for (int s = 0; s < kCols; ++s) acc[r][s] = V::load(sums + (r * kTaps + s0 + s) * V::kLanes);
    }
    add_rows<T, kTaps, kStride, kCols, kHigh, kWhole>(acc, x, width, plane, s0, g, g_row, most, lanes);
    add_rows<T, kTaps, kStride, kCols, 1, kWhole>(acc, x + most * kStride * width, width, plane, s0,
                                                  g + most * g_row, g_row, rows - most, lanes);
#pragma GCC unroll 5
    for (int r = 0; r < kTaps; ++r) {
#pragma GCC unroll 5
      for (int s = 0; s < kCols; ++s) acc[r][s].store(sums + (r * kTaps + s0 + s) * V::kLanes);
    }
  }
}

// The sums of one group over the images of one part.
template <class T, int kTaps, int kStride>
void depthwise_grad_chunk(void* context, int64_t chunk, int slot) {
  constexpr int64_t kN = kLanes<T>;
  constexpr int64_t kSize = kTaps * kTaps;
  const auto& grad = *static_cast<const Depthwise<ConvWeightGradArgs>*>(context);
  const ConvWeightGradArgs& args = *grad.args;
  const ConvImage& image = args.image;
  const ConvStrides& at = args.gradient_at;
  const ConvTiling& t = image.tiling;
  const int64_t g = chunk % image.groups, part = chunk / image.groups;
  T* const planes = reinterpret_cast<T*>(grad.slot(slot));
  T* const sums = planes + kStride * t.plane;  // of each output channel and tap, lane by lane
  T* const packed = sums + image.rows * kSize * kN;
  for (int64_t i = 0; i < image.rows * kSize; ++i) Vec<T>(0).store(sums + i * kN);
  const int64_t end = smaller(image.batch, (part + 1) * args.images);
  for (int64_t n = part * args.images; n < end; ++n) {
    for (int64_t h0 = 0; h0 < image.h.out; h0 += t.tile_h) {
      for (int64_t w0 = 0; w0 < image.w.out; w0 += t.tile_w) {
        const int64_t high = smaller(t.tile_h, image.h.out - h0), wide = smaller(t.tile_w, image.w.out - w0);
        fill_channels(image, planes, static_cast<const T*>(args.x) + n * image.x.outer + g * image.x.group,
                      (high - 1) * kStride + kTaps, h0, w0);
        for (int64_t m = 0; m < image.rows; ++m) {
          const T* from = static_cast<const T*>(args.gradient) + n * at.outer + g * at.group +
                          m * at.channel + h0 * at.h + w0 * at.w;
          int64_t row = at.h;
          if (at.w != 1) {
            for (int64_t h = 0; h < high; ++h) copy_run(packed + h * t.tile_w, from + h * at.h, wide, at.w);
            from = packed;
            row = t.tile_w;
          }
          for (int64_t w = 0; w < wide; w += kN) {
            const int64_t lanes = smaller(kN, wide - w);
            const auto add =
                lanes == kN ? add_columns<T, kTaps, kStride, true> : add_columns<T, kTaps, kStride, false>;
            add(sums + m * kSize * kN, planes + w, t.width, t.plane, from + w, row, high, lanes);
          }
        }
      }
    }
  }
  T* to = static_cast<T*>(grad.run->scratch) + (part * image.groups + g) * image.rows * kSize;
  for (int64_t i = 0; i < image.rows * kSize; ++i) {
    T* lane = sums + i * kN;
    for (int64_t half = kN / 2; half > 0; half /= 2) {
      for (int64_t j = 0; j < half; ++j) lane[j] += lane[j + half];
    }
    to[i] = lane[0];
  }
}

template <class T>
void depthwise_grad(const ConvWeightGradArgs* args, const Run* run) {
  const ConvImage& image = args->image;
  const ConvTiling& t = image.tiling;
  Run limited = *run;
  limited.threads = static_cast<int>(smaller(run->threads, t.slots));
  Depthwise<ConvWeightGradArgs> grad{args, run, 0, 0};
  with_taps(image, [&]<int kTaps, int kStride>() {
    run->parallel(&limited, args->parts * image.groups, depthwise_grad_chunk<T, kTaps, kStride>, &grad);
  });
  // From the first part to the last.
  const T* sums = static_cast<const T*>(run->scratch);
  T* weight = static_cast<T*>(args->weight);
  const int64_t count = image.groups * image.rows * image.h.taps * image.w.taps;
  for (int64_t i = 0; i < count; ++i) {
    T total = sums[i];
    for (int64_t part = 1; part < args->parts; ++part) total += sums[part * count + i];
    weight[i] = total;
  }
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_conv_depthwise(ConvKernels* table) {
  table->conv_depthwise[kF32] = {depthwise<float>, MO_KERNEL_NAME("conv_depthwise_f32")};
  table->conv_depthwise[kF64] = {depthwise<double>, MO_KERNEL_NAME("conv_depthwise_f64")};
  table->conv_weight_grad_depthwise[kF32] = {depthwise_grad<float>,
                                             MO_KERNEL_NAME("conv_weight_grad_depthwise_f32")};
  table->conv_weight_grad_depthwise[kF64] = {depthwise_grad<double>,
                                             MO_KERNEL_NAME("conv_weight_grad_depthwise_f64")};
}

}  // namespace markone::MARKONE_ISA
