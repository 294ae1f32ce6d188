// Numbers as they are stored, read as the type that is computed in: float32 from bfloat16 and float16.
#pragma once
#include "kernels/common/scalar.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

template <class T>
MO_INLINE Vec<T> load_as(const T* p) {
  return Vec<T>::load(p);
}
template <class T>
MO_INLINE Vec<T> load_as(const T* p, int64_t n) {
  return Vec<T>::load(p, n);
}
template <class T>
MO_INLINE T number_of(T x) {
  return x;
}

#if defined(MARKONE_ISA_avx512)
MO_INLINE VecF load_as(const BF16* p) {
  const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}
MO_INLINE VecF load_as(const F16* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
#elif defined(MARKONE_ISA_avx2)
MO_INLINE VecF load_as(const BF16* p) {
  const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}
MO_INLINE VecF load_as(const F16* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
#else
template <class Half>
MO_INLINE VecF load_each(const Half* p) {
  float lanes[VecF::kLanes];
  for (int i = 0; i < VecF::kLanes; ++i) lanes[i] = to_float(p[i]);
  return VecF::load(lanes);
}
MO_INLINE VecF load_as(const BF16* p) { return load_each(p); }
MO_INLINE VecF load_as(const F16* p) { return load_each(p); }
#endif
template <class Half>
MO_INLINE VecF load_some(const Half* p, int64_t n) {
  Half whole[VecF::kLanes] = {};
  for (int64_t i = 0; i < n; ++i) whole[i] = p[i];
  return load_as(whole);
}
MO_INLINE VecF load_as(const BF16* p, int64_t n) { return load_some(p, n); }
MO_INLINE VecF load_as(const F16* p, int64_t n) { return load_some(p, n); }
MO_INLINE float number_of(BF16 x) { return to_float(x); }
MO_INLINE float number_of(F16 x) { return to_float(x); }

MO_ISA_END
