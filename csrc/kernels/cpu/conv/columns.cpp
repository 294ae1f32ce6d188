// Convolution of a small image that is much padded, as the input gradient of a small one is: each tap's
// weights times every input, without the zeros around, and then a sum of what meets at an output.
#include "contract/conv.h"
#include "kernels/cpu/gemm/planes.h"

MO_ISA_BEGIN

template <class T>
struct Columns {
  const ConvArgs* args;
  const Run* run;
  int64_t taps, products, step;  // rows of the product of matrices, and numbers from one to the next
  int64_t left;                  // zeros before the outputs in a row of `sums`
  int64_t row;                   // numbers of such a row
  T* weights;                    // of each group, panels of `products` rows
  int64_t group_size;
};

// Row (m, r, s) of the weights, column c.
template <class T>
void pack_taps(void* context, int64_t group, int) {
  const Columns<T>& conv = *static_cast<const Columns<T>*>(context);
  const ConvImage& image = conv.args->image;
  const ConvStrides& at = conv.args->weight_at;
  const T* from = static_cast<const T*>(conv.args->weight) + group * at.group;
  T* to = conv.weights + group * conv.group_size;
  const Panels panels(conv.products);
  for (int64_t p = 0; p < panels.count; ++p) {
    const int height = panels.rows(p);
    const T* rows[kTileRows];
    for (int k = 0; k < height; ++k) {
      const int64_t i = panels.start(p) + k, tap = i % conv.taps;
      rows[k] = from + i / conv.taps * at.outer + tap / image.w.taps * at.h + tap % image.w.taps * at.w;
    }
    for (int64_t c = 0; c < image.depth; ++c) {
      for (int k = 0; k < height; ++k) *to++ = rows[k][c * at.channel];
    }
  }
}

// The outputs of one channel: products [tap][input place].
template <class T>
void add_taps(const Columns<T>& conv, const T* products, T* sums, T* y, const T* bias) {
  using V = Vec<T>;
  constexpr int64_t kN = V::kLanes;
  const ConvAxis h = conv.args->image.h, w = conv.args->image.w;
  const int64_t y_h = conv.args->y_at.h, y_w = conv.args->y_at.w, step = conv.step, row = conv.row;
  // From a tap of one row to that of the next, for one row of outputs.
  const int64_t next = w.taps * step + h.dilation * w.in;
  const V last = bias ? V(*bias) : V(0);
  const int64_t group = w.taps * row;
  for (int64_t i0 = 0; i0 < h.out; i0 += kConvSums) {
    const int64_t i1 = smaller(i0 + kConvSums, h.out);
    T* middle = sums + conv.left;
    for (int64_t i = i0; i < i1; ++i, middle += group) {
      // Taps whose inputs are inside.
      int64_t first = 0, end = h.taps;
      while (first < end && i + first * h.dilation < h.pad) ++first;
      while (first < end && i + (end - 1) * h.dilation - h.pad >= h.in) --end;
      const T* const from = products + first * next + (i - h.pad) * w.in;
      const int64_t count = end - first;
      for (int64_t j = 0; j < w.in; j += kN) {
        const int64_t lanes = smaller(kN, w.in - j);
        T* to = middle + w.pad + j;
        for (int64_t s = 0; s < w.taps; ++s, to += row - w.dilation) {
          const T* at = from + s * step + j;
          V sum(0);
          for (int64_t r = 0; r < count; ++r, at += next) sum = sum + V::load(at, lanes);
          sum.store(to);
        }
      }
    }
    // A few rows later: a load waits where it meets a part of what was just stored.
    middle = sums + conv.left;
    for (int64_t i = i0; i < i1; ++i, middle += group) {
      T* const out = y + i * y_h;
      for (int64_t j = 0; j < w.out; j += kN) {
        V sum = V::load(middle + j);
        for (int64_t s = 1; s < w.taps; ++s) sum = sum + V::load(middle + s * row + j);
        if (bias) sum = sum + last;
        const int64_t lanes = smaller(kN, w.out - j);
        if (y_w == 1) {
          store_first(sum, out + j, lanes);
        } else {
          alignas(64) T buffer[kN];
          sum.store(buffer);
          spread_out(out + j * y_w, buffer, lanes, y_w);
        }
      }
    }
  }
}

template <class T>
void columns_chunk(void* context, int64_t chunk, int slot) {
  const Columns<T>& conv = *static_cast<const Columns<T>*>(context);
  const ConvArgs& args = *conv.args;
  const ConvImage& image = args.image;
  const int64_t g = chunk % image.groups, n = chunk / image.groups, places = image.h.in * image.w.in;
  const T* x = static_cast<const T*>(args.x) + n * image.x.outer + g * image.x.group;
  T* const inputs = reinterpret_cast<T*>(static_cast<char*>(conv.run->scratch) + image.tiling.shared_bytes +
                                         slot * image.tiling.slot_bytes);
  T* const products = inputs + image.depth * conv.step + kConvSlack;
  T* const sums = products + conv.products * conv.step + kConvSlack;
  for (int64_t c = 0; c < image.depth; ++c) {
    for (int64_t h = 0; h < image.h.in; ++h)
      copy_run(inputs + c * conv.step + h * image.w.in, x + c * image.x.channel + h * image.x.h, image.w.in,
               image.x.w);
  }
  const Panels panels(conv.products);
  for (int64_t p = 0; p < panels.count; ++p) {
    const T* a = conv.weights + g * conv.group_size + panels.start(p) * image.depth;
    with_rows<kTileRows>(panels.rows(p), [&]<int kRows>() {
      for (int64_t j = 0; j < places; j += kTileCols<T>) {
        T* const to = products + panels.start(p) * conv.step + j;
        const RowsB<T> b{inputs + j, conv.step};
        const PackedA<T, kRows> rows{a};
        if (places - j > kLanes<T>)
          tile<T, kRows, kTileVecs>(image.depth, rows, b,
                                    TileOut<T>{to, conv.step, kTileCols<T>, false, nullptr});
        else
          tile<T, kRows, 1>(image.depth, rows, b, TileOut<T>{to, conv.step, kLanes<T>, false, nullptr});
      }
    });
  }
  for (int64_t i = 0; i < kConvSums * conv.row * image.w.taps; ++i) sums[i] = 0;
  for (int64_t m = 0; m < image.rows; ++m) {
    add_taps(conv, products + m * conv.taps * conv.step, sums,
             static_cast<T*>(args.y) + n * args.y_at.outer + g * args.y_at.group + m * args.y_at.channel,
             args.bias ? static_cast<const T*>(args.bias) + g * image.rows + m : nullptr);
  }
}

template <class T>
void conv_columns(const ConvArgs* args, const Run* run) {
  const ConvImage& image = args->image;
  const ConvTiling& t = image.tiling;
  Run limited = *run;
  limited.threads = static_cast<int>(smaller(run->threads, t.slots));
  const int64_t taps = image.h.taps * image.w.taps,
                reach = (image.w.taps - 1) * image.w.dilation - image.w.pad;
  Columns<T> conv{args,
                  run,
                  taps,
                  image.rows * taps,
                  t.columns,
                  reach > 0 ? reach : 0,
                  t.width,
                  static_cast<T*>(run->scratch),
                  image.rows * taps * image.depth + kConvSlack};
  run->parallel(&limited, image.groups, pack_taps<T>, &conv);
  run->parallel(&limited, image.batch * image.groups, columns_chunk<T>, &conv);
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_conv_columns(ConvKernels* table) {
  table->conv_columns[kF32] = {conv_columns<float>, MO_KERNEL_NAME("conv_columns_f32")};
  table->conv_columns[kF64] = {conv_columns<double>, MO_KERNEL_NAME("conv_columns_f64")};
}

}  // namespace markone::MARKONE_ISA
