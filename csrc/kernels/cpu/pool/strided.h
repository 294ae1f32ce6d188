// Vectors of every second element, and what pooling shares.
#pragma once
#include "contract/pool.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

// Elements 0, 2, 4, ... of a followed by those of b, and elements 1, 3, 5, ...
#if defined(MARKONE_ISA_avx512)
MO_INLINE VecF evens(VecF a, VecF b) {
  const __m512i at = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return _mm512_permutex2var_ps(a.v, at, b.v);
}
MO_INLINE VecD evens(VecD a, VecD b) {
  return _mm512_permutex2var_pd(a.v, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), b.v);
}
MO_INLINE VecF odds(VecF a, VecF b) {
  const __m512i at = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  return _mm512_permutex2var_ps(a.v, at, b.v);
}
MO_INLINE VecD odds(VecD a, VecD b) {
  return _mm512_permutex2var_pd(a.v, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), b.v);
}
#elif defined(MARKONE_ISA_avx2)
MO_INLINE VecF evens(VecF a, VecF b) {
  const __m256d pairs = _mm256_castps_pd(_mm256_shuffle_ps(a.v, b.v, 0x88));
  return _mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8));
}
MO_INLINE VecD evens(VecD a, VecD b) { return _mm256_permute4x64_pd(_mm256_unpacklo_pd(a.v, b.v), 0xd8); }
MO_INLINE VecF odds(VecF a, VecF b) {
  const __m256d pairs = _mm256_castps_pd(_mm256_shuffle_ps(a.v, b.v, 0xdd));
  return _mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8));
}
MO_INLINE VecD odds(VecD a, VecD b) { return _mm256_permute4x64_pd(_mm256_unpackhi_pd(a.v, b.v), 0xd8); }
#else
template <int kFirst, class V>
MO_INLINE V every_second(V a, V b) {
  typename V::Scalar from[2 * V::kLanes], to[V::kLanes];
  a.store(from);
  b.store(from + V::kLanes);
  for (int i = 0; i < V::kLanes; ++i) to[i] = from[2 * i + kFirst];
  return V::load(to);
}
template <class V>
MO_INLINE V evens(V a, V b) {
  return every_second<0>(a, b);
}
template <class V>
MO_INLINE V odds(V a, V b) {
  return every_second<1>(a, b);
}
#endif

// n elements from p, kStep (1 or 2) apart; reads no further than the last of them.
template <int kStep, class V, class C>
MO_INLINE V load_step(const C* p, int64_t n) {
  constexpr int kLanes = V::kLanes;
  if constexpr (kStep == 1) {
    return n == kLanes ? V::load(p) : V::load(p, n);
  } else {
    const int64_t count = 2 * n - 1;
    if (count <= kLanes) return evens(V::load(p, count), V(0));
    return evens(V::load(p), V::load(p + kLanes, count - kLanes));
  }
}
// The same where all 2 * kLanes elements may be read.
template <int kStep, class V, class C>
MO_INLINE V load_full(const C* p) {
  if constexpr (kStep == 1)
    return V::load(p);
  else
    return evens(V::load(p), V::load(p + V::kLanes));
}

// index[i] = base + i * kStep + places[i], the first n; the places are whole numbers below 2^24.
template <int kStep, class V>
MO_INLINE void store_places(V places, int64_t base, int64_t n, int64_t* index) {
  typename V::Scalar offsets[V::kLanes];
  places.store(offsets);
  for (int64_t i = 0; i < n; ++i) index[i] = base + i * kStep + static_cast<int32_t>(offsets[i]);
}
#if defined(MARKONE_ISA_avx512)
template <int kStep>
MO_INLINE void store_places(VecF places, int64_t base, int64_t n, int64_t* index) {
  const __m512i ramp = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i at =
      _mm512_add_epi32(_mm512_cvttps_epi32(places.v), _mm512_mullo_epi32(ramp, _mm512_set1_epi32(kStep)));
  const __m512i from = _mm512_set1_epi64(base);
  const __mmask16 mask = VecF::first(n);
  _mm512_mask_storeu_epi64(index, static_cast<__mmask8>(mask),
                           _mm512_add_epi64(from, _mm512_cvtepi32_epi64(_mm512_castsi512_si256(at))));
  _mm512_mask_storeu_epi64(index + 8, static_cast<__mmask8>(mask >> 8),
                           _mm512_add_epi64(from, _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(at, 1))));
}
#endif

// A row of 2 x 2 windows beside each other: y = finish(join of the four, j) for outputs [0, n), each element
// read once.
template <class V, class C, class Join, class Finish>
MO_INLINE void row_2x2(const C* top, const C* bottom, int64_t n, C* y, Join join, Finish finish) {
  constexpr int64_t kLanes = V::kLanes;
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    const V left = join(V::load(top + 2 * j), V::load(bottom + 2 * j));
    const V right = join(V::load(top + 2 * j + kLanes), V::load(bottom + 2 * j + kLanes));
    finish(join(evens(left, right), odds(left, right)), j).store(y + j);
  }
  if (j == n) return;
  const int64_t count = 2 * (n - j), first = count < kLanes ? count : kLanes, rest = count - first;
  const V left = join(V::load(top + 2 * j, first), V::load(bottom + 2 * j, first));
  // Where nothing is left the pointer stays inside.
  const int64_t at = rest > 0 ? 2 * j + kLanes : 2 * j;
  const V right = join(V::load(top + at, rest), V::load(bottom + at, rest));
  finish(join(evens(left, right), odds(left, right)), j).store(y + j, n - j);
}

// NaN where either is.
template <class V>
MO_INLINE V max_or_nan(V a, V b) {
  return where(b != b, b, max(b, a));
}

// The taps of one window along one dimension that lie inside: first <= k < last.
struct Taps {
  int64_t start;  // of tap 0, perhaps negative
  int64_t first, last;
};
MO_INLINE Taps taps_of(int64_t i, int64_t stride, int64_t pad, int64_t dilation, int64_t kernel,
                       int64_t size) {
  Taps t{i * stride - pad, 0, 0};
  t.first = t.start < 0 ? (-t.start + dilation - 1) / dilation : 0;
  t.last = t.start < size ? (size - t.start + dilation - 1) / dilation : 0;
  if (t.last > kernel) t.last = kernel;
  if (t.first > t.last) t.first = t.last;
  return t;
}

// How much of a dimension counts for the average of window i.
MO_INLINE int64_t counted(int64_t i, int64_t stride, int64_t pad, int64_t kernel, int64_t size,
                          bool include_pad) {
  int64_t start = i * stride - pad, end = start + kernel;
  if (end > size + pad) end = size + pad;
  if (!include_pad && start < 0) start = 0;
  if (!include_pad && end > size) end = size;
  return end - start;
}

// Rows of outputs are the unit of work; a task takes about this many input elements.
constexpr int64_t kPoolTask = 16384;
MO_INLINE int64_t rows_per_task(const PoolArgs& a) {
  const int64_t cost = a.w * (a.stride_h < a.kernel_h ? a.stride_h : a.kernel_h);
  return cost < kPoolTask ? kPoolTask / (cost > 0 ? cost : 1) : 1;
}

// Windows of 2 columns without gaps or padding, all of whose columns lie inside.
MO_INLINE bool pairs_beside(const PoolArgs& a) {
  return a.kernel_w == 2 && a.stride_w == 2 && a.pad_w == 0 && a.dilation_h == 1 && a.dilation_w == 1 &&
         2 * a.out_w <= a.w;
}
MO_INLINE bool pairs_only(const PoolArgs& a) { return a.kernel_h == 2 && pairs_beside(a); }

MO_ISA_END
