// When a convolution is done by Winograd's filtering, and how it is cut.
#include <algorithm>

#include "ops/conv_tiling.h"

namespace markone {
namespace {

// Tiles a chunk: transformed weights pass by once for each, so 56 of them want 64 / 56 bytes of weights a
// cycle, and their products stay in the second cache beside those weights.
constexpr int64_t kTiles = 56;
// Output channels a block, and input channels a block of K.
constexpr int64_t kRows = 64, kDepth = 128;
// Weights beyond this, transformed, are not stored: each chunk transforms what it is about to use.
constexpr int64_t kStoredBytes = int64_t{16} << 20;
// The weight gradient: as many tiles a part as make this many bytes of transformed numbers, within limits
// that keep reading and writing the sums cheap and the parts few.
constexpr int64_t kPartBytes = int64_t{8} << 20, kLeastTiles = 96, kMostTiles = 384;
constexpr int64_t kGradRows = 64, kGradDepth = 32;
// So many chunks, where an image has fewer tiles; each group of output channels transforms the input again.
constexpr int64_t kChunks = 8;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }
// Blocks of nearly equal size, in whole vectors.
int64_t balanced(int64_t n, int64_t size) { return round_up(divide_up(n, divide_up(n, size)), kConvLanes); }

double tiles_of(const ConvProblem& p, int64_t out) {
  return static_cast<double>(divide_up(p.h.out, out)) * static_cast<double>(divide_up(p.w.out, out));
}

// Cycles of 16 lanes for one image, at the speed of one multiplication a cycle: products, transforms of each
// tile's channels, and of the weights.
double winograd_cost(const ConvProblem& p, int64_t out) {
  const double rows = static_cast<double>(round_up(p.rows, kConvLanes));
  const double depth = static_cast<double>(p.depth),
               padded = static_cast<double>(round_up(p.depth, kConvLanes));
  const double products = static_cast<double>((out + 2) * (out + 2)) / 16;
  const double tiles = tiles_of(p, out);
  return tiles * products * (rows * depth + 6 * (rows + padded)) + 5 * products * rows * depth;
}
double direct_cost(const ConvProblem& p) {
  return 9.0 / 16 * static_cast<double>(p.h.out) * static_cast<double>(p.w.out) *
         static_cast<double>(p.rows) * static_cast<double>(p.depth);
}

bool three(const ConvAxis& axis) { return axis.taps == 3 && axis.stride == 1 && axis.dilation == 1; }

}  // namespace

const char* refuse_winograd(const ConvProblem& p, int64_t out) {
  if (p.winograd < out) return p.winograd ? "wants larger tiles than allowed" : "Winograd is switched off";
  if (!three(p.h) || !three(p.w) || p.d.taps != 1 || p.d.stride != 1 || p.d.pad != 0)
    return "wants 3x3 taps at stride 1 without dilation";
  if (p.spread != 1) return "wants an input without zeros between";
  if (p.groups != 1) return "wants one group";
  if (p.depth < 1) return "wants an input channel";
  return nullptr;
}

const char* avoid_winograd(const ConvProblem& p, int64_t out) {
  const double cost = winograd_cost(p, out);
  // Half a vector of channels would be zeros.
  if (p.depth < kConvLanes || p.rows < kConvLanes) return "few channels";
  if (cost > 0.8 * direct_cost(p)) return "the transforms cost more than the products saved";
  if (out == 4 && winograd_cost(p, 2) < cost) return "smaller tiles fit better";
  return nullptr;
}

int64_t plan_winograd(ConvArgs* args, int64_t out, int64_t slots) {
  constexpr int64_t kSize = sizeof(float);
  ConvImage& image = args->image;
  ConvTiling& t = image.tiling;
  const int64_t products = (out + 2) * (out + 2);
  const int64_t tiles = image.batch * divide_up(image.h.out, out) * divide_up(image.w.out, out);
  t.tiles = divide_up(tiles, divide_up(tiles, kTiles));
  t.rows = balanced(image.rows, kRows);
  t.depth = balanced(image.depth, kDepth);
  t.slots = slots;
  const int64_t row_blocks = divide_up(image.rows, t.rows), depth_blocks = divide_up(image.depth, t.depth);
  const int64_t chunks = divide_up(tiles, t.tiles);
  t.groups = chunks < kChunks ? std::min(row_blocks, divide_up(kChunks, chunks)) : 1;
  const int64_t block = products * (t.rows * t.depth + kConvStagger) * kSize;
  const int64_t weights = row_blocks * depth_blocks * block;
  const bool stored = chunks > 1 && weights <= kStoredBytes;
  t.shared_bytes = stored ? weights : 0;
  t.slot_bytes = (kConvRunNumbers + depth_blocks * products * (t.tiles * t.depth + kConvStagger) +
                  products * (t.tiles * t.rows + kConvStagger)) *
                     kSize +
                 (stored ? 0 : block);
  return t.shared_bytes + slots * t.slot_bytes;
}

int64_t plan_winograd(ConvWeightGradArgs* args, int64_t out, int64_t slots) {
  constexpr int64_t kSize = sizeof(float);
  ConvImage& image = args->image;
  ConvTiling& t = image.tiling;
  const int64_t products = (out + 2) * (out + 2);
  const int64_t tiles = image.batch * divide_up(image.h.out, out) * divide_up(image.w.out, out);
  t.rows = balanced(image.rows, kGradRows);
  t.depth = balanced(image.depth, kGradDepth);
  t.slots = slots;
  const int64_t row_blocks = divide_up(image.rows, t.rows), depth_blocks = divide_up(image.depth, t.depth);
  const int64_t channels = row_blocks * t.rows + depth_blocks * t.depth;
  const int64_t most = std::clamp(kPartBytes / (products * channels * kSize), kLeastTiles, kMostTiles);
  t.tiles = divide_up(tiles, divide_up(tiles, most));
  const int64_t block = products * (t.rows * t.depth + kConvStagger);
  t.shared_bytes = products * (t.tiles * channels + (row_blocks + depth_blocks) * kConvStagger) * kSize;
  if (t.tiles < tiles) t.shared_bytes += row_blocks * depth_blocks * block * kSize;
  t.slot_bytes = std::max(kConvRunNumbers, block) * kSize;
  return t.shared_bytes + slots * t.slot_bytes;
}

}  // namespace markone
