// Winograd's minimal filtering for 3x3 taps at stride 1 (Lavin and Gray 2016, "Fast Algorithms for
// Convolutional Neural Networks"): a tile of kOut x kOut outputs is A' [(G w G') * (B' x B)] A, with
// (kOut + 2)^2 products in the place of 9 kOut^2, and summed over channels the products are so many matrix
// products. Channels lie side by side in the lanes, so that a transform is the same few sums in every lane.
#pragma once
#include "contract/conv.h"
#include "kernels/cpu/gemm/pack.h"
#include "kernels/cpu/gemm/planes.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

// The one-dimensional transforms. F(2, 3) interpolates at 0, 1, -1 and infinity; F(4, 3) at 0, a, -a, b, -b
// and infinity with a = 3/4 and b = 3/2, whose powers are exact and whose error is a third of that of 1 and 2
// (the choice of points: Barabasz, Anderson, Soodhalter and Gregg 2020, "Error Analysis and Improving the
// Accuracy of Winograd Convolution for Deep Neural Networks").
template <int kOut>
struct Winograd;

template <>
struct Winograd<2> {
  // B' d
  template <class V>
  static MO_INLINE void input(const V (&d)[4], V (&t)[4]) {
    t[0] = d[0] - d[2];
    t[1] = d[1] + d[2];
    t[2] = d[2] - d[1];
    t[3] = d[1] - d[3];
  }
  // G g
  template <class V>
  static MO_INLINE void weight(const V (&g)[3], V (&t)[4]) {
    const V even = V(0.5) * (g[0] + g[2]);
    t[0] = g[0];
    t[1] = fma(V(0.5), g[1], even);
    t[2] = fma(V(-0.5), g[1], even);
    t[3] = g[2];
  }
  // A' m
  template <class V>
  static MO_INLINE void output(const V (&m)[4], V (&y)[2]) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
  }
  // A y and G' u: the gradient goes the other way.
  template <class V>
  static MO_INLINE void output_back(const V (&y)[2], V (&m)[4]) {
    m[0] = y[0];
    m[1] = y[0] + y[1];
    m[2] = y[0] - y[1];
    m[3] = -y[1];
  }
  template <class V>
  static MO_INLINE void weight_back(const V (&u)[4], V (&g)[3]) {
    const V sum = u[1] + u[2];
    g[0] = fma(V(0.5), sum, u[0]);
    g[1] = V(0.5) * (u[1] - u[2]);
    g[2] = fma(V(0.5), sum, u[3]);
  }
};

template <>
struct Winograd<4> {
  static constexpr double kA = 0.75, kB = 1.5, kA2 = kA * kA, kB2 = kB * kB;
  static constexpr double kNormA = 1 / (2 * kA2 * (kA2 - kB2)), kNormB = 1 / (2 * kB2 * (kB2 - kA2));
  template <class V>
  static MO_INLINE void input(const V (&d)[6], V (&t)[6]) {
    const V even1 = fma(V(-kB2), d[2], d[4]), odd1 = fma(V(-kB2), d[1], d[3]);
    const V even2 = fma(V(-kA2), d[2], d[4]), odd2 = fma(V(-kA2), d[1], d[3]);
    t[0] = fma(V(kA2 * kB2), d[0], fma(V(-kA2 - kB2), d[2], d[4]));
    t[1] = fma(V(kA), odd1, even1);
    t[2] = fma(V(-kA), odd1, even1);
    t[3] = fma(V(kB), odd2, even2);
    t[4] = fma(V(-kB), odd2, even2);
    t[5] = fma(V(kA2 * kB2), d[1], fma(V(-kA2 - kB2), d[3], d[5]));
  }
  template <class V>
  static MO_INLINE void weight(const V (&g)[3], V (&t)[6]) {
    const V even1 = fma(V(kNormA * kA2), g[2], V(kNormA) * g[0]);
    const V even2 = fma(V(kNormB * kB2), g[2], V(kNormB) * g[0]);
    t[0] = V(1 / (kA2 * kB2)) * g[0];
    t[1] = fma(V(kNormA * kA), g[1], even1);
    t[2] = fma(V(-kNormA * kA), g[1], even1);
    t[3] = fma(V(kNormB * kB), g[1], even2);
    t[4] = fma(V(-kNormB * kB), g[1], even2);
    t[5] = g[2];
  }
  template <class V>
  static MO_INLINE void output(const V (&m)[6], V (&y)[4]) {
    const V s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
    y[0] = m[0] + s1 + s2;
    y[1] = fma(V(kA), d1, V(kB) * d2);
    y[2] = fma(V(kA2), s1, V(kB2) * s2);
    y[3] = fma(V(kA * kA2), d1, fma(V(kB * kB2), d2, m[5]));
  }
  template <class V>
  static MO_INLINE void output_back(const V (&y)[4], V (&m)[6]) {
    const V even1 = fma(V(kA2), y[2], y[0]), odd1 = fma(V(kA2), y[3], y[1]);
    const V even2 = fma(V(kB2), y[2], y[0]), odd2 = fma(V(kB2), y[3], y[1]);
    m[0] = y[0];
    m[1] = fma(V(kA), odd1, even1);
    m[2] = fma(V(-kA), odd1, even1);
    m[3] = fma(V(kB), odd2, even2);
    m[4] = fma(V(-kB), odd2, even2);
    m[5] = y[3];
  }
  template <class V>
  static MO_INLINE void weight_back(const V (&u)[6], V (&g)[3]) {
    const V s1 = u[1] + u[2], d1 = u[1] - u[2], s2 = u[3] + u[4], d2 = u[3] - u[4];
    g[0] = fma(V(1 / (kA2 * kB2)), u[0], fma(V(kNormA), s1, V(kNormB) * s2));
    g[1] = fma(V(kNormA * kA), d1, V(kNormB * kB) * d2);
    g[2] = fma(V(kNormA * kA2), s1, fma(V(kNormB * kB2), s2, u[5]));
  }
};

// The tiles of an image, row after row, image after image.
struct TileGrid {
  int64_t high, wide;
  TileGrid(const ConvImage& image, int64_t out)
      : high(parts(image.h.out, out)), wide(parts(image.w.out, out)) {}
  int64_t count() const { return high * wide; }
};

// So many neighbours of one row are transformed together; their input stays in the first cache.
inline constexpr int64_t kRun = 8;

// f(image, row, column, count, tiles since `begin`) for runs of the tiles [begin, end).
template <class F>
MO_INLINE void for_runs(const TileGrid& grid, int64_t begin, int64_t end, const F& f) {
  for (int64_t t = begin; t < end;) {
    const int64_t column = t % grid.wide, line = t / grid.wide;
    const int64_t count = smaller(smaller(grid.wide - column, end - t), kRun);
    f(line / grid.high, line % grid.high, column, count, t - begin);
    t += count;
  }
}

// Input rows [row, row + kRows) and columns [col, col + cols) of one vector of channels, zero outside the
// image: (r, c) at to + (r * cols + c) * kLanes.
template <class T, int kRows>
MO_INLINE void gather_rows(T* to, const T* x, const ConvAxis& h, const ConvAxis& w, const ConvStrides& at,
                           int64_t row, int64_t col, int64_t cols, int64_t channels) {
  constexpr int64_t kN = kLanes<T>;
  int64_t begin = col < 0 ? smaller(-col, cols) : 0, end = smaller(w.in - col, cols);
  if (end < begin) end = begin;
  for (int64_t r = row; r < row + kRows; ++r, to += cols * kN) {
    if (r < 0 || r >= h.in || begin == end) {
      zero_run(to, cols * kN);
      continue;
    }
    zero_run(to, begin * kN);
    pack<T>(to + begin * kN, x + r * at.h + (col + begin) * at.w, at.channel, at.w, channels, end - begin,
            kN);
    zero_run(to + end * kN, (cols - end) * kN);
  }
}

// The other way: columns [0, cols) of one row to `channels` planes.
template <class T>
MO_INLINE void scatter_row(T* y, const T* from, const ConvStrides& at, int64_t cols, int64_t channels) {
  using V = Vec<T>;
  constexpr int64_t kN = V::kLanes;
  if (at.w == 1) {
    for (int64_t c = 0; c < cols; c += kN) {
      // The last ones again with those before them, where there are so many.
      if (c > 0 && c + kN > cols) c = cols - kN;
      const int64_t n = smaller(kN, cols - c);
      V rows[kN];
#pragma GCC unroll 16
      for (int r = 0; r < kN; ++r) rows[r] = V::load(from + (c + smaller(r, n - 1)) * kN);
      transpose(rows);
      if (n == kN && channels == kN) {
#pragma GCC unroll 16
        for (int r = 0; r < kN; ++r) rows[r].store(y + r * at.channel + c);
      } else {
#pragma GCC unroll 16
        for (int r = 0; r < kN; ++r) {
          if (r < channels) store_first(rows[r], y + r * at.channel + c, n);
        }
      }
    }
  } else {
    for (int64_t i = 0; i < channels; ++i) {
      for (int64_t c = 0; c < cols; ++c) y[i * at.channel + c * at.w] = from[c * kN + i];
    }
  }
}

// kIn numbers a tile side to kTo: the first of the products, `plane` apart, for each tile of a run.
template <class T, int kIn, int kStep, int kTo, class F>
MO_INLINE void transform_run(T* buffer, int64_t cols, int64_t count, T* to, int64_t plane, int64_t row,
                             const F& transform) {
  using V = Vec<T>;
  constexpr int64_t kN = V::kLanes;
  T* const down = buffer + kIn * cols * kN;
  for (int64_t c = 0; c < cols; ++c) {
    V d[kIn], t[kTo];
#pragma GCC unroll 6
    for (int r = 0; r < kIn; ++r) d[r] = V::load(buffer + (r * cols + c) * kN);
    transform(d, t);
#pragma GCC unroll 6
    for (int r = 0; r < kTo; ++r) t[r].store(down + (r * cols + c) * kN);
  }
  for (int64_t k = 0; k < count; ++k, to += row) {
    const T* from = down + k * kStep * kN;
    for (int64_t r = 0; r < kTo; ++r) {
      V d[kIn], t[kTo];
#pragma GCC unroll 6
      for (int c = 0; c < kIn; ++c) d[c] = V::load(from + (r * cols + c) * kN);
      transform(d, t);
#pragma GCC unroll 6
      for (int c = 0; c < kTo; ++c) t[c].store(to + (r * kTo + c) * plane);
    }
  }
}

// Panels of kTileCols columns, the last one of as many vectors as it needs: f(vectors, start).
template <class T, class F>
MO_INLINE void for_panels(int64_t rows, const F& f) {
  for (int64_t p = 0; p < rows; p += kTileCols<T>)
    f(static_cast<int>(smaller(kTileVecs, parts(rows - p, kLanes<T>))), p);
}

// What one thread needs for it, in numbers of any instruction set.
static_assert(kConvRunNumbers >= 12 * (kRun * 4 + 2) * 16);

MO_ISA_END
