// The gradient of 3x3 weights at stride 1 by Winograd's filtering: G' [sum over tiles (A g A') * (B' x B)] G.
// A part of the tiles is transformed, input and gradient, then each block of (output, input) channels adds
// their matrix products (rows are output channels, columns are input channels, K runs over tiles); after the
// last part it transforms its sums back. Every sum runs in the order of tiles, so no cut changes a bit.
#include "kernels/cpu/conv/winograd.h"

MO_ISA_BEGIN

// Tiles that one thread transforms at a time, and tiles a block of K: a panel of input stays in the first
// cache.
inline constexpr int64_t kTransformed = 16, kTileDepth = 128;

template <class T>
struct WinogradGrad {
  const ConvWeightGradArgs* args;
  const Run* run;
  TileGrid grid;
  int64_t tiles;                                   // of all images
  int64_t depth_blocks, row_blocks;                // of t.depth and of t.rows channels
  int64_t input_plane, gradient_plane, sum_plane;  // numbers from one product to the next
  T *input, *gradient, *sums;
  int64_t begin, end;  // the part of the tiles
  const ConvTiling& tiling() const { return args->image.tiling; }
  T* slot(int slot) const {
    return reinterpret_cast<T*>(static_cast<char*>(run->scratch) + tiling().shared_bytes +
                                slot * tiling().slot_bytes);
  }
};

template <class T, int kOut>
void transform_chunk(void* context, int64_t chunk, int slot) {
  constexpr int64_t kN = kLanes<T>;
  constexpr int kSide = kOut + 2;
  const WinogradGrad<T>& grad = *static_cast<const WinogradGrad<T>*>(context);
  const ConvWeightGradArgs& args = *grad.args;
  const ConvImage& image = args.image;
  const ConvTiling& t = image.tiling;
  const int64_t blocks = grad.depth_blocks + grad.row_blocks, block = chunk % blocks;
  const int64_t first = grad.begin + chunk / blocks * kTransformed;
  T* const buffer = grad.slot(slot);
  const bool of_input = block < grad.depth_blocks;
  const int64_t size = of_input ? t.depth : t.rows,
                c0 = (of_input ? block : block - grad.depth_blocks) * size;
  const int64_t channels = smaller(size, (of_input ? image.depth : image.rows) - c0);
  const int64_t plane = of_input ? grad.input_plane : grad.gradient_plane;
  T* const out = (of_input ? grad.input : grad.gradient) + c0 / size * kSide * kSide * plane;
  for_runs(grad.grid, first, smaller(first + kTransformed, grad.end),
           [&](int64_t n, int64_t row, int64_t col, int64_t count, int64_t at) {
             for (int64_t c = 0; c < channels; c += kN) {
               const int64_t lanes = smaller(kN, channels - c);
               T* to = out + (first - grad.begin + at) * size + c;
               if (of_input) {
                 const int64_t cols = count * kOut + 2;
                 gather_rows<T, kSide>(
                     buffer, static_cast<const T*>(args.x) + n * image.x.outer + (c0 + c) * image.x.channel,
                     image.h, image.w, image.x, row * kOut - image.h.pad, col * kOut - image.w.pad, cols,
                     lanes);
                 transform_run<T, kSide, kOut, kSide>(
                     buffer, cols, count, to, plane, size,
                     [](const Vec<T>(&d)[kSide], Vec<T>(&v)[kSide]) { Winograd<kOut>::input(d, v); });
               } else {
                 const ConvAxis h{0, image.h.out, 0, 0, 0, 0}, w{0, image.w.out, 0, 0, 0, 0};
                 gather_rows<T, kOut>(buffer,
                                      static_cast<const T*>(args.gradient) + n * args.gradient_at.outer +
                                          (c0 + c) * args.gradient_at.channel,
                                      h, w, args.gradient_at, row * kOut, col * kOut, count * kOut, lanes);
                 transform_run<T, kOut, kOut, kSide>(
                     buffer, count * kOut, count, to, plane, size,
                     [](const Vec<T>(&y)[kOut], Vec<T>(&m)[kSide]) { Winograd<kOut>::output_back(y, m); });
               }
             }
           });
}

// G' u G for one output channel and one vector of input channels, to their 3x3 taps.
template <class T, int kOut>
void finish_weights(const T* sums, int64_t plane, T* weight, int64_t channels) {
  using V = Vec<T>;
  constexpr int64_t kN = V::kLanes;
  constexpr int kSide = kOut + 2;
  alignas(64) T taps[9 * kN], turned[9 * kN + kPackSlack];
  V down[3][kSide];
#pragma GCC unroll 6
  for (int c = 0; c < kSide; ++c) {
    V u[kSide], g[3];
#pragma GCC unroll 6
    for (int r = 0; r < kSide; ++r) u[r] = V::load(sums + (r * kSide + c) * plane);
    Winograd<kOut>::weight_back(u, g);
#pragma GCC unroll 3
    for (int r = 0; r < 3; ++r) down[r][c] = g[r];
  }
#pragma GCC unroll 3
  for (int r = 0; r < 3; ++r) {
    V g[3];
    Winograd<kOut>::weight_back(down[r], g);
#pragma GCC unroll 3
    for (int c = 0; c < 3; ++c) g[c].store(taps + (r * 3 + c) * kN);
  }
  pack<T>(turned, taps, kN, 1, 9, channels, 9);
  copy_exact(weight, turned, 9 * channels);
}

template <class T, int kOut>
void block_chunk(void* context, int64_t chunk, int slot) {
  constexpr int64_t kN = kLanes<T>;
  constexpr int kProducts = (kOut + 2) * (kOut + 2);
  const WinogradGrad<T>& grad = *static_cast<const WinogradGrad<T>*>(context);
  const ConvImage& image = grad.args->image;
  const ConvTiling& t = image.tiling;
  const int64_t row_block = chunk / grad.depth_blocks, depth_block = chunk % grad.depth_blocks;
  const int64_t row0 = row_block * t.rows, c0 = depth_block * t.depth;
  const int64_t rows = smaller(t.rows, image.rows - row0), depth = smaller(t.depth, image.depth - c0);
  T* const sums = grad.sums ? grad.sums + chunk * kProducts * grad.sum_plane : grad.slot(slot);
  const int64_t tiles = grad.end - grad.begin;
  const Panels panels(rows);
  for (int64_t xi = 0; xi < kProducts; ++xi) {
    const T* a = grad.gradient + (row_block * kProducts + xi) * grad.gradient_plane;
    const T* b = grad.input + (depth_block * kProducts + xi) * grad.input_plane;
    T* const sum = sums + xi * grad.sum_plane;
    for (int64_t k = 0; k < tiles; k += kTileDepth) {
      const int64_t count = smaller(kTileDepth, tiles - k);
      for_panels<T>(depth, [&](int vecs, int64_t p) {
        const RowsB<T> from_b{b + k * t.depth + p, t.depth};
        TileOut<T> out{nullptr, t.depth, vecs * kN, grad.begin + k > 0, nullptr};
        for (int64_t i = 0; i < panels.count; ++i) {
          const int64_t start = panels.start(i);
          const StridedA<T> from_a{a + k * t.rows + start, 1, t.rows};
          out.c = sum + start * t.depth + p;
          with_rows<kTileRows>(panels.rows(i), [&]<int kRows>() {
            with_rows<kTileVecs>(vecs,
                                 [&]<int kVecs>() { tile<T, kRows, kVecs>(count, from_a, from_b, out); });
          });
        }
      });
    }
  }
  if (grad.end < grad.tiles) return;
  for (int64_t m = 0; m < rows; ++m) {
    T* weight = static_cast<T*>(grad.args->weight) + ((row0 + m) * image.depth + c0) * 9;
    for (int64_t c = 0; c < depth; c += kN)
      finish_weights<T, kOut>(sums + m * t.depth + c, grad.sum_plane, weight + c * 9, smaller(kN, depth - c));
  }
}

template <class T, int kOut>
void weight_grad_winograd(const ConvWeightGradArgs* args, const Run* run) {
  constexpr int64_t kProducts = (kOut + 2) * (kOut + 2);
  const ConvImage& image = args->image;
  const ConvTiling& t = image.tiling;
  Run limited = *run;
  limited.threads = static_cast<int>(smaller(run->threads, t.slots));
  WinogradGrad<T> grad{args, run, TileGrid(image, kOut), 0, 0, 0, 0, 0, 0, nullptr, nullptr, nullptr, 0, 0};
  grad.tiles = image.batch * grad.grid.count();
  grad.depth_blocks = parts(image.depth, t.depth);
  grad.row_blocks = parts(image.rows, t.rows);
  grad.input_plane = t.tiles * t.depth + kConvStagger;
  grad.gradient_plane = t.tiles * t.rows + kConvStagger;
  grad.sum_plane = t.rows * t.depth + kConvStagger;
  grad.input = static_cast<T*>(run->scratch);
  grad.gradient = grad.input + grad.depth_blocks * kProducts * grad.input_plane;
  const int64_t blocks = grad.depth_blocks * grad.row_blocks;
  if (t.tiles < grad.tiles) grad.sums = grad.gradient + grad.row_blocks * kProducts * grad.gradient_plane;
  for (; grad.begin < grad.tiles; grad.begin = grad.end) {
    grad.end = smaller(grad.begin + t.tiles, grad.tiles);
    run->parallel(&limited,
                  parts(grad.end - grad.begin, kTransformed) * (grad.depth_blocks + grad.row_blocks),
                  transform_chunk<T, kOut>, &grad);
    run->parallel(&limited, blocks, block_chunk<T, kOut>, &grad);
  }
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_conv_weight_grad_winograd(ConvKernels* table) {
  table->conv_weight_grad_winograd4[kF32] = {weight_grad_winograd<float, 4>,
                                             MO_KERNEL_NAME("conv_weight_grad_winograd4_f32")};
  table->conv_weight_grad_winograd2[kF32] = {weight_grad_winograd<float, 2>,
                                             MO_KERNEL_NAME("conv_weight_grad_winograd2_f32")};
}

}  // namespace markone::MARKONE_ISA
