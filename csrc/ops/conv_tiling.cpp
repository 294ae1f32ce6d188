#include "ops/conv_tiling.h"

#include <algorithm>
#include <numeric>

namespace markone {
namespace {

// A block of K: deep enough that loading and storing the sums costs little, and shallow enough that a panel
// of weights, 14 * kDepth, stays in the first cache.
constexpr int64_t kDepth = 384;
// What a chunk reads again and again has to stay in the second cache, beside a block of weights.
constexpr int64_t kTileBytes = 192 * 1024;
constexpr int64_t kTileColumns = 1024;
// So few output channels go another way.
constexpr int64_t kFewRows = 2;
// Output channels of a chunk: their weights, kRows * kDepth, stay in the second cache.
constexpr int64_t kRows = 128;
// Columns that are copied side by side: with a block of K, kColumns * kDepth, they fill half of the second
// cache. Copying one costs as much as so many multiplications with it.
constexpr int64_t kColumns = 320, kCopyCost = 4;
// Cycles to store a row of outputs on its own.
constexpr double kRowStore = 16;
// Rows of the image that are pages apart cost so much more than copied ones.
constexpr double kFarRows = 1.1;
// Where the outputs are not neighbours loading and storing the sums costs more.
constexpr int64_t kScatteredDepth = 1024, kScatteredColumns = 128;
// The columns of the micro-kernel of AVX-512; fewer elsewhere.
constexpr int64_t kPanelColumns = 32;
// Output channels as lanes: turning and storing an output costs as much as so many multiplications, and fewer
// outputs beside each other wait for the adder.
constexpr double kTurnCost = 16;
constexpr int64_t kFewestPixels = 7;
// So that a block of K is deep: a panel of weights, two vectors * kLanesDepth, is in the second cache then.
constexpr int64_t kLanesDepth = 1536;
// The weight gradient: outputs whose packed gradient, one vector or two each, stays in the first cache.
constexpr int64_t kGradPositions = 512, kGradDepth = 256;
// So many chunks at least, where the parts of the sum may be cut freely, and not more memory than this.
constexpr int64_t kGradChunks = 32, kGradBytes = int64_t{64} << 20;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }

// One plane for each remainder of tap * dilation by stride, or one for each tap.
struct AxisPlan {
  int64_t period, step, reach;  // reach: how far the last tap reads past the output's own place
};
AxisPlan by_phase(const ConvAxis& axis) {
  const int64_t period = std::min(axis.taps, axis.stride / std::gcd(axis.stride, axis.dilation));
  // In a single use the product may be of numbers that the axis never multiplies.
  const int64_t step = period < axis.taps ? period * axis.dilation / axis.stride : 0;
  return {period, step, (axis.taps - 1) / period * step};
}
AxisPlan by_tap(const ConvAxis& axis) { return {axis.taps, 0, 0}; }

// Dilation far beyond a tile would copy what no tap reads.
bool too_far(const AxisPlan& plan, int64_t tile) { return plan.reach > 4 * tile + 64; }

// The zeros that end a row and those that begin the next may be the same.
int64_t shared_zeros(const ConvAxis& axis, const AxisPlan& plan, int64_t tile) {
  if (plan.period != 1 || tile != axis.out || axis.pad <= 0) return 0;
  const int64_t full = tile + plan.reach;
  const int64_t data_end = divide_up(axis.in + axis.pad, axis.stride);
  const int64_t zeros = std::min(divide_up(axis.pad, axis.stride), full - data_end);
  // Never so many that the outputs of two rows meet.
  return std::clamp<int64_t>(std::min(zeros, plan.reach), 0, kConvShared);
}

// Cycles of 16 multiplications for one channel and one row of outputs.
double compute_cost(int64_t width, int64_t taps, int64_t rows) {
  return static_cast<double>(width) * static_cast<double>(taps) * static_cast<double>(rows) / 16;
}
// Cycles to copy so many rows.
double copy_cost(int64_t rows, int64_t width, int64_t blocks) {
  return static_cast<double>(rows) * (static_cast<double>(width) / 4 + 8) * static_cast<double>(blocks);
}

void set_planes(ConvTiling* t, const AxisPlan& h, const AxisPlan& w, int64_t width) {
  t->period_h = h.period;
  t->period_w = w.period;
  t->step_h = h.step;
  t->step_w = w.step;
  t->width = width;
}

int64_t taps_of(const ConvImage& image) { return image.d.taps * image.h.taps * image.w.taps; }

void set_table(ConvImage* image, int64_t slots) {
  image->tiling.table_bytes = round_up(image->tiling.depth * taps_of(*image) * 8, 64);
  image->tiling.slots = slots;
}

// Every tap of every output of the axis reads inside the image.
bool inside(const ConvAxis& axis) {
  return axis.pad <= 0 && (axis.out - 1) * axis.stride + (axis.taps - 1) * axis.dilation < axis.in;
}

int64_t balanced(int64_t n, int64_t size) { return divide_up(n, divide_up(n, size)); }

// Columns that a tile computes for so many; a half panel is cheaper than a whole one.
int64_t computed(int64_t columns) { return round_up(columns, kPanelColumns / 2); }

// How the columns are cut when they are copied side by side: rows of outputs a tile, or whole images.
struct ColumnCut {
  int64_t tile_h, images;
  double cost;  // columns computed for each image
};
ColumnCut cut_columns(const ConvImage& image, int64_t most) {
  const int64_t plane = image.h.out * image.w.out;
  if (image.d.out == 1 && plane <= most / 2) {
    ColumnCut best{image.h.out, 1, static_cast<double>(computed(plane))};
    for (int64_t n = 2; n <= most / plane; ++n) {
      const double cost = static_cast<double>(computed(n * plane)) / static_cast<double>(n);
      if (cost < best.cost) best = {image.h.out, n, cost};
    }
    return best;
  }
  ColumnCut best{1, 1, 1e300};
  for (int64_t h = 1; h <= std::min(image.h.out, most / image.w.out); ++h) {
    const int64_t whole = image.h.out / h, rest = image.h.out % h;
    // A chunk more costs as much as a few columns.
    int64_t cost = whole * (computed(h * image.w.out) + 4);
    if (rest) cost += computed(rest * image.w.out) + 4;
    if (static_cast<double>(cost) <= best.cost) best = {h, 1, static_cast<double>(cost)};
  }
  return best;
}

}  // namespace

int64_t plan_tiling(ConvArgs* args, int64_t size, int64_t slots) {
  ConvImage& image = args->image;
  ConvTiling& t = image.tiling;
  const ConvAxis &d = image.d, &h = image.h, &w = image.w;
  const int64_t taps = taps_of(image);
  t.rows = balanced(image.rows, kRows);
  const bool scattered = args->y_at.w != 1;
  const int64_t depth = scattered ? kScatteredDepth : kDepth,
                columns = scattered ? kScatteredColumns : kColumns;
  t.depth = image.depth ? balanced(image.depth, std::max<int64_t>(1, depth / taps)) : 1;
  t.tile_w = balanced(w.out, kTileColumns);

  AxisPlan ph = by_phase(h), pw = by_phase(w);
  const AxisPlan tap = by_tap(w);
  if (too_far(pw, t.tile_w)) pw = tap;
  if (too_far(ph, 64)) ph = by_tap(h);
  const int64_t blocks = divide_up(image.rows, kRows);
  const int64_t phase_width = t.tile_w + pw.reach - shared_zeros(w, pw, t.tile_w);
  // Rows of outputs with a gap between them are stored one by one, once for each block of K.
  const double store =
      phase_width == w.out ? 0 : kRowStore * static_cast<double>(image.rows) / static_cast<double>(t.depth);
  const double phase = compute_cost(phase_width, taps, image.rows) + store +
                       copy_cost(d.taps * ph.period * pw.period, phase_width, blocks);
  const double by_taps =
      compute_cost(t.tile_w, taps, image.rows) + copy_cost(d.taps * ph.period * w.taps, t.tile_w, blocks);
  const bool in_place = d.stride == 1 && d.pad == 0 && inside(d) && h.stride == 1 && w.stride == 1 &&
                        h.pad == 0 && w.pad == 0 && h.out + (h.taps - 1) * h.dilation <= h.in &&
                        w.out + (w.taps - 1) * w.dilation <= w.in && (image.x.w == 1 || w.in == 1) &&
                        (h.out == 1 || image.x.h >= w.out);
  const int64_t place_width = h.out == 1 ? std::max<int64_t>(image.x.h, w.out) : image.x.h;
  const auto cut_rows = [&](int64_t planes, int64_t reach) {
    const int64_t row_bytes = t.depth * d.taps * planes * t.width * size;
    const int64_t fewest = std::min<int64_t>(4 + reach, 64);
    t.tile_h = balanced(h.out, std::max<int64_t>(fewest, kTileBytes / row_bytes - reach));
  };
  const auto read_in_place = [&] {
    t.period_h = t.period_w = t.step_h = t.step_w = t.plane = 0;
    t.width = place_width;
    cut_rows(1, std::min(h.taps, (h.taps - 1) * h.dilation));
  };
  const auto read_planes = [&](const AxisPlan& along, int64_t width) {
    set_planes(&t, ph, along, width);
    cut_rows(t.period_h * t.period_w, ph.reach);
  };
  // A plane for each tap is read once, so it fills the first cache with what others would share.
  if (in_place && compute_cost(place_width, taps, image.rows) <= std::min(phase, by_taps))
    read_in_place();
  else if (by_taps < 0.9 * phase)
    read_planes(tap, t.tile_w);
  else
    read_planes(pw, phase_width);
  // Columns as they lie, those between rows and past the end too, or copied side by side.
  t.images = t.columns = 0;
  t.lanes = false;
  if (image.rows > kFewRows && w.out <= columns) {
    const ColumnCut cut = cut_columns(image, columns);
    const double rows = static_cast<double>(t.rows);
    const int64_t tile = computed((t.tile_h - 1) * t.width + w.out);
    double as_they_lie =
        static_cast<double>(tile) * static_cast<double>(h.out) / static_cast<double>(t.tile_h);
    if (t.period_h == 0 && t.depth * taps >= 128) as_they_lie *= kFarRows;
    const double copied = cut.cost * (rows + kCopyCost) / rows;
    const int64_t deep = image.depth ? balanced(image.depth, std::max<int64_t>(1, kLanesDepth / taps)) : 1;
    const double outputs = static_cast<double>(h.out * w.out) *
                           static_cast<double>(round_up(t.rows, kPanelColumns / 2)) / rows *
                           (1 + kTurnCost / static_cast<double>(deep * taps));
    t.lanes = !scattered && w.out >= kFewestPixels && outputs < std::min(copied, as_they_lie);
    if (t.lanes) {
      t.depth = deep;
      in_place ? read_in_place() : read_planes(pw, phase_width);
    } else if (copied < as_they_lie) {
      t.images = std::min(cut.images, image.batch);
      t.tile_h = cut.tile_h;
      t.columns = round_up(t.images * t.tile_h * w.out, kConvLanes) + kConvLanes;
    }
  }
  if (t.period_h) t.plane = (t.tile_h + ph.reach) * t.width + kConvSlack;
  set_table(&image, slots);
  const int64_t packed_rows = t.rows + (t.lanes ? kConvTile : 0);
  t.shared_bytes = round_up(
      image.groups * divide_up(image.rows, t.rows) * (packed_rows * image.depth * taps + kConvSlack) * size,
      64);
  const int64_t planes = round_up(t.depth * d.taps * t.period_h * t.period_w * t.plane, kConvLanes);
  t.slot_bytes = round_up((planes + t.depth * taps * t.columns + (t.columns ? kConvSlack : 0)) * size, 64);
  return t.table_bytes + t.shared_bytes + slots * t.slot_bytes;
}

int64_t plan_tiling(ConvWeightGradArgs* args, int64_t size, int64_t slots) {
  ConvImage& image = args->image;
  ConvTiling& t = image.tiling;
  const ConvAxis &d = image.d, &h = image.h, &w = image.w;
  const int64_t taps = taps_of(image);
  t.rows = image.rows <= kConvPanel ? image.rows : kConvPanel;
  t.depth = balanced(image.depth, std::max<int64_t>(1, kGradDepth / taps));
  t.tile_w = balanced(w.out, kGradPositions);
  t.tile_h = balanced(h.out, std::max<int64_t>(1, kGradPositions / t.tile_w));
  int64_t planes = 0;
  const bool in_place = inside(d) && inside(h) && inside(w);
  if (in_place) {
    t.period_h = t.period_w = t.step_h = t.step_w = t.plane = t.width = 0;
  } else {
    AxisPlan ph = by_phase(h), pw = by_phase(w);
    if (too_far(pw, t.tile_w)) pw = by_tap(w);
    if (too_far(ph, t.tile_h)) ph = by_tap(h);
    set_planes(&t, ph, pw, t.tile_w + pw.reach - shared_zeros(w, pw, t.tile_w));
    t.plane = (t.tile_h + ph.reach) * t.width + kConvSlack;
    planes = t.depth * d.taps * t.period_h * t.period_w * t.plane;
  }
  set_table(&image, slots);
  const int64_t tiles = image.groups * divide_up(image.depth, t.depth) * divide_up(image.rows, t.rows);
  const int64_t sum = image.groups * image.depth * taps * (image.rows + kConvTile);
  const int64_t most =
      std::min(divide_up(kGradChunks, tiles), std::max<int64_t>(1, kGradBytes / (sum * size)));
  args->images = divide_up(image.batch, std::clamp<int64_t>(most, 1, image.batch));
  args->parts = divide_up(image.batch, args->images);
  // Small images one after the other in one block of K.
  t.images = 1;
  if (t.tile_h == h.out && t.tile_w == w.out && d.out == 1)
    t.images = std::clamp<int64_t>(kGradPositions / (h.out * w.out), 1, args->images);
  planes = round_up(planes, kConvLanes);
  t.shared_bytes = round_up(args->parts * sum * size, 64);
  t.slot_bytes =
      round_up(t.images * (planes + t.tile_h * t.tile_w * kConvTile) * size + kConvSlack * size, 64);
  return t.table_bytes + t.shared_bytes + slots * t.slot_bytes;
}

}  // namespace markone
