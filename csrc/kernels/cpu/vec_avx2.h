// Vec on AVX2 with FMA and F16C: 8 floats or 4 doubles, 16 registers. A mask is a vector of all-ones lanes.
#pragma once
#include <immintrin.h>

MO_ISA_BEGIN

// Whether fma() rounds once.
inline constexpr bool kFusedMultiplyAdd = true;

struct MaskF {
  __m256 v;
};
struct MaskD {
  __m256d v;
};

template <>
struct Vec<float> {
  using Scalar = float;
  using Mask = MaskF;
  static constexpr int kLanes = 8;
  __m256 v;

  Vec() = default;
  MO_INLINE Vec(__m256 x) : v(x) {}
  MO_INLINE Vec(double x) : v(_mm256_set1_ps(static_cast<float>(x))) {}
  MO_INLINE Vec(float x) : v(_mm256_set1_ps(x)) {}
  MO_INLINE Vec(int x) : v(_mm256_set1_ps(static_cast<float>(x))) {}
  static MO_INLINE Vec bits(int64_t x) { return _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(x))); }
  static MO_INLINE __m256i first(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static MO_INLINE Vec load(const float* p) { return _mm256_loadu_ps(p); }
  static MO_INLINE Vec load(const float* p, int64_t n) { return _mm256_maskload_ps(p, first(n)); }
  MO_INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }
  MO_INLINE void store(float* p, int64_t n) const { _mm256_maskstore_ps(p, first(n), v); }
};

template <>
struct Vec<double> {
  using Scalar = double;
  using Mask = MaskD;
  static constexpr int kLanes = 4;
  __m256d v;

  Vec() = default;
  MO_INLINE Vec(__m256d x) : v(x) {}
  MO_INLINE Vec(double x) : v(_mm256_set1_pd(x)) {}
  MO_INLINE Vec(int x) : v(_mm256_set1_pd(x)) {}
  static MO_INLINE Vec bits(int64_t x) { return _mm256_castsi256_pd(_mm256_set1_epi64x(x)); }
  static MO_INLINE __m256i first(int64_t n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  }
  static MO_INLINE Vec load(const double* p) { return _mm256_loadu_pd(p); }
  static MO_INLINE Vec load(const double* p, int64_t n) { return _mm256_maskload_pd(p, first(n)); }
  MO_INLINE void store(double* p) const { _mm256_storeu_pd(p, v); }
  MO_INLINE void store(double* p, int64_t n) const { _mm256_maskstore_pd(p, first(n), v); }
};

using VecF = Vec<float>;
using VecD = Vec<double>;

MO_INLINE VecF operator+(VecF a, VecF b) { return _mm256_add_ps(a.v, b.v); }
MO_INLINE VecF operator-(VecF a, VecF b) { return _mm256_sub_ps(a.v, b.v); }
MO_INLINE VecF operator*(VecF a, VecF b) { return _mm256_mul_ps(a.v, b.v); }
MO_INLINE VecF operator/(VecF a, VecF b) { return _mm256_div_ps(a.v, b.v); }
MO_INLINE VecF operator-(VecF a) { return _mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f)); }
MO_INLINE VecF fma(VecF a, VecF b, VecF c) { return _mm256_fmadd_ps(a.v, b.v, c.v); }
MO_INLINE VecF min(VecF a, VecF b) { return _mm256_min_ps(a.v, b.v); }
MO_INLINE VecF max(VecF a, VecF b) { return _mm256_max_ps(a.v, b.v); }
MO_INLINE VecF abs(VecF a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v); }
MO_INLINE VecF sqrt(VecF a) { return _mm256_sqrt_ps(a.v); }
MO_INLINE VecF floor(VecF a) { return _mm256_floor_ps(a.v); }
MO_INLINE VecF ceil(VecF a) { return _mm256_ceil_ps(a.v); }
MO_INLINE VecF trunc(VecF a) { return _mm256_round_ps(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }
MO_INLINE VecF round(VecF a) { return _mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
MO_INLINE MaskF operator<(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
MO_INLINE MaskF operator<=(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
MO_INLINE MaskF operator>(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)}; }
MO_INLINE MaskF operator>=(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GE_OQ)}; }
MO_INLINE MaskF operator==(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
MO_INLINE MaskF operator!=(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_NEQ_UQ)}; }
MO_INLINE MaskF operator&(MaskF a, MaskF b) { return {_mm256_and_ps(a.v, b.v)}; }
MO_INLINE MaskF operator|(MaskF a, MaskF b) { return {_mm256_or_ps(a.v, b.v)}; }
MO_INLINE MaskF operator~(MaskF a) {
  return {_mm256_xor_ps(a.v, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))};
}
MO_INLINE VecF where(MaskF m, VecF a, VecF b) { return _mm256_blendv_ps(b.v, a.v, m.v); }
MO_INLINE bool any(MaskF m) { return _mm256_movemask_ps(m.v) != 0; }

MO_INLINE VecD operator+(VecD a, VecD b) { return _mm256_add_pd(a.v, b.v); }
MO_INLINE VecD operator-(VecD a, VecD b) { return _mm256_sub_pd(a.v, b.v); }
MO_INLINE VecD operator*(VecD a, VecD b) { return _mm256_mul_pd(a.v, b.v); }
MO_INLINE VecD operator/(VecD a, VecD b) { return _mm256_div_pd(a.v, b.v); }
MO_INLINE VecD operator-(VecD a) { return _mm256_xor_pd(a.v, _mm256_set1_pd(-0.0)); }
MO_INLINE VecD fma(VecD a, VecD b, VecD c) { return _mm256_fmadd_pd(a.v, b.v, c.v); }
MO_INLINE VecD min(VecD a, VecD b) { return _mm256_min_pd(a.v, b.v); }
MO_INLINE VecD max(VecD a, VecD b) { return _mm256_max_pd(a.v, b.v); }
MO_INLINE VecD abs(VecD a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a.v); }
MO_INLINE VecD sqrt(VecD a) { return _mm256_sqrt_pd(a.v); }
MO_INLINE VecD floor(VecD a) { return _mm256_floor_pd(a.v); }
MO_INLINE VecD ceil(VecD a) { return _mm256_ceil_pd(a.v); }
MO_INLINE VecD trunc(VecD a) { return _mm256_round_pd(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }
MO_INLINE VecD round(VecD a) { return _mm256_round_pd(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
MO_INLINE MaskD operator<(VecD a, VecD b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ)}; }
MO_INLINE MaskD operator<=(VecD a, VecD b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_LE_OQ)}; }
MO_INLINE MaskD operator>(VecD a, VecD b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_GT_OQ)}; }
MO_INLINE MaskD operator>=(VecD a, VecD b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_GE_OQ)}; }
MO_INLINE MaskD operator==(VecD a, VecD b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_EQ_OQ)}; }
MO_INLINE MaskD operator!=(VecD a, VecD b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_NEQ_UQ)}; }
MO_INLINE MaskD operator&(MaskD a, MaskD b) { return {_mm256_and_pd(a.v, b.v)}; }
MO_INLINE MaskD operator|(MaskD a, MaskD b) { return {_mm256_or_pd(a.v, b.v)}; }
MO_INLINE MaskD operator~(MaskD a) {
  return {_mm256_xor_pd(a.v, _mm256_castsi256_pd(_mm256_set1_epi32(-1)))};
}
MO_INLINE VecD where(MaskD m, VecD a, VecD b) { return _mm256_blendv_pd(b.v, a.v, m.v); }
MO_INLINE bool any(MaskD m) { return _mm256_movemask_pd(m.v) != 0; }

// On the bits, as integers of the lane's size.
MO_INLINE VecF bit_and(VecF a, VecF b) { return _mm256_and_ps(a.v, b.v); }
MO_INLINE VecF bit_or(VecF a, VecF b) { return _mm256_or_ps(a.v, b.v); }
MO_INLINE VecF bit_xor(VecF a, VecF b) { return _mm256_xor_ps(a.v, b.v); }
template <int kBits>
MO_INLINE VecF shift_left(VecF a) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a.v), kBits));
}
template <int kBits>
MO_INLINE VecF shift_right(VecF a) {
  return _mm256_castsi256_ps(_mm256_srli_epi32(_mm256_castps_si256(a.v), kBits));
}
MO_INLINE VecD bit_and(VecD a, VecD b) { return _mm256_and_pd(a.v, b.v); }
MO_INLINE VecD bit_or(VecD a, VecD b) { return _mm256_or_pd(a.v, b.v); }
MO_INLINE VecD bit_xor(VecD a, VecD b) { return _mm256_xor_pd(a.v, b.v); }
template <int kBits>
MO_INLINE VecD shift_left(VecD a) {
  return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(a.v), kBits));
}
template <int kBits>
MO_INLINE VecD shift_right(VecD a) {
  return _mm256_castsi256_pd(_mm256_srli_epi64(_mm256_castpd_si256(a.v), kBits));
}
MO_INLINE MaskF operator^(MaskF a, MaskF b) { return {_mm256_xor_ps(a.v, b.v)}; }
MO_INLINE MaskD operator^(MaskD a, MaskD b) { return {_mm256_xor_pd(a.v, b.v)}; }
// The low and the high half as doubles, and back with one rounding.
MO_INLINE void widen(VecF a, VecD* low, VecD* high) {
  *low = _mm256_cvtps_pd(_mm256_castps256_ps128(a.v));
  *high = _mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1));
}
MO_INLINE VecF narrow(VecD low, VecD high) {
  return _mm256_set_m128(_mm256_cvtpd_ps(high.v), _mm256_cvtpd_ps(low.v));
}
// One byte a lane, 0 or 1.
MO_INLINE uint64_t bytes_of_bits(uint64_t bits) {
  const uint64_t apart = (bits * 0x0101010101010101u) & 0x8040201008040201u;
  return ((apart + 0x7f7f7f7f7f7f7f7fu) >> 7) & 0x0101010101010101u;
}
MO_INLINE void store_bytes(MaskF m, uint8_t* p) {
  const uint64_t bytes = bytes_of_bits(static_cast<uint64_t>(_mm256_movemask_ps(m.v)));
  __builtin_memcpy(p, &bytes, 8);
}
MO_INLINE void store_bytes(MaskD m, uint8_t* p) {
  const uint64_t bytes = bytes_of_bits(static_cast<uint64_t>(_mm256_movemask_pd(m.v)));
  __builtin_memcpy(p, &bytes, 4);
}

MO_ISA_END
