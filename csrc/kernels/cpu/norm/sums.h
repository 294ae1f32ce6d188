// What the norms share: sums over fixed chunks, combined in double, and loops along memory.
#pragma once
#include "kernels/cpu/vec_lanes.h"

MO_ISA_BEGIN

constexpr int64_t kNormChunk = 1024;  // elements whose sum is kept in the lanes
constexpr int64_t kNormTask = 8192;   // elements that one task takes, about

template <class V, class C>
MO_INLINE V load_lanes(const C* p, int64_t left) {
  return left == V::kLanes ? V::load(p) : V::load(p, left);
}
template <class V, class C>
MO_INLINE void store_lanes(V v, C* p, int64_t left) {
  left == V::kLanes ? v.store(p) : v.store(p, left);
}
// change(i, left) for all of [0, n).
template <class C, class Change>
MO_INLINE void each_vector(int64_t n, const Change& change) {
  int64_t i = 0;
  for (; i + Vec<C>::kLanes <= n; i += Vec<C>::kLanes) change(i, int64_t{Vec<C>::kLanes});
  if (i < n) change(i, n - i);
}

// Strips of four vectors, then single ones: change.template operator()<kStrip>(i, left), where `left` lanes
// of each vector count. Down the columns of a matrix four additions do not wait for each other.
template <class C, class Change>
MO_INLINE void each_strip(int64_t n, const Change& change) {
  constexpr int64_t kLanes = Vec<C>::kLanes;
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) change.template operator()<4>(i, kLanes);
  for (; i + kLanes <= n; i += kLanes) change.template operator()<1>(i, kLanes);
  if (i < n) change.template operator()<1>(i, n - i);
}

// The lanes folded in halves, in double.
template <int kHalf>
MO_INLINE double fold_wide(VecD v) {
  if constexpr (kHalf > 0)
    return fold_wide<kHalf / 2>(v + rotate<kHalf>(v));
  else
    return first_lane(v);
}
MO_INLINE double fold_wide(VecD v) { return fold_wide<VecD::kLanes / 2>(v); }
MO_INLINE double fold_wide(VecF v) {
  VecD low, high;
  widen(v, &low, &high);
  return fold_wide(low + high);
}

// Adds to sums[s] the sum of v[s] of values(row, i, left, v) over a chunk: `rows` rows of n places, about
// kNormChunk together. Place i of any row goes to lane i % Lanes<C>::kLanes.
template <class C, int kSums, class Values>
MO_INLINE void add_chunk(double (&sums)[kSums], int64_t rows, int64_t n, Values values) {
  using V = Vec<C>;
  constexpr int kVectors = Lanes<C>::kLanes / V::kLanes;
  V acc[kVectors][kSums], v[kSums];
  for (auto& vector : acc) {
    for (V& a : vector) a = V(0);
  }
  for (int64_t r = 0; r < rows; ++r) {
    int64_t i = 0;
    for (; i + Lanes<C>::kLanes <= n; i += Lanes<C>::kLanes) {
      for (int k = 0; k < kVectors; ++k) {
        values(r, i + k * V::kLanes, int64_t{V::kLanes}, v);
        for (int s = 0; s < kSums; ++s) acc[k][s] = acc[k][s] + v[s];
      }
    }
    for (int k = 0; k < kVectors && i < n; ++k, i += V::kLanes) {
      const int64_t left = n - i < V::kLanes ? n - i : V::kLanes;
      values(r, i, left, v);
      for (int s = 0; s < kSums; ++s) acc[k][s] = acc[k][s] + first_lanes(v[s], left, V(0));
    }
  }
  for (int half = kVectors / 2; half > 0; half /= 2) {
    for (int k = 0; k < half; ++k) {
      for (int s = 0; s < kSums; ++s) acc[k][s] = acc[k][s] + acc[k + half][s];
    }
  }
  for (int s = 0; s < kSums; ++s) sums[s] += fold_wide(acc[0][s]);
}
// One sum of values(row, i, left).
template <class C, class Values>
MO_INLINE double sum_chunk(int64_t rows, int64_t n, Values values) {
  double sum[1] = {0};
  add_chunk<C>(sum, rows, n,
               [&](int64_t r, int64_t i, int64_t left, Vec<C>(&v)[1]) { v[0] = values(r, i, left); });
  return sum[0];
}
// Adds sums over a row of values(i, left, v), chunk by chunk from left to right.
template <class C, int kSums, class Values>
MO_INLINE void add_along(double (&sums)[kSums], int64_t n, Values values) {
  for (int64_t start = 0; start < n; start += kNormChunk) {
    add_chunk<C>(sums, 1, n - start < kNormChunk ? n - start : kNormChunk,
                 [&](int64_t, int64_t i, int64_t left, Vec<C>(&v)[kSums]) { values(start + i, left, v); });
  }
}
// One sum over a row of values(i, left).
template <class C, class Values>
MO_INLINE double sum_along(int64_t n, const Values& values) {
  double sum[1] = {0};
  add_along<C>(sum, n, [&](int64_t i, int64_t left, Vec<C>(&v)[1]) { v[0] = values(i, left); });
  return sum[0];
}

// Count, mean and sum of squares about it, of what has been seen (Chan, Golub and LeVeque 1979).
struct Moments {
  double count = 0, mean = 0, square = 0;

  MO_INLINE void merge(double n, double m, double s) {
    const double all = count + n, away = m - mean;
    mean += away * (n / all);
    square += s + away * away * (count * (n / all));
    count = all;
  }
  // A chunk: values(row, i, left) as sum_chunk takes them.
  template <class C, class Values>
  MO_INLINE void add(int64_t rows, int64_t n, Values values) {
    const double many = static_cast<double>(rows * n);
    const double m = sum_chunk<C>(rows, n, values) / many;
    const Vec<C> center(static_cast<C>(m));
    const double off = m - static_cast<double>(static_cast<C>(m));
    const double s = sum_chunk<C>(rows, n, [&](int64_t r, int64_t i, int64_t left) {
      const Vec<C> d = values(r, i, left) - center;
      return d * d;
    });
    merge(many, m, s - many * (off * off));
  }
};

MO_ISA_END
