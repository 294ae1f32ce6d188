// Sampling at a place of a grid: the taps of each dimension with their weights and slopes, and one place of
// the forward and of both gradients. T is the element type, A that of sums. Internal to the file that
// includes it.
#pragma once
#include <math.h>
#include <stdint.h>

#include "contract/vision.h"

#ifndef MO_SHARED  // CUDA's are for the device too
#define MO_SHARED
#endif
#ifndef MO_ISA_BEGIN
#define MO_ISA_BEGIN               \
  namespace markone::MARKONE_ISA { \
  namespace {
#define MO_ISA_END \
  }                \
  }
#endif

MO_ISA_BEGIN

// One dimension of a place: which elements (-1: outside, reads zero), weights, and the weights' derivatives
// by the grid's coordinate.
template <class A>
struct GridAxis {
  int count;
  int64_t at[4];
  A weight[4], slope[4];
};

// Mirrors x between low / 2 and high / 2; multiplies *slope by the derivative.
template <class A>
MO_SHARED A mirrored(A x, int64_t low, int64_t high, A* slope) {
  if (low == high) {
    *slope = 0;
    return 0;
  }
  const A start = static_cast<A>(low) / 2, span = static_cast<A>(high - low) / 2;
  x -= start;
  if (x < 0) {
    *slope = -*slope;
    x = -x;
  }
  const A turns = static_cast<A>(::floor(static_cast<double>(x / span)));
  const A rest = static_cast<A>(::fmod(static_cast<double>(x), static_cast<double>(span)));
  if (::fmod(static_cast<double>(turns), 2.0) == 0) return rest + start;
  *slope = -*slope;
  return span - rest + start;
}

// The place with its padding rule applied, for modes that apply it to places (bicubic: to each tap).
template <class A>
MO_SHARED A padded(A x, int64_t size, int64_t padding, bool align_corners, A* slope) {
  if (padding == kGridZeros) return x;
  if (padding == kGridReflection)
    x = align_corners ? mirrored(x, int64_t{0}, 2 * (size - 1), slope)
                      : mirrored(x, int64_t{-1}, 2 * size - 1, slope);
  const A last = static_cast<A>(size - 1);
  if (!(x > 0)) {  // NaN too
    *slope = 0;
    return 0;
  }
  if (x >= last) {
    *slope = 0;
    return last;
  }
  return x;
}

// A whole place far outside every array where x has none.
template <class A>
MO_SHARED int64_t whole(A x) {
  return x > -1e9 && x < 1e9 ? static_cast<int64_t>(x) : -1000000000;
}

template <class A>
MO_SHARED void cubic_weights(A t, A* weight, A* slope) {
  // Keys' kernel with a = -0.75 at distances 1 + t, t, 1 - t, 2 - t, and its derivative by t.
  const A a = A(-0.75);
  const A far0 = 1 + t, far3 = 2 - t, near2 = 1 - t;
  weight[0] = ((a * far0 - 5 * a) * far0 + 8 * a) * far0 - 4 * a;
  weight[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
  weight[2] = ((a + 2) * near2 - (a + 3)) * near2 * near2 + 1;
  weight[3] = ((a * far3 - 5 * a) * far3 + 8 * a) * far3 - 4 * a;
  slope[0] = (3 * a * far0 - 10 * a) * far0 + 8 * a;
  slope[1] = (3 * (a + 2) * t - 2 * (a + 3)) * t;
  slope[2] = -(3 * (a + 2) * near2 - 2 * (a + 3)) * near2;
  slope[3] = -((3 * a * far3 - 10 * a) * far3 + 8 * a);
}

template <class A>
MO_SHARED GridAxis<A> grid_axis(const GridSampleArgs& a, int64_t size, A coordinate) {
  GridAxis<A> axis;
  A slope = static_cast<A>(a.align_corners ? size - 1 : size) / 2;
  A x = a.align_corners ? (coordinate + 1) / 2 * static_cast<A>(size - 1)
                        : ((coordinate + 1) * static_cast<A>(size) - 1) / 2;
  const auto inside = [size](int64_t i) { return i >= 0 && i < size ? i : int64_t{-1}; };
  if (a.mode == kGridBicubic) {
    const A low = static_cast<A>(::floor(static_cast<double>(x)));
    axis.count = 4;
    cubic_weights(x - low, axis.weight, axis.slope);
    for (int k = 0; k < 4; ++k) {
      A unused = 1;
      axis.slope[k] *= slope;
      axis.at[k] =
          inside(whole(padded(low + static_cast<A>(k - 1), size, a.padding, a.align_corners, &unused)));
    }
    return axis;
  }
  x = padded(x, size, a.padding, a.align_corners, &slope);
  if (a.mode == kGridNearest) {
    axis.count = 1;
    axis.at[0] = inside(whole(static_cast<A>(::nearbyint(static_cast<double>(x)))));
    axis.weight[0] = 1;
    axis.slope[0] = 0;
    return axis;
  }
  const A low = static_cast<A>(::floor(static_cast<double>(x)));
  const int64_t first = whole(low);
  axis.count = 2;
  axis.at[0] = inside(first);
  axis.at[1] = inside(first + 1);
  axis.weight[1] = x - low;
  axis.weight[0] = 1 - axis.weight[1];
  axis.slope[1] = slope;
  axis.slope[0] = -slope;
  return axis;
}

// All taps of one place: the flat element, its weight, and the weight's derivatives by x, y, z.
template <class A>
struct GridTaps {
  int count = 0;
  int64_t at[16];
  A weight[16], slope[3][16];

  template <class T>
  MO_SHARED static GridTaps of(const GridSampleArgs& a, const T* coordinates) {
    GridTaps taps;
    const GridAxis<A> c = grid_axis<A>(a, a.size[2], coordinates[0]);
    const GridAxis<A> r = grid_axis<A>(a, a.size[1], coordinates[1]);
    GridAxis<A> d{1, {0}, {1}, {0}};
    if (a.dims == 3) d = grid_axis<A>(a, a.size[0], coordinates[2]);
    for (int i = 0; i < d.count; ++i)
      for (int j = 0; j < r.count; ++j)
        for (int k = 0; k < c.count; ++k) {
          if (d.at[i] < 0 || r.at[j] < 0 || c.at[k] < 0) continue;
          const int n = taps.count++;
          taps.at[n] = (d.at[i] * a.size[1] + r.at[j]) * a.size[2] + c.at[k];
          taps.weight[n] = d.weight[i] * r.weight[j] * c.weight[k];
          taps.slope[0][n] = d.weight[i] * r.weight[j] * c.slope[k];
          taps.slope[1][n] = d.weight[i] * r.slope[j] * c.weight[k];
          taps.slope[2][n] = d.slope[i] * r.weight[j] * c.weight[k];
        }
    return taps;
  }
};

MO_SHARED inline int64_t image_size(const GridSampleArgs& a) { return a.size[0] * a.size[1] * a.size[2]; }

// y of place `p` of the whole batch, in every channel.
template <class T, class A>
MO_SHARED void sample_place(const GridSampleArgs& a, int64_t p) {
  const GridTaps<A> taps = GridTaps<A>::of(a, static_cast<const T*>(a.grid) + p * a.dims);
  const int64_t image = p / a.places * a.channels;
  for (int64_t c = 0; c < a.channels; ++c) {
    const T* x = static_cast<const T*>(a.x) + (image + c) * image_size(a);
    A total = 0;
    for (int k = 0; k < taps.count; ++k) total += taps.weight[k] * x[taps.at[k]];
    static_cast<T*>(a.out)[(image + c) * a.places + p % a.places] = static_cast<T>(total);
  }
}

// The gradient of x in one channel of one image.
template <class T, class A>
MO_SHARED void spread_plane(const GridSampleArgs& a, int64_t plane) {
  T* dx = static_cast<T*>(a.out) + plane * image_size(a);
  for (int64_t i = 0; i < image_size(a); ++i) dx[i] = 0;
  const T* grid = static_cast<const T*>(a.grid) + plane / a.channels * a.places * a.dims;
  const T* g = static_cast<const T*>(a.g) + plane * a.places;
  for (int64_t p = 0; p < a.places; ++p) {
    const GridTaps<A> taps = GridTaps<A>::of(a, grid + p * a.dims);
    for (int k = 0; k < taps.count; ++k)
      dx[taps.at[k]] = static_cast<T>(dx[taps.at[k]] + taps.weight[k] * g[p]);
  }
}

// The gradient of the grid at place `p` of the whole batch.
template <class T, class A>
MO_SHARED void grid_gradient(const GridSampleArgs& a, int64_t p) {
  const GridTaps<A> taps = GridTaps<A>::of(a, static_cast<const T*>(a.grid) + p * a.dims);
  const int64_t image = p / a.places * a.channels;
  A total[3] = {0, 0, 0};
  for (int64_t c = 0; c < a.channels; ++c) {
    const T* x = static_cast<const T*>(a.x) + (image + c) * image_size(a);
    const A g = static_cast<const T*>(a.g)[(image + c) * a.places + p % a.places];
    for (int64_t d = 0; d < a.dims; ++d) {
      A sum = 0;
      for (int k = 0; k < taps.count; ++k) sum += taps.slope[d][k] * x[taps.at[k]];
      total[d] += g * sum;
    }
  }
  for (int64_t d = 0; d < a.dims; ++d) static_cast<T*>(a.out)[p * a.dims + d] = static_cast<T>(total[d]);
}

MO_ISA_END
