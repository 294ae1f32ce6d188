// When a convolution runs as a product with every input, tap by tap, and a sum of what meets.
#include "ops/conv_tiling.h"

namespace markone {
namespace {

// The products of an image stay in the second cache.
constexpr int64_t kProducts = 64 * 1024;
// Adding up a product costs as much as so many multiplications; the other way skips a part of the zeros.
constexpr int64_t kAddCost = 3;
constexpr double kSkipped = 0.7;

int64_t round_up(int64_t a, int64_t b) { return (a + b - 1) / b * b; }
// Numbers from one tap's products to the next: whole tiles, and not a power of two.
int64_t step_of(int64_t h, int64_t w) { return round_up(h * w, 2 * kConvLanes) + kConvLanes; }

}  // namespace

const char* refuse_columns(const ConvProblem& p) {
  if (p.spread > 1) return "wants an input without zeros between";
  if (p.h.stride != 1 || p.w.stride != 1) return "wants stride 1";
  if (p.d.taps != 1 || p.d.stride != 1 || p.d.pad != 0 || p.d.out != 1) return "wants an image";
  if (p.h.in > kProducts || p.w.in > kProducts || p.h.taps > kProducts || p.w.taps > kProducts ||
      p.rows > kProducts || p.depth > kProducts || p.w.pad > kProducts || p.w.pad < 0 ||
      p.w.out > kProducts || p.w.dilation > kProducts)
    return "wants a small image";
  if (p.h.in * p.w.in > kProducts || p.h.taps * p.w.taps > kProducts ||
      step_of(p.h.in, p.w.in) * p.h.taps * p.w.taps * p.rows > kProducts * 4)
    return "wants a small image";
  return nullptr;
}
const char* avoid_columns(const ConvProblem& p) {
  const double ours = static_cast<double>(round_up(p.h.in * p.w.in, kConvLanes) * (p.depth + kAddCost));
  const double theirs = kSkipped * static_cast<double>(p.h.out) * static_cast<double>(p.w.out * p.depth);
  if (step_of(p.h.in, p.w.in) * p.h.taps * p.w.taps * p.rows > kProducts || ours > theirs)
    return "wants a small image with much padding";
  return nullptr;
}

int64_t plan_columns(ConvArgs* args, int64_t size, int64_t slots) {
  ConvImage& image = args->image;
  ConvTiling& t = image.tiling;
  const int64_t products = image.rows * image.h.taps * image.w.taps,
                reach = (image.w.taps - 1) * image.w.dilation;
  t.slots = slots;
  t.columns = step_of(image.h.in, image.w.in);
  // Before and behind the outputs a row has room for what the taps reach, and for a vector.
  t.width = round_up(2 * reach + image.w.pad + image.w.in + image.w.out, kConvLanes) + kConvLanes;
  t.shared_bytes = round_up(image.groups * (products * image.depth + kConvSlack) * size, 64);
  t.slot_bytes = round_up(
      ((image.depth + products) * t.columns + 2 * kConvSlack + kConvSums * image.w.taps * t.width) * size,
      64);
  return t.shared_bytes + slots * t.slot_bytes;
}

}  // namespace markone
