// The gradient of a convolution's weights as a product of matrices: rows are (channel, tap), columns are
// output channels, K runs over the outputs of image after image. The left side is read from the image, the
// right side is the gradient with its channels packed side by side.
#include "contract/conv.h"
#include "kernels/cpu/gemm/planes.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

// Up to one vector of output channels leaves room for twice the rows.
inline constexpr int kTallRows = 2 * kTileRows;

// A row of A a pointer; kUnit where neighbours lie side by side.
template <class T, int kRows, bool kUnit>
struct PointersA {
  const T* const* p;
  int64_t step;
  MO_INLINE T at(int64_t l, int i) const { return p[i][kUnit ? l : l * step]; }
};

template <class T>
struct Walk {
  const T* x;
  const int64_t* offset;  // of each row of the tile
  int64_t row, col;       // from output row to output row and from column to column
  int64_t images, image;  // and from image to image
  int64_t out_h, out_w;
  const T* gradient;  // packed
  T* sum;
  int64_t sum_row;
  bool from_sum;
};

template <class T, int kRows, int kVecs>
__attribute__((noinline)) void filter_tile(const Walk<T>& walk) {
  using V = Vec<T>;
  constexpr int64_t kWidth = kVecs * V::kLanes;
  V acc[kRows][kVecs];
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kVecs; ++j)
      acc[i][j] = walk.from_sum ? V::load(walk.sum + i * walk.sum_row + j * V::kLanes) : V(0);
  }
  const T* p[kRows];
  RowsB<T> b{walk.gradient, kWidth};
  for (int64_t n = 0; n < walk.images; ++n) {
    for (int i = 0; i < kRows; ++i) p[i] = walk.x + n * walk.image + walk.offset[i];
    for (int64_t h = 0; h < walk.out_h; ++h) {
      if (walk.col == 1)
        multiply<T, kRows, kVecs>(acc, walk.out_w, PointersA<T, kRows, true>{p, 1}, b);
      else
        multiply<T, kRows, kVecs>(acc, walk.out_w, PointersA<T, kRows, false>{p, walk.col}, b);
      for (int i = 0; i < kRows; ++i) p[i] += walk.row;
      b.p += walk.out_w * kWidth;
    }
  }
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kVecs; ++j) acc[i][j].store(walk.sum + i * walk.sum_row + j * V::kLanes);
  }
}

template <class T>
struct WeightGrad {
  const ConvWeightGradArgs* args;
  const Run* run;
  int64_t taps, depth_blocks, row_blocks, tiles_h, tiles_w;
  int64_t sum_row;   // columns of the sums, in whole vectors
  int64_t sum_size;  // of one part
  int64_t* offsets;
  T* sums;
  bool tall;
};

template <class T>
void sum_chunk(void* context, int64_t chunk, int slot) {
  const WeightGrad<T>& grad = *static_cast<const WeightGrad<T>*>(context);
  const ConvWeightGradArgs& args = *grad.args;
  const ConvImage& image = args.image;
  const ConvStrides& at = args.gradient_at;
  const ConvTiling& t = image.tiling;
  const int64_t row0 = chunk % grad.row_blocks * t.rows;
  chunk /= grad.row_blocks;
  const int64_t c0 = chunk % grad.depth_blocks * t.depth;
  chunk /= grad.depth_blocks;
  const int64_t g = chunk % image.groups, part = chunk / image.groups;
  const int64_t rows = smaller(t.rows, image.rows - row0), channels = smaller(t.depth, image.depth - c0);
  const int64_t width = (grad.tall ? 1 : kTileVecs) * kLanes<T>;
  const int64_t k = channels * grad.taps;
  const bool copied = t.period_h > 0;
  T* planes = reinterpret_cast<T*>(static_cast<char*>(grad.run->scratch) + t.table_bytes + t.shared_bytes +
                                   slot * t.slot_bytes);
  // Planes first, then the packed gradient.
  T* packed = planes + t.images * planes_size(image);
  T* sums = grad.sums + part * grad.sum_size + (g * image.depth + c0) * grad.taps * grad.sum_row + row0;
  bool first = true;
  const int64_t end = smaller(image.batch, (part + 1) * args.images);
  // Of small images several follow each other in one sum.
  int64_t images = 1;
  for (int64_t at_image = part * args.images * image.d.out; at_image < end * image.d.out;
       at_image += images) {
    const int64_t n = at_image / image.d.out, d0 = at_image % image.d.out;
    images = smaller(t.images, end - n);  // one, where there are several depths
    const T* x = static_cast<const T*>(args.x) + n * image.x.outer + g * image.x.group;
    for (int64_t h0 = 0; h0 < image.h.out; h0 += t.tile_h) {
      for (int64_t w0 = 0; w0 < image.w.out; w0 += t.tile_w, first = false) {
        const int64_t out_h = smaller(t.tile_h, image.h.out - h0);
        const int64_t out_w = smaller(t.tile_w, image.w.out - w0);
        Walk<T> walk{planes, nullptr, t.width, 1,       images,       planes_size(image),
                     out_h,  out_w,   packed,  nullptr, grad.sum_row, !first};
        if (copied) {
          for (int64_t i = 0; i < images; ++i)
            fill_planes(image, planes + i * walk.image, x + i * image.x.outer, c0, channels, d0, h0, w0,
                        out_h);
        } else {
          walk.image = image.x.outer;
          walk.row = image.h.out > 1 ? image.h.stride * image.x.h : 0;
          walk.col = image.w.out > 1 ? image.w.stride * image.x.w : 1;
          // Of depth 0 the product may not fit.
          walk.x = x + c0 * image.x.channel + (d0 ? d0 * image.d.stride * image.x.d : 0) + h0 * walk.row +
                   w0 * walk.col;
        }
        for (int64_t m = 0; m < rows; m += width) {
          const T* from = static_cast<const T*>(args.gradient) + n * at.outer + g * at.group +
                          (row0 + m) * at.channel + d0 * at.d + h0 * at.h + w0 * at.w;
          const int64_t count = smaller(width, rows - m);
          for (int64_t i = 0; i < images; ++i, from += at.outer) {
            T* to = packed + i * out_h * out_w * width;
            if (at.h == out_w * at.w) {
              pack<T>(to, from, at.channel, at.w, count, out_h * out_w, width);
            } else {
              for (int64_t h = 0; h < out_h; ++h)
                pack<T>(to + h * out_w * width, from + h * at.h, at.channel, at.w, count, out_w, width);
            }
          }
          const int64_t tall = grad.tall ? kTallRows : kTileRows;
          const int64_t panels = parts(k, tall), base = k / panels, longer = k % panels;
          for (int64_t i = 0, row = 0; i < panels; ++i) {
            const int height = static_cast<int>(base + (i < longer));
            walk.offset = grad.offsets + row;
            walk.sum = sums + row * grad.sum_row + m;
            if (grad.tall)
              with_rows<kTallRows>(height, [&]<int kRows>() { filter_tile<T, kRows, 1>(walk); });
            else
              with_rows<kTileRows>(height, [&]<int kRows>() { filter_tile<T, kRows, kTileVecs>(walk); });
            row += height;
          }
        }
      }
    }
  }
}

// Adds the parts of one vector of a group's (channel, tap), from the first to the last, and turns them
// around.
template <class T>
void add_chunk(void* context, int64_t chunk, int) {
  using V = Vec<T>;
  constexpr int64_t kN = V::kLanes;
  const WeightGrad<T>& grad = *static_cast<const WeightGrad<T>*>(context);
  const ConvWeightGradArgs& args = *grad.args;
  const ConvImage& image = args.image;
  const int64_t size = image.depth * grad.taps, blocks = parts(size, kN);
  const int64_t g = chunk / blocks, first = chunk % blocks * kN, count = smaller(kN, size - first);
  T* out = static_cast<T*>(args.weight) + g * image.rows * size + first;
  const T* sums = grad.sums + (g * size + first) * grad.sum_row;
  for (int64_t m = 0; m < image.rows; m += kN) {
    V rows[kN];
#pragma GCC unroll 16
    for (int i = 0; i < kN; ++i) {
      const T* sum = sums + (i < count ? i : count - 1) * grad.sum_row + m;
      rows[i] = V::load(sum);
      for (int64_t part = 1; part < args.parts; ++part)
        rows[i] = rows[i] + V::load(sum + part * grad.sum_size);
    }
    transpose(rows);
#pragma GCC unroll 16
    for (int i = 0; i < kN; ++i) {
      if (m + i < image.rows) store_first(rows[i], out + (m + i) * size, count);
    }
  }
}

template <class T>
void weight_grad(const ConvWeightGradArgs* args, const Run* run) {
  const ConvImage& image = args->image;
  const ConvTiling& t = image.tiling;
  Run limited = *run;
  limited.threads = static_cast<int>(smaller(run->threads, t.slots));
  WeightGrad<T> grad{args,
                     run,
                     image.d.taps * image.h.taps * image.w.taps,
                     parts(image.depth, t.depth),
                     parts(image.rows, t.rows),
                     parts(image.h.out, t.tile_h),
                     parts(image.w.out, t.tile_w),
                     0,
                     0,
                     static_cast<int64_t*>(run->scratch),
                     reinterpret_cast<T*>(static_cast<char*>(run->scratch) + t.table_bytes),
                     smaller(image.rows, t.rows) <= kLanes<T>};
  const int64_t width = (grad.tall ? 1 : kTileVecs) * kLanes<T>;
  static_assert(kConvPanel % (kTileVecs * kLanes<T>) == 0 && kTileVecs * kLanes<T> <= kConvTile);
  grad.sum_row = parts(image.rows, width) * width;
  grad.sum_size = image.groups * image.depth * grad.taps * grad.sum_row;
  fill_offsets(image, grad.offsets);
  run->parallel(&limited, args->parts * image.groups * grad.depth_blocks * grad.row_blocks, sum_chunk<T>,
                &grad);
  run->parallel(&limited, image.groups * parts(image.depth * grad.taps, kLanes<T>), add_chunk<T>, &grad);
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_conv_weight_grad(ConvKernels* table) {
  table->conv_weight_grad_implicit[kF32] = {weight_grad<float>,
                                            MO_KERNEL_NAME("conv_weight_grad_implicit_f32")};
  table->conv_weight_grad_implicit[kF64] = {weight_grad<double>,
                                            MO_KERNEL_NAME("conv_weight_grad_implicit_f64")};
}

}  // namespace markone::MARKONE_ISA
