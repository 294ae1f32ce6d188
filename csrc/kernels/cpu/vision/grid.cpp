// Sampling at the places of a grid and its gradients: the taps of a block of places once, then channel after
// channel.
#include "kernels/common/grid.h"

#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

constexpr int64_t kGridBlock = 64;     // places
constexpr int64_t kGridTask = 4;       // blocks
constexpr int64_t kGridChannels = 32;  // whose gradients one task takes, at most
constexpr int64_t kGridTasks = 16;     // as many are wanted

// The taps of up to kGridBlock places of one image, tap by tap. Outside the image: element -1, weight 0.
template <class T, bool kSlopes>
struct GridTapBlock {
  int32_t at[16][kGridBlock];
  T weight[16][kGridBlock];
  T slope[kSlopes ? 3 : 1][16][kGridBlock];
  bool inside;  // all of them

  void fill(const GridSampleArgs& a, int64_t image, int64_t first, int64_t n) {
    const T* grid = static_cast<const T*>(a.grid) + (image * a.places + first) * a.dims;
    inside = true;
    for (int64_t p = 0; p < n; ++p, grid += a.dims) {
      const GridAxis<T> c = grid_axis<T>(a, a.size[2], grid[0]);
      const GridAxis<T> r = grid_axis<T>(a, a.size[1], grid[1]);
      GridAxis<T> d{1, {0}, {1}, {0}};
      if (a.dims == 3) d = grid_axis<T>(a, a.size[0], grid[2]);
      int tap = 0;
      for (int i = 0; i < d.count; ++i)
        for (int j = 0; j < r.count; ++j)
          for (int k = 0; k < c.count; ++k, ++tap) {
            const bool in = d.at[i] >= 0 && r.at[j] >= 0 && c.at[k] >= 0;
            const int64_t element = (d.at[i] * a.size[1] + r.at[j]) * a.size[2] + c.at[k];
            at[tap][p] = in ? static_cast<int32_t>(element) : -1;
            weight[tap][p] = in ? d.weight[i] * r.weight[j] * c.weight[k] : T(0);
            inside &= in;
            if constexpr (kSlopes) {
              slope[0][tap][p] = in ? d.weight[i] * r.weight[j] * c.slope[k] : T(0);
              slope[1][tap][p] = in ? d.weight[i] * r.slope[j] * c.weight[k] : T(0);
              slope[2][tap][p] = in ? d.slope[i] * r.weight[j] * c.weight[k] : T(0);
            }
          }
    }
  }
  template <bool kInside>
  MO_INLINE T value(const T* x, int tap, int64_t p) const {
    const int32_t i = at[tap][p];
    if constexpr (kInside) return x[i];
    const T v = x[i < 0 ? 0 : i];  // loaded in any case: a branch would be guessed wrong
    return i < 0 ? T(0) : v;
  }
};

struct GridContext {
  const GridSampleArgs* a;
  int64_t blocks, per_task;  // of an image
};

template <class T, int kTaps>
struct GridKernels {
  template <bool kInside>
  static void sample(const GridTapBlock<T, false>& taps, const T* x, int64_t n, T* y) {
    for (int64_t p = 0; p < n; ++p) {
      T total = 0;
#pragma GCC unroll 16
      for (int k = 0; k < kTaps; ++k) total += taps.weight[k][p] * taps.template value<kInside>(x, k, p);
      y[p] = total;
    }
  }
  static void forward_task(void* context, int64_t task, int) {
    const auto& c = *static_cast<const GridContext*>(context);
    const GridSampleArgs& a = *c.a;
    const int64_t tasks = (c.blocks + c.per_task - 1) / c.per_task, image = task / tasks;
    const int64_t last =
        (task % tasks + 1) * c.per_task < c.blocks ? (task % tasks + 1) * c.per_task : c.blocks;
    GridTapBlock<T, false> taps;
    for (int64_t block = task % tasks * c.per_task; block < last; ++block) {
      const int64_t first = block * kGridBlock,
                    n = a.places - first < kGridBlock ? a.places - first : kGridBlock;
      taps.fill(a, image, first, n);
      for (int64_t k = image * a.channels; k < (image + 1) * a.channels; ++k) {
        const T* x = static_cast<const T*>(a.x) + k * image_size(a);
        T* y = static_cast<T*>(a.out) + k * a.places + first;
        taps.inside ? sample<true>(taps, x, n, y) : sample<false>(taps, x, n, y);
      }
    }
  }

  // The gradient of x in some channels of one image. Every plane adds its places in order.
  static void input_task(void* context, int64_t task, int) {
    const auto& c = *static_cast<const GridContext*>(context);
    const GridSampleArgs& a = *c.a;
    const int64_t groups = (a.channels + c.per_task - 1) / c.per_task, image = task / groups;
    const int64_t from = image * a.channels + task % groups * c.per_task;
    const int64_t end = (image + 1) * a.channels, to = from + c.per_task < end ? from + c.per_task : end;
    T* dx = static_cast<T*>(a.out);
    for (int64_t i = from * image_size(a); i < to * image_size(a); ++i) dx[i] = 0;
    GridTapBlock<T, false> taps;
    for (int64_t block = 0; block < c.blocks; ++block) {
      const int64_t first = block * kGridBlock,
                    n = a.places - first < kGridBlock ? a.places - first : kGridBlock;
      taps.fill(a, image, first, n);
      for (int64_t k = from; k < to; ++k) {
        T* plane = dx + k * image_size(a);
        const T* g = static_cast<const T*>(a.g) + k * a.places + first;
        for (int64_t p = 0; p < n; ++p) {
#pragma GCC unroll 16
          for (int i = 0; i < kTaps; ++i) {
            const int32_t at = taps.at[i][p];
            if (at >= 0) plane[at] += taps.weight[i][p] * g[p];
          }
        }
      }
    }
  }

  template <bool kInside>
  static void slopes(const GridTapBlock<T, true>& taps, int64_t dims, const T* x, const T* g, int64_t n,
                     T (*total)[kGridBlock]) {
    for (int64_t p = 0; p < n; ++p) {
      T value[kTaps], sum[3] = {0, 0, 0};
#pragma GCC unroll 16
      for (int k = 0; k < kTaps; ++k) {
        value[k] = taps.template value<kInside>(x, k, p);
        sum[0] += taps.slope[0][k][p] * value[k];
        sum[1] += taps.slope[1][k][p] * value[k];
      }
      total[0][p] += g[p] * sum[0];
      total[1][p] += g[p] * sum[1];
      if (dims == 2) continue;
#pragma GCC unroll 16
      for (int k = 0; k < kTaps; ++k) sum[2] += taps.slope[2][k][p] * value[k];
      total[2][p] += g[p] * sum[2];
    }
  }
  static void grid_task(void* context, int64_t task, int) {
    const auto& c = *static_cast<const GridContext*>(context);
    const GridSampleArgs& a = *c.a;
    const int64_t tasks = (c.blocks + c.per_task - 1) / c.per_task, image = task / tasks;
    const int64_t last =
        (task % tasks + 1) * c.per_task < c.blocks ? (task % tasks + 1) * c.per_task : c.blocks;
    GridTapBlock<T, true> taps;
    for (int64_t block = task % tasks * c.per_task; block < last; ++block) {
      const int64_t first = block * kGridBlock,
                    n = a.places - first < kGridBlock ? a.places - first : kGridBlock;
      taps.fill(a, image, first, n);
      T total[3][kGridBlock] = {};
      for (int64_t k = image * a.channels; k < (image + 1) * a.channels; ++k) {
        const T* x = static_cast<const T*>(a.x) + k * image_size(a);
        const T* g = static_cast<const T*>(a.g) + k * a.places + first;
        taps.inside ? slopes<true>(taps, a.dims, x, g, n, total)
                    : slopes<false>(taps, a.dims, x, g, n, total);
      }
      T* out = static_cast<T*>(a.out) + (image * a.places + first) * a.dims;
      for (int64_t p = 0; p < n; ++p)
        for (int64_t d = 0; d < a.dims; ++d) out[p * a.dims + d] = total[d][p];
    }
  }
};

enum GridKind { kGridForward, kGridInput, kGridSlope };

template <class T, int kTaps, GridKind kKind>
void grid_run(const GridSampleArgs* a, const Run* run) {
  using K = GridKernels<T, kTaps>;
  GridContext c{a, (a->places + kGridBlock - 1) / kGridBlock, kGridTask};
  if constexpr (kKind == kGridInput) {
    const int64_t share = a->batch * a->channels / kGridTasks;
    c.per_task = share < 1 ? 1 : share < kGridChannels ? share : kGridChannels;
    run->parallel(run, a->batch * ((a->channels + c.per_task - 1) / c.per_task), K::input_task, &c);
  } else {
    run->parallel(run, a->batch * ((c.blocks + c.per_task - 1) / c.per_task),
                  kKind == kGridForward ? K::forward_task : K::grid_task, &c);
  }
}

// An image whose elements int32 does not count, or without any: place after place.
template <class T, GridKind kKind>
void grid_large(const GridSampleArgs* a) {
  if constexpr (kKind == kGridInput) {
    for (int64_t plane = 0; plane < a->batch * a->channels; ++plane) spread_plane<T, T>(*a, plane);
  } else {
    for (int64_t p = 0; p < a->batch * a->places; ++p)
      kKind == kGridForward ? sample_place<T, T>(*a, p) : grid_gradient<T, T>(*a, p);
  }
}

template <class T, GridKind kKind>
void grid(const GridSampleArgs* a, const Run* run) {
  if (image_size(*a) > INT32_MAX || image_size(*a) == 0) return grid_large<T, kKind>(a);
  if (a->mode == kGridNearest) return grid_run<T, 1, kKind>(a, run);
  if (a->mode == kGridBicubic) return grid_run<T, 16, kKind>(a, run);
  a->dims == 2 ? grid_run<T, 4, kKind>(a, run) : grid_run<T, 8, kKind>(a, run);
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_grid(VisionKernels* table) {
#define MO_GRID(type, T, suffix)                                                                \
  table->grid_sample[type] = {grid<T, kGridForward>, MO_KERNEL_NAME("grid_sample_" suffix)};    \
  table->grid_sample_input_grad[type] = {grid<T, kGridInput>,                                   \
                                         MO_KERNEL_NAME("grid_sample_input_grad_" suffix)};     \
  table->grid_sample_grid_grad[type] = {grid<T, kGridSlope>, MO_KERNEL_NAME("grid_sample_grid_" \
                                                                            "grad_" suffix)};
  MO_GRID(kF32, float, "f32")
  MO_GRID(kF64, double, "f64")
#undef MO_GRID
}

}  // namespace markone::MARKONE_ISA
