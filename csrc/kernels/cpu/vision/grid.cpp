// Sampling at the places of a grid and its gradients: the taps of a block of places once, then channel after
// channel.
#include "kernels/common/grid.h"

#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

constexpr int64_t kGridBlock = 64;     // places
constexpr int64_t kGridTask = 4;       // blocks
constexpr int64_t kGridChannels = 32;  // whose gradients one task takes, at most
constexpr int64_t kGridTasks = 16;     // as many are wanted

// x[at[i]] for a vector of i; 0 where at[i] is negative.
#if defined(MARKONE_ISA_avx512)
MO_INLINE VecF gather(const float* x, const int32_t* at) {
  const __m512i i = _mm512_loadu_si512(at);
  return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), _mm512_cmpge_epi32_mask(i, _mm512_setzero_si512()), i,
                                  x, 4);
}
MO_INLINE VecD gather(const double* x, const int32_t* at) {
  const __m256i i = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  return _mm512_mask_i32gather_pd(_mm512_setzero_pd(), _mm256_cmpge_epi32_mask(i, _mm256_setzero_si256()), i,
                                  x, 8);
}
#elif defined(MARKONE_ISA_avx2)
MO_INLINE VecF gather(const float* x, const int32_t* at) {
  const __m256i i = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  const __m256i wanted = _mm256_xor_si256(i, _mm256_set1_epi32(-1));
  return _mm256_mask_i32gather_ps(_mm256_setzero_ps(), x, i, _mm256_castsi256_ps(wanted), 4);
}
MO_INLINE VecD gather(const double* x, const int32_t* at) {
  const __m128i i = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const __m256i wanted = _mm256_cvtepi32_epi64(_mm_xor_si128(i, _mm_set1_epi32(-1)));
  return _mm256_mask_i32gather_pd(_mm256_setzero_pd(), x, i, _mm256_castsi256_pd(wanted), 8);
}
#else
template <class T>
MO_INLINE Vec<T> gather(const T* x, const int32_t* at) {
  T found[Vec<T>::kLanes];
  for (int i = 0; i < Vec<T>::kLanes; ++i) found[i] = at[i] < 0 ? T(0) : x[at[i]];
  return Vec<T>::load(found);
}
#endif

// The taps of up to kGridBlock places of one image, tap by tap. Outside the image: element -1, weight 0.
template <class T, int kTaps, bool kSlopes>
struct GridTapBlock {
  int32_t at[kTaps][kGridBlock];
  T weight[kTaps][kGridBlock];
  T slope[kSlopes ? 3 : 1][kTaps][kGridBlock];

  // The two taps of a dimension, as grid_axis gives them for bilinear sampling that pads with zeros.
  struct Pair {
    int32_t at[2];
    T weight[2];
  };
  static MO_INLINE Pair pair(const GridSampleArgs& a, int64_t size_, T coordinate) {
    const auto size = static_cast<int32_t>(size_);
    const T x = a.align_corners ? (coordinate + 1) / 2 * static_cast<T>(size - 1)
                                : ((coordinate + 1) * static_cast<T>(size) - 1) / 2;
    const T low = sizeof(T) == 4 ? static_cast<T>(__builtin_floorf(static_cast<float>(x)))
                                 : static_cast<T>(__builtin_floor(static_cast<double>(x)));
    T start = low > T(-2) ? low : T(-2);  // NaN too: both taps lie outside
    start = start < static_cast<T>(size) ? start : static_cast<T>(size);
    const auto i = static_cast<int32_t>(start);
    const T part = x - low;
    return {{i >= 0 && i < size ? i : -1, i >= -1 && i < size - 1 ? i + 1 : -1}, {1 - part, part}};
  }
  // No branches: the compiler makes vectors of it.
  void fill_pairs(const GridSampleArgs& a, const T* grid, int64_t n) {
    const auto width = static_cast<int32_t>(a.size[2]);
    const T by_x = static_cast<T>(a.align_corners ? a.size[2] - 1 : a.size[2]) / 2;
    const T by_y = static_cast<T>(a.align_corners ? a.size[1] - 1 : a.size[1]) / 2;
    for (int64_t p = 0; p < n; ++p) {
      const Pair c = pair(a, a.size[2], grid[2 * p]), r = pair(a, a.size[1], grid[2 * p + 1]);
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        const bool in = r.at[k / 2] >= 0 && c.at[k % 2] >= 0;
        at[k][p] = in ? r.at[k / 2] * width + c.at[k % 2] : -1;
        weight[k][p] = in ? r.weight[k / 2] * c.weight[k % 2] : T(0);
        if constexpr (kSlopes) {
          slope[0][k][p] = in ? r.weight[k / 2] * (k % 2 ? by_x : -by_x) : T(0);
          slope[1][k][p] = in ? (k / 2 ? by_y : -by_y) * c.weight[k % 2] : T(0);
          slope[2][k][p] = 0;
        }
      }
    }
  }
  void fill(const GridSampleArgs& a, int64_t image, int64_t first, int64_t n) {
    const T* grid = static_cast<const T*>(a.grid) + (image * a.places + first) * a.dims;
    if constexpr (kTaps == 4) {
      if (a.padding == kGridZeros) {
        fill_pairs(a, grid, n);
        return fill_rest(n);
      }
    }
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
            if constexpr (kSlopes) {
              slope[0][tap][p] = in ? d.weight[i] * r.weight[j] * c.slope[k] : T(0);
              slope[1][tap][p] = in ? d.weight[i] * r.slope[j] * c.weight[k] : T(0);
              slope[2][tap][p] = in ? d.slope[i] * r.weight[j] * c.weight[k] : T(0);
            }
          }
    }
    fill_rest(n);
  }
  void fill_rest(int64_t n) {
    for (int tap = 0; tap < kTaps; ++tap) {
      for (int64_t p = n; p < kGridBlock; ++p) {
        at[tap][p] = -1;
        weight[tap][p] = 0;
        for (auto& by : slope) by[tap][p] = 0;
      }
    }
  }
};

struct GridContext {
  const GridSampleArgs* a;
  int64_t blocks, per_task;  // of an image
};

template <class T, int kTaps>
struct GridKernels {
  using V = Vec<T>;

  static void sample(const GridTapBlock<T, kTaps, false>& taps, const T* x, int64_t n, T* y) {
    for (int64_t p = 0; p < n; p += V::kLanes) {
      V total(0);
#pragma GCC unroll 16
      for (int k = 0; k < kTaps; ++k) total = total + V::load(&taps.weight[k][p]) * gather(x, &taps.at[k][p]);
      n - p < V::kLanes ? total.store(y + p, n - p) : total.store(y + p);
    }
  }
  static void forward_task(void* context, int64_t task, int) {
    const auto& c = *static_cast<const GridContext*>(context);
    const GridSampleArgs& a = *c.a;
    const int64_t tasks = (c.blocks + c.per_task - 1) / c.per_task, image = task / tasks;
    const int64_t last =
        (task % tasks + 1) * c.per_task < c.blocks ? (task % tasks + 1) * c.per_task : c.blocks;
    GridTapBlock<T, kTaps, false> taps;
    for (int64_t block = task % tasks * c.per_task; block < last; ++block) {
      const int64_t first = block * kGridBlock,
                    n = a.places - first < kGridBlock ? a.places - first : kGridBlock;
      taps.fill(a, image, first, n);
      for (int64_t k = image * a.channels; k < (image + 1) * a.channels; ++k) {
        const T* x = static_cast<const T*>(a.x) + k * image_size(a);
        T* y = static_cast<T*>(a.out) + k * a.places + first;
        sample(taps, x, n, y);
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
    GridTapBlock<T, kTaps, false> taps;
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

  static void slopes(const GridTapBlock<T, kTaps, true>& taps, int64_t dims, const T* x, const T* g,
                     int64_t n, T (*total)[kGridBlock]) {
    for (int64_t p = 0; p < n; p += V::kLanes) {
      V value[kTaps];
#pragma GCC unroll 16
      for (int k = 0; k < kTaps; ++k) value[k] = gather(x, &taps.at[k][p]);
      const V up = n - p < V::kLanes ? V::load(g + p, n - p) : V::load(g + p);
      for (int64_t d = 0; d < dims; ++d) {
        V sum(0);
#pragma GCC unroll 16
        for (int k = 0; k < kTaps; ++k) sum = sum + V::load(&taps.slope[d][k][p]) * value[k];
        (V::load(total[d] + p) + up * sum).store(total[d] + p);
      }
    }
  }
  static void grid_task(void* context, int64_t task, int) {
    const auto& c = *static_cast<const GridContext*>(context);
    const GridSampleArgs& a = *c.a;
    const int64_t tasks = (c.blocks + c.per_task - 1) / c.per_task, image = task / tasks;
    const int64_t last =
        (task % tasks + 1) * c.per_task < c.blocks ? (task % tasks + 1) * c.per_task : c.blocks;
    GridTapBlock<T, kTaps, true> taps;
    for (int64_t block = task % tasks * c.per_task; block < last; ++block) {
      const int64_t first = block * kGridBlock,
                    n = a.places - first < kGridBlock ? a.places - first : kGridBlock;
      taps.fill(a, image, first, n);
      T total[3][kGridBlock] = {};
      for (int64_t k = image * a.channels; k < (image + 1) * a.channels; ++k) {
        const T* x = static_cast<const T*>(a.x) + k * image_size(a);
        const T* g = static_cast<const T*>(a.g) + k * a.places + first;
        slopes(taps, a.dims, x, g, n, total);
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
