// Convolution of 3x3 taps at stride 1 by Winograd's minimal filtering. A chunk takes a block of tiles: their
// input is transformed once, then for one block of output channels after the other the matrix products of the
// transformed numbers (rows are tiles, columns are output channels, K runs over input channels) and their
// transform back, with the bias. Every sum runs in the order of channels, so no cut changes a bit.
#include "kernels/cpu/conv/winograd.h"

MO_ISA_BEGIN

template <class T>
struct RowsA {
  const T* p;
  int64_t row;
  MO_INLINE T at(int64_t l, int i) const { return p[i * row + l]; }
};

template <class T>
struct WinogradConv {
  const ConvArgs* args;
  const Run* run;
  TileGrid grid;
  int64_t tiles;  // of all images
  int64_t depth_blocks, row_blocks, groups, blocks_a_group;
  int64_t weight_plane, weight_block;  // transformed weights of one product, and of one block
  int64_t input_plane, input_block, product_plane;
  T* weights;  // transformed beforehand, or null
  int64_t rows(int64_t block) const {
    return smaller(tiling().rows, args->image.rows - block * tiling().rows);
  }
  int64_t depth(int64_t block) const {
    return smaller(tiling().depth, args->image.depth - block * tiling().depth);
  }
  const ConvTiling& tiling() const { return args->image.tiling; }
};

// Channels of weights that are transformed together.
inline constexpr int64_t kTapChannels = 16;

// G w G' of one block of output and input channels: product xi, channel l, panel p at
// xi * weight_plane + p * depth + l * panel width.
template <class T, int kOut>
void transform_weights(const WinogradConv<T>& conv, int64_t row_block, int64_t depth_block, T* to,
                       T* buffer) {
  using V = Vec<T>;
  constexpr int64_t kN = V::kLanes;
  constexpr int kSide = kOut + 2;
  const ConvStrides& at = conv.args->weight_at;
  const int64_t rows = conv.rows(row_block), depth = conv.depth(depth_block),
                tile_depth = conv.tiling().depth;
  const T* weight = static_cast<const T*>(conv.args->weight) + row_block * conv.tiling().rows * at.outer +
                    depth_block * tile_depth * at.channel;
  // The taps of one channel are 9 neighbours, in this or the other direction.
  const bool together = (at.w == 1 || at.w == -1) && at.h == 3 * at.w;
  const int64_t first = together && at.w < 0 ? -8 : 0;
  for_panels<T>(rows, [&](int vecs, int64_t p) {
    for (int64_t l0 = 0; l0 < depth; l0 += kTapChannels) {
      const int64_t channels = smaller(kTapChannels, depth - l0);
      for (int v = 0; v < vecs; ++v) {
        const int64_t row = p + v * kN, count = smaller(kN, rows - row);
        const T* from = weight + row * at.outer + l0 * at.channel;
        if (together && at.channel == 9 && at.w == 1) {
          pack<T>(buffer, from, at.outer, 1, count, 9 * channels, kN);
        } else {
          for (int64_t l = 0; l < channels; ++l) {
            T* taps = buffer + l * 9 * kN;
            if (together) {
              pack<T>(taps, from + l * at.channel + first, at.outer, 1, count, 9, kN);
              continue;
            }
            for (int64_t r = 0; r < 3; ++r)
              pack<T>(taps + r * 3 * kN, from + l * at.channel + r * at.h, at.outer, at.w, count, 3, kN);
          }
        }
        T* out = to + p * depth + l0 * vecs * kN + v * kN;
        for (int64_t l = 0; l < channels; ++l, out += vecs * kN) {
          const T* taps = buffer + l * 9 * kN;
          V down[kSide][3];
#pragma GCC unroll 3
          for (int s = 0; s < 3; ++s) {
            V g[3], t[kSide];
#pragma GCC unroll 3
            for (int r = 0; r < 3; ++r) {
              const int64_t tap = 3 * r + s;
              g[r] = V::load(taps + (first ? 8 - tap : tap) * kN);
            }
            Winograd<kOut>::weight(g, t);
#pragma GCC unroll 6
            for (int r = 0; r < kSide; ++r) down[r][s] = t[r];
          }
#pragma GCC unroll 6
          for (int r = 0; r < kSide; ++r) {
            V t[kSide];
            Winograd<kOut>::weight(down[r], t);
#pragma GCC unroll 6
            for (int s = 0; s < kSide; ++s) t[s].store(out + (r * kSide + s) * conv.weight_plane);
          }
        }
      }
    }
  });
}

template <class T>
MO_INLINE T* slot_of(const WinogradConv<T>& conv, int slot) {
  return reinterpret_cast<T*>(static_cast<char*>(conv.run->scratch) + conv.tiling().shared_bytes +
                              slot * conv.tiling().slot_bytes);
}

template <class T, int kOut>
void weights_chunk(void* context, int64_t chunk, int slot) {
  const WinogradConv<T>& conv = *static_cast<const WinogradConv<T>*>(context);
  transform_weights<T, kOut>(conv, chunk / conv.depth_blocks, chunk % conv.depth_blocks,
                             conv.weights + chunk * conv.weight_block, slot_of(conv, slot));
}

// A' m A + bias for the tiles of one run and one vector of output channels.
template <class T, int kOut>
void transform_back(const WinogradConv<T>& conv, const T* products, int64_t count, Vec<T> bias, T* buffer) {
  using V = Vec<T>;
  constexpr int64_t kN = V::kLanes;
  constexpr int kSide = kOut + 2;
  const int64_t cols = count * kOut, row = conv.tiling().rows;
  for (int64_t k = 0; k < count; ++k, products += row) {
    V down[kOut][kSide];
#pragma GCC unroll 6
    for (int c = 0; c < kSide; ++c) {
      V m[kSide], y[kOut];
#pragma GCC unroll 6
      for (int r = 0; r < kSide; ++r) m[r] = V::load(products + (r * kSide + c) * conv.product_plane);
      Winograd<kOut>::output(m, y);
#pragma GCC unroll 4
      for (int r = 0; r < kOut; ++r) down[r][c] = y[r];
    }
#pragma GCC unroll 4
    for (int r = 0; r < kOut; ++r) {
      V y[kOut];
      Winograd<kOut>::output(down[r], y);
#pragma GCC unroll 4
      for (int c = 0; c < kOut; ++c) (y[c] + bias).store(buffer + (r * cols + k * kOut + c) * kN);
    }
  }
}

template <class T, int kOut>
void tiles_chunk(void* context, int64_t chunk, int slot) {
  constexpr int64_t kN = kLanes<T>;
  constexpr int kSide = kOut + 2;
  const WinogradConv<T>& conv = *static_cast<const WinogradConv<T>*>(context);
  const ConvArgs& args = *conv.args;
  const ConvImage& image = args.image;
  const ConvTiling& t = image.tiling;
  const int64_t group = chunk % conv.groups, begin = chunk / conv.groups * t.tiles;
  const int64_t end = smaller(begin + t.tiles, conv.tiles);
  T* const buffer = slot_of(conv, slot);
  T* const input = buffer + kConvRunNumbers;
  T* const products = input + conv.depth_blocks * conv.input_block;
  T* const own_weights = products + kSide * kSide * conv.product_plane;
  for_runs(conv.grid, begin, end, [&](int64_t n, int64_t row, int64_t col, int64_t count, int64_t at) {
    const int64_t cols = count * kOut + 2;
    for (int64_t c = 0; c < image.depth; c += kN) {
      const T* x = static_cast<const T*>(args.x) + n * image.x.outer + c * image.x.channel;
      gather_rows<T, kSide>(buffer, x, image.h, image.w, image.x, row * kOut - image.h.pad,
                            col * kOut - image.w.pad, cols, smaller(kN, image.depth - c));
      T* to = input + c / t.depth * conv.input_block + c % t.depth + at * t.depth;
      transform_run<T, kSide, kOut, kSide>(
          buffer, cols, count, to, conv.input_plane, t.depth,
          [](const Vec<T>(&d)[kSide], Vec<T>(&out)[kSide]) { Winograd<kOut>::input(d, out); });
    }
  });
  const Panels panels(end - begin);
  const int64_t last = smaller((group + 1) * conv.blocks_a_group, conv.row_blocks);
  for (int64_t block = group * conv.blocks_a_group; block < last; ++block) {
    const int64_t rows = conv.rows(block);
    for (int64_t d = 0; d < conv.depth_blocks; ++d) {
      const int64_t depth = conv.depth(d);
      const T* weights = own_weights;
      if (conv.weights)
        weights = conv.weights + (block * conv.depth_blocks + d) * conv.weight_block;
      else
        transform_weights<T, kOut>(conv, block, d, own_weights, buffer);
      for (int64_t xi = 0; xi < kSide * kSide; ++xi) {
        const T* a = input + d * conv.input_block + xi * conv.input_plane;
        for_panels<T>(rows, [&](int vecs, int64_t p) {
          const RowsB<T> b{weights + xi * conv.weight_plane + p * depth, vecs * kN};
          TileOut<T> out{nullptr, t.rows, vecs * kN, d > 0, nullptr};
          for (int64_t i = 0; i < panels.count; ++i) {
            const int64_t start = panels.start(i);
            const RowsA<T> from{a + start * t.depth, t.depth};
            out.c = products + xi * conv.product_plane + start * t.rows + p;
            with_rows<kTileRows>(panels.rows(i), [&]<int kRows>() {
              with_rows<kTileVecs>(vecs, [&]<int kVecs>() { tile<T, kRows, kVecs>(depth, from, b, out); });
            });
          }
        });
      }
    }
    for_runs(conv.grid, begin, end, [&](int64_t n, int64_t row, int64_t col, int64_t count, int64_t at) {
      const int64_t high = smaller(kOut, image.h.out - row * kOut);
      const int64_t wide = smaller(count * kOut, image.w.out - col * kOut);
      for (int64_t m = 0; m < rows; m += kN) {
        const int64_t channels = smaller(kN, rows - m), channel = block * t.rows + m;
        const Vec<T> bias =
            args.bias ? Vec<T>::load(static_cast<const T*>(args.bias) + channel, channels) : Vec<T>(0);
        transform_back<T, kOut>(conv, products + at * t.rows + m, count, bias, buffer);
        T* y = static_cast<T*>(args.y) + n * args.y_at.outer + channel * args.y_at.channel +
               row * kOut * args.y_at.h + col * kOut * args.y_at.w;
        for (int64_t r = 0; r < high; ++r)
          scatter_row(y + r * args.y_at.h, buffer + r * count * kOut * kN, args.y_at, wide, channels);
      }
    });
  }
}

template <class T, int kOut>
void conv_winograd(const ConvArgs* args, const Run* run) {
  constexpr int64_t kProducts = (kOut + 2) * (kOut + 2);
  const ConvImage& image = args->image;
  const ConvTiling& t = image.tiling;
  Run limited = *run;
  limited.threads = static_cast<int>(smaller(run->threads, t.slots));
  WinogradConv<T> conv{args, run, TileGrid(image, kOut), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, nullptr};
  conv.tiles = image.batch * conv.grid.count();
  conv.depth_blocks = parts(image.depth, t.depth);
  conv.row_blocks = parts(image.rows, t.rows);
  conv.blocks_a_group = parts(conv.row_blocks, t.groups);
  conv.groups = parts(conv.row_blocks, conv.blocks_a_group);
  conv.weight_plane = t.rows * t.depth + kConvStagger;
  conv.weight_block = kProducts * conv.weight_plane;
  conv.input_plane = t.tiles * t.depth + kConvStagger;
  conv.input_block = kProducts * conv.input_plane;
  conv.product_plane = t.tiles * t.rows + kConvStagger;
  if (t.shared_bytes) {
    conv.weights = static_cast<T*>(run->scratch);
    run->parallel(&limited, conv.row_blocks * conv.depth_blocks, weights_chunk<T, kOut>, &conv);
  }
  run->parallel(&limited, parts(conv.tiles, t.tiles) * conv.groups, tiles_chunk<T, kOut>, &conv);
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_conv_winograd(ConvKernels* table) {
  table->conv_winograd4[kF32] = {conv_winograd<float, 4>, MO_KERNEL_NAME("conv_winograd4_f32")};
  table->conv_winograd2[kF32] = {conv_winograd<float, 2>, MO_KERNEL_NAME("conv_winograd2_f32")};
}

}  // namespace markone::MARKONE_ISA
