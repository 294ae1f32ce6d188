// Vec on AVX-512 (F, BW, DQ, VL): 16 floats or 8 doubles, 32 registers, masks in registers of their own.
#pragma once
#include <immintrin.h>

MO_ISA_BEGIN

// Whether fma() rounds once.
inline constexpr bool kFusedMultiplyAdd = true;

struct MaskF {
  __mmask16 v;
};
struct MaskD {
  __mmask8 v;
};

template <>
struct Vec<float> {
  using Scalar = float;
  using Mask = MaskF;
  static constexpr int kLanes = 16;
  __m512 v;

  Vec() = default;
  MO_INLINE Vec(__m512 x) : v(x) {}
  MO_INLINE Vec(double x) : v(_mm512_set1_ps(static_cast<float>(x))) {}
  MO_INLINE Vec(float x) : v(_mm512_set1_ps(x)) {}
  MO_INLINE Vec(int x) : v(_mm512_set1_ps(static_cast<float>(x))) {}
  static MO_INLINE Vec bits(int64_t x) { return _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(x))); }
  static MO_INLINE __mmask16 first(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static MO_INLINE Vec load(const float* p) { return _mm512_loadu_ps(p); }
  static MO_INLINE Vec load(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
  MO_INLINE void store(float* p) const { _mm512_storeu_ps(p, v); }
  MO_INLINE void store(float* p, int64_t n) const { _mm512_mask_storeu_ps(p, first(n), v); }
};

template <>
struct Vec<double> {
  using Scalar = double;
  using Mask = MaskD;
  static constexpr int kLanes = 8;
  __m512d v;

  Vec() = default;
  MO_INLINE Vec(__m512d x) : v(x) {}
  MO_INLINE Vec(double x) : v(_mm512_set1_pd(x)) {}
  MO_INLINE Vec(int x) : v(_mm512_set1_pd(x)) {}
  static MO_INLINE Vec bits(int64_t x) { return _mm512_castsi512_pd(_mm512_set1_epi64(x)); }
  static MO_INLINE __mmask8 first(int64_t n) { return static_cast<__mmask8>((1u << n) - 1); }
  static MO_INLINE Vec load(const double* p) { return _mm512_loadu_pd(p); }
  static MO_INLINE Vec load(const double* p, int64_t n) { return _mm512_maskz_loadu_pd(first(n), p); }
  MO_INLINE void store(double* p) const { _mm512_storeu_pd(p, v); }
  MO_INLINE void store(double* p, int64_t n) const { _mm512_mask_storeu_pd(p, first(n), v); }
};

using VecF = Vec<float>;
using VecD = Vec<double>;

MO_INLINE VecF operator+(VecF a, VecF b) { return _mm512_add_ps(a.v, b.v); }
MO_INLINE VecF operator-(VecF a, VecF b) { return _mm512_sub_ps(a.v, b.v); }
MO_INLINE VecF operator*(VecF a, VecF b) { return _mm512_mul_ps(a.v, b.v); }
MO_INLINE VecF operator/(VecF a, VecF b) { return _mm512_div_ps(a.v, b.v); }
MO_INLINE VecF operator-(VecF a) {
  return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(a.v), _mm512_set1_epi32(INT32_MIN)));
}
MO_INLINE VecF fma(VecF a, VecF b, VecF c) { return _mm512_fmadd_ps(a.v, b.v, c.v); }
MO_INLINE VecF min(VecF a, VecF b) { return _mm512_min_ps(a.v, b.v); }
MO_INLINE VecF max(VecF a, VecF b) { return _mm512_max_ps(a.v, b.v); }
MO_INLINE VecF abs(VecF a) {
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a.v), _mm512_set1_epi32(INT32_MAX)));
}
MO_INLINE VecF sqrt(VecF a) { return _mm512_sqrt_ps(a.v); }
MO_INLINE VecF floor(VecF a) { return _mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
MO_INLINE VecF ceil(VecF a) { return _mm512_roundscale_ps(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
MO_INLINE VecF trunc(VecF a) { return _mm512_roundscale_ps(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }
MO_INLINE VecF round(VecF a) {
  return _mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
MO_INLINE MaskF operator<(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
MO_INLINE MaskF operator<=(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
MO_INLINE MaskF operator>(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
MO_INLINE MaskF operator>=(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ)}; }
MO_INLINE MaskF operator==(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
MO_INLINE MaskF operator!=(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_NEQ_UQ)}; }
MO_INLINE VecF where(MaskF m, VecF a, VecF b) { return _mm512_mask_blend_ps(m.v, b.v, a.v); }
MO_INLINE MaskF operator&(MaskF a, MaskF b) { return {static_cast<__mmask16>(a.v & b.v)}; }
MO_INLINE MaskF operator|(MaskF a, MaskF b) { return {static_cast<__mmask16>(a.v | b.v)}; }
MO_INLINE MaskF operator^(MaskF a, MaskF b) { return {static_cast<__mmask16>(a.v ^ b.v)}; }
MO_INLINE MaskF operator~(MaskF a) { return {static_cast<__mmask16>(~a.v)}; }
MO_INLINE bool any(MaskF m) { return m.v != 0; }

MO_INLINE VecD operator+(VecD a, VecD b) { return _mm512_add_pd(a.v, b.v); }
MO_INLINE VecD operator-(VecD a, VecD b) { return _mm512_sub_pd(a.v, b.v); }
MO_INLINE VecD operator*(VecD a, VecD b) { return _mm512_mul_pd(a.v, b.v); }
MO_INLINE VecD operator/(VecD a, VecD b) { return _mm512_div_pd(a.v, b.v); }
MO_INLINE VecD operator-(VecD a) {
  return _mm512_castsi512_pd(_mm512_xor_si512(_mm512_castpd_si512(a.v), _mm512_set1_epi64(INT64_MIN)));
}
MO_INLINE VecD fma(VecD a, VecD b, VecD c) { return _mm512_fmadd_pd(a.v, b.v, c.v); }
MO_INLINE VecD min(VecD a, VecD b) { return _mm512_min_pd(a.v, b.v); }
MO_INLINE VecD max(VecD a, VecD b) { return _mm512_max_pd(a.v, b.v); }
MO_INLINE VecD abs(VecD a) {
  return _mm512_castsi512_pd(_mm512_and_si512(_mm512_castpd_si512(a.v), _mm512_set1_epi64(INT64_MAX)));
}
MO_INLINE VecD sqrt(VecD a) { return _mm512_sqrt_pd(a.v); }
MO_INLINE VecD floor(VecD a) { return _mm512_roundscale_pd(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
MO_INLINE VecD ceil(VecD a) { return _mm512_roundscale_pd(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
MO_INLINE VecD trunc(VecD a) { return _mm512_roundscale_pd(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }
MO_INLINE VecD round(VecD a) {
  return _mm512_roundscale_pd(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
MO_INLINE MaskD operator<(VecD a, VecD b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ)}; }
MO_INLINE MaskD operator<=(VecD a, VecD b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_LE_OQ)}; }
MO_INLINE MaskD operator>(VecD a, VecD b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_GT_OQ)}; }
MO_INLINE MaskD operator>=(VecD a, VecD b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_GE_OQ)}; }
MO_INLINE MaskD operator==(VecD a, VecD b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_EQ_OQ)}; }
MO_INLINE MaskD operator!=(VecD a, VecD b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_NEQ_UQ)}; }
MO_INLINE VecD where(MaskD m, VecD a, VecD b) { return _mm512_mask_blend_pd(m.v, b.v, a.v); }
MO_INLINE MaskD operator&(MaskD a, MaskD b) { return {static_cast<__mmask8>(a.v & b.v)}; }
MO_INLINE MaskD operator|(MaskD a, MaskD b) { return {static_cast<__mmask8>(a.v | b.v)}; }
MO_INLINE MaskD operator^(MaskD a, MaskD b) { return {static_cast<__mmask8>(a.v ^ b.v)}; }
MO_INLINE MaskD operator~(MaskD a) { return {static_cast<__mmask8>(~a.v)}; }
MO_INLINE bool any(MaskD m) { return m.v != 0; }

// On the bits, as integers of the lane's size.
MO_INLINE VecF bit_and(VecF a, VecF b) { return _mm512_and_ps(a.v, b.v); }
MO_INLINE VecF bit_or(VecF a, VecF b) { return _mm512_or_ps(a.v, b.v); }
MO_INLINE VecF bit_xor(VecF a, VecF b) { return _mm512_xor_ps(a.v, b.v); }
template <int kBits>
MO_INLINE VecF shift_left(VecF a) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a.v), kBits));
}
template <int kBits>
MO_INLINE VecF shift_right(VecF a) {
  return _mm512_castsi512_ps(_mm512_srli_epi32(_mm512_castps_si512(a.v), kBits));
}
MO_INLINE VecD bit_and(VecD a, VecD b) { return _mm512_and_pd(a.v, b.v); }
MO_INLINE VecD bit_or(VecD a, VecD b) { return _mm512_or_pd(a.v, b.v); }
MO_INLINE VecD bit_xor(VecD a, VecD b) { return _mm512_xor_pd(a.v, b.v); }
template <int kBits>
MO_INLINE VecD shift_left(VecD a) {
  return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(a.v), kBits));
}
template <int kBits>
MO_INLINE VecD shift_right(VecD a) {
  return _mm512_castsi512_pd(_mm512_srli_epi64(_mm512_castpd_si512(a.v), kBits));
}
// The low and the high half as doubles, and back with one rounding.
MO_INLINE void widen(VecF a, VecD* low, VecD* high) {
  *low = _mm512_cvtps_pd(_mm512_castps512_ps256(a.v));
  *high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1));
}
MO_INLINE VecF narrow(VecD low, VecD high) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low.v)), _mm512_cvtpd_ps(high.v), 1);
}
// One byte a lane, 0 or 1.
MO_INLINE void store_bytes(MaskF m, uint8_t* p) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_maskz_set1_epi8(m.v, 1));
}
MO_INLINE void store_bytes(MaskD m, uint8_t* p) {
  const __m128i bytes = _mm_maskz_set1_epi8(static_cast<__mmask16>(m.v), 1);
  __builtin_memcpy(p, &bytes, 8);
}

MO_ISA_END
