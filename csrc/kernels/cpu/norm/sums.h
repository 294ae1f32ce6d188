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
MO_INLINE void each_vector(int64_t n, Change change) {
  int64_t i = 0;
  for (; i + Vec<C>::kLanes <= n; i += Vec<C>::kLanes) change(i, int64_t{Vec<C>::kLanes});
  if (i < n) change(i, n - i);
}

// The sum of values(row, i, left) over a chunk: `rows` rows of n places, about kNormChunk together. Place i
// of any row goes to lane i % Lanes<C>::kLanes; the lanes are folded in halves, in double.
template <class C, class Values>
MO_INLINE double sum_chunk(int64_t rows, int64_t n, Values values) {
  using V = Vec<C>;
  constexpr int kVectors = Lanes<C>::kLanes / V::kLanes;
  V acc[kVectors];
  for (V& a : acc) a = V(0);
  for (int64_t r = 0; r < rows; ++r) {
    int64_t i = 0;
    for (; i + Lanes<C>::kLanes <= n; i += Lanes<C>::kLanes) {
      for (int k = 0; k < kVectors; ++k) acc[k] = acc[k] + values(r, i + k * V::kLanes, int64_t{V::kLanes});
    }
    for (int k = 0; k < kVectors && i < n; ++k, i += V::kLanes) {
      const int64_t left = n - i < V::kLanes ? n - i : V::kLanes;
      acc[k] = acc[k] + first_lanes(values(r, i, left), left, V(0));
    }
  }
  for (int half = kVectors / 2; half > 0; half /= 2) {
    for (int k = 0; k < half; ++k) acc[k] = acc[k] + acc[k + half];
  }
  C lane[V::kLanes];
  acc[0].store(lane);
  double fold[V::kLanes];
  for (int k = 0; k < V::kLanes; ++k) fold[k] = lane[k];
  for (int half = V::kLanes / 2; half > 0; half /= 2) {
    for (int k = 0; k < half; ++k) fold[k] += fold[k + half];
  }
  return fold[0];
}
// The sum over a row of values(i, left), chunk by chunk from left to right.
template <class C, class Values>
MO_INLINE double sum_along(int64_t n, Values values) {
  double total = 0;
  for (int64_t start = 0; start < n; start += kNormChunk) {
    total += sum_chunk<C>(1, n - start < kNormChunk ? n - start : kNormChunk,
                          [=](int64_t, int64_t i, int64_t left) { return values(start + i, left); });
  }
  return total;
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
    const double s = sum_chunk<C>(rows, n, [=](int64_t r, int64_t i, int64_t left) {
      const Vec<C> d = values(r, i, left) - center;
      return d * d;
    });
    merge(many, m, s - many * (off * off));
  }
};

MO_ISA_END
