// When a convolution runs straight from the planes of its few channels, and how it is cut.
#include <algorithm>

#include "ops/conv_tiling.h"

namespace markone {
namespace {

// The planes of a tile stay in the first cache.
constexpr int64_t kPlaneBytes = 24 * 1024, kTileColumns = 512;
// Beyond so many channels a group the matrix product does better, and beyond so many output channels, which
// would read the planes again.
constexpr int64_t kChannels = 8, kRows = 4;
// The weight gradient: so many chunks at least.
constexpr int64_t kChunks = 32;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }
int64_t balanced(int64_t n, int64_t size) { return divide_up(n, divide_up(n, size)); }

// Returns the bytes of the planes.
int64_t plan_planes(ConvImage* image, int64_t size) {
  ConvTiling& t = image->tiling;
  const int64_t stride = image->w.stride, taps = image->w.taps;
  t.tile_w = balanced(image->w.out, kTileColumns);
  t.width = t.tile_w + (taps - 1) / stride;
  const int64_t rows = kPlaneBytes / (image->depth * stride * t.width * size);
  t.tile_h = balanced(image->h.out, std::max<int64_t>(8, (rows - taps) / stride));
  t.plane = ((t.tile_h - 1) * stride + taps) * t.width + kConvSlack;
  return image->depth * stride * t.plane * size;
}

}  // namespace

const char* refuse_depthwise(const ConvProblem& p) {
  const auto same = [&](int64_t ConvAxis::* field) { return p.h.*field == p.w.*field; };
  if ((p.w.taps != 3 && p.w.taps != 5) || !same(&ConvAxis::taps)) return "wants 3x3 or 5x5 taps";
  if (p.w.stride > 2 || !same(&ConvAxis::stride)) return "wants stride 1 or 2";
  if (p.spread > 1 && (p.spread != 2 || p.w.stride != 1)) return "wants at most one zero between neighbours";
  if (p.h.dilation != 1 || p.w.dilation != 1) return "wants no dilation";
  if (p.d.taps != 1 || p.d.stride != 1 || p.d.pad != 0 || p.d.out != 1) return "wants an image";
  if (p.depth > kChannels || p.depth < 1) return "wants few input channels a group";
  return nullptr;
}
const char* refuse_depthwise_weight_grad(const ConvProblem& p) {
  if (const char* reason = refuse_depthwise(p)) return reason;
  if (p.depth != 1) return "wants one input channel a group";
  if (p.rows > kChannels) return "wants few output channels a group";
  return nullptr;
}
const char* avoid_depthwise(const ConvProblem& p) {
  return p.depth * p.rows > kChannels || p.rows > kRows ? "channels enough for a matrix product" : nullptr;
}

int64_t plan_depthwise(ConvArgs* args, int64_t size, int64_t slots) {
  ConvImage& image = args->image;
  ConvTiling& t = image.tiling;
  t.slots = slots;
  t.shared_bytes = 0;
  t.slot_bytes = round_up(plan_planes(&image, size) + image.depth * image.w.taps * image.w.taps * size, 64);
  return slots * t.slot_bytes;
}

int64_t plan_depthwise(ConvWeightGradArgs* args, int64_t size, int64_t slots) {
  ConvImage& image = args->image;
  ConvTiling& t = image.tiling;
  const int64_t sums = image.rows * image.w.taps * image.w.taps;
  const int64_t planes = plan_planes(&image, size);
  args->images =
      divide_up(image.batch, std::clamp<int64_t>(divide_up(kChunks, image.groups), 1, image.batch));
  args->parts = divide_up(image.batch, args->images);
  t.slots = slots;
  t.shared_bytes = round_up(args->parts * image.groups * sums * size, 64);
  t.slot_bytes = round_up(planes + (sums * kConvLanes + t.tile_h * t.tile_w + kConvSlack) * size, 64);
  return t.shared_bytes + slots * t.slot_bytes;
}

}  // namespace markone
