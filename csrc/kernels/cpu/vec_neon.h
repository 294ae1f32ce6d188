// Vec on NEON (64-bit Arm): 4 floats or 2 doubles, 32 registers. A mask is a vector of all-ones lanes.
#pragma once
#include <arm_neon.h>

MO_ISA_BEGIN

// Whether fma() rounds once.
inline constexpr bool kFusedMultiplyAdd = true;

struct MaskF {
  uint32x4_t v;
};
struct MaskD {
  uint64x2_t v;
};

template <>
struct Vec<float> {
  using Scalar = float;
  using Mask = MaskF;
  static constexpr int kLanes = 4;
  float32x4_t v;

  Vec() = default;
  MO_INLINE Vec(float32x4_t x) : v(x) {}
  MO_INLINE Vec(double x) : v(vdupq_n_f32(static_cast<float>(x))) {}
  MO_INLINE Vec(float x) : v(vdupq_n_f32(x)) {}
  MO_INLINE Vec(int x) : v(vdupq_n_f32(static_cast<float>(x))) {}
  static MO_INLINE Vec bits(int64_t x) { return vreinterpretq_f32_s32(vdupq_n_s32(static_cast<int32_t>(x))); }
  static MO_INLINE Vec load(const float* p) { return vld1q_f32(p); }
  // There are no masked loads: what is past the end is never read.
  static MO_INLINE Vec load(const float* p, int64_t n) {
    float32x4_t x = vdupq_n_f32(0.0f);
    if (n > 0) x = vld1q_lane_f32(p, x, 0);
    if (n > 1) x = vld1q_lane_f32(p + 1, x, 1);
    if (n > 2) x = vld1q_lane_f32(p + 2, x, 2);
    if (n > 3) x = vld1q_lane_f32(p + 3, x, 3);
    return x;
  }
  MO_INLINE void store(float* p) const { vst1q_f32(p, v); }
  MO_INLINE void store(float* p, int64_t n) const {
    if (n > 0) vst1q_lane_f32(p, v, 0);
    if (n > 1) vst1q_lane_f32(p + 1, v, 1);
    if (n > 2) vst1q_lane_f32(p + 2, v, 2);
    if (n > 3) vst1q_lane_f32(p + 3, v, 3);
  }
};

template <>
struct Vec<double> {
  using Scalar = double;
  using Mask = MaskD;
  static constexpr int kLanes = 2;
  float64x2_t v;

  Vec() = default;
  MO_INLINE Vec(float64x2_t x) : v(x) {}
  MO_INLINE Vec(double x) : v(vdupq_n_f64(x)) {}
  MO_INLINE Vec(int x) : v(vdupq_n_f64(x)) {}
  static MO_INLINE Vec bits(int64_t x) { return vreinterpretq_f64_s64(vdupq_n_s64(x)); }
  static MO_INLINE Vec load(const double* p) { return vld1q_f64(p); }
  static MO_INLINE Vec load(const double* p, int64_t n) {
    float64x2_t x = vdupq_n_f64(0.0);
    if (n > 0) x = vld1q_lane_f64(p, x, 0);
    if (n > 1) x = vld1q_lane_f64(p + 1, x, 1);
    return x;
  }
  MO_INLINE void store(double* p) const { vst1q_f64(p, v); }
  MO_INLINE void store(double* p, int64_t n) const {
    if (n > 0) vst1q_lane_f64(p, v, 0);
    if (n > 1) vst1q_lane_f64(p + 1, v, 1);
  }
};

using VecF = Vec<float>;
using VecD = Vec<double>;

MO_INLINE bool any(MaskF m) { return vmaxvq_u32(m.v) != 0; }
MO_INLINE bool any(MaskD m) { return vmaxvq_u32(vreinterpretq_u32_u64(m.v)) != 0; }

MO_INLINE VecF operator+(VecF a, VecF b) { return vaddq_f32(a.v, b.v); }
MO_INLINE VecF operator-(VecF a, VecF b) { return vsubq_f32(a.v, b.v); }
MO_INLINE VecF operator*(VecF a, VecF b) { return vmulq_f32(a.v, b.v); }
MO_INLINE VecF operator/(VecF a, VecF b) { return vdivq_f32(a.v, b.v); }
MO_INLINE VecF operator-(VecF a) { return vnegq_f32(a.v); }
MO_INLINE VecF fma(VecF a, VecF b, VecF c) { return vfmaq_f32(c.v, a.v, b.v); }
MO_INLINE MaskF operator<(VecF a, VecF b) { return {vcltq_f32(a.v, b.v)}; }
MO_INLINE MaskF operator<=(VecF a, VecF b) { return {vcleq_f32(a.v, b.v)}; }
MO_INLINE MaskF operator>(VecF a, VecF b) { return {vcgtq_f32(a.v, b.v)}; }
MO_INLINE MaskF operator>=(VecF a, VecF b) { return {vcgeq_f32(a.v, b.v)}; }
MO_INLINE MaskF operator==(VecF a, VecF b) { return {vceqq_f32(a.v, b.v)}; }
MO_INLINE MaskF operator&(MaskF a, MaskF b) { return {vandq_u32(a.v, b.v)}; }
MO_INLINE MaskF operator|(MaskF a, MaskF b) { return {vorrq_u32(a.v, b.v)}; }
MO_INLINE MaskF operator^(MaskF a, MaskF b) { return {veorq_u32(a.v, b.v)}; }
MO_INLINE MaskF operator~(MaskF a) { return {vmvnq_u32(a.v)}; }
MO_INLINE MaskF operator!=(VecF a, VecF b) { return ~(a == b); }
MO_INLINE VecF where(MaskF m, VecF a, VecF b) { return vbslq_f32(m.v, a.v, b.v); }
// The machine's own minimum and maximum give NaN where either is NaN.
MO_INLINE VecF min(VecF a, VecF b) { return where(a < b, a, b); }
MO_INLINE VecF max(VecF a, VecF b) { return where(a > b, a, b); }
MO_INLINE VecF abs(VecF a) { return vabsq_f32(a.v); }
MO_INLINE VecF sqrt(VecF a) { return vsqrtq_f32(a.v); }
MO_INLINE VecF floor(VecF a) { return vrndmq_f32(a.v); }
MO_INLINE VecF ceil(VecF a) { return vrndpq_f32(a.v); }
MO_INLINE VecF trunc(VecF a) { return vrndq_f32(a.v); }
MO_INLINE VecF round(VecF a) { return vrndnq_f32(a.v); }
// On the bits, as integers of the lane's size.
MO_INLINE VecF bit_and(VecF a, VecF b) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a.v), vreinterpretq_u32_f32(b.v)));
}
MO_INLINE VecF bit_or(VecF a, VecF b) {
  return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(a.v), vreinterpretq_u32_f32(b.v)));
}
MO_INLINE VecF bit_xor(VecF a, VecF b) {
  return vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(a.v), vreinterpretq_u32_f32(b.v)));
}
template <int kBits>
MO_INLINE VecF shift_left(VecF a) {
  return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(a.v), kBits));
}
template <int kBits>
MO_INLINE VecF shift_right(VecF a) {
  return vreinterpretq_f32_u32(vshrq_n_u32(vreinterpretq_u32_f32(a.v), kBits));
}

MO_INLINE VecD operator+(VecD a, VecD b) { return vaddq_f64(a.v, b.v); }
MO_INLINE VecD operator-(VecD a, VecD b) { return vsubq_f64(a.v, b.v); }
MO_INLINE VecD operator*(VecD a, VecD b) { return vmulq_f64(a.v, b.v); }
MO_INLINE VecD operator/(VecD a, VecD b) { return vdivq_f64(a.v, b.v); }
MO_INLINE VecD operator-(VecD a) { return vnegq_f64(a.v); }
MO_INLINE VecD fma(VecD a, VecD b, VecD c) { return vfmaq_f64(c.v, a.v, b.v); }
MO_INLINE MaskD operator<(VecD a, VecD b) { return {vcltq_f64(a.v, b.v)}; }
MO_INLINE MaskD operator<=(VecD a, VecD b) { return {vcleq_f64(a.v, b.v)}; }
MO_INLINE MaskD operator>(VecD a, VecD b) { return {vcgtq_f64(a.v, b.v)}; }
MO_INLINE MaskD operator>=(VecD a, VecD b) { return {vcgeq_f64(a.v, b.v)}; }
MO_INLINE MaskD operator==(VecD a, VecD b) { return {vceqq_f64(a.v, b.v)}; }
MO_INLINE MaskD operator&(MaskD a, MaskD b) { return {vandq_u64(a.v, b.v)}; }
MO_INLINE MaskD operator|(MaskD a, MaskD b) { return {vorrq_u64(a.v, b.v)}; }
MO_INLINE MaskD operator^(MaskD a, MaskD b) { return {veorq_u64(a.v, b.v)}; }
MO_INLINE MaskD operator~(MaskD a) { return {veorq_u64(a.v, vdupq_n_u64(~uint64_t{0}))}; }
MO_INLINE MaskD operator!=(VecD a, VecD b) { return ~(a == b); }
MO_INLINE VecD where(MaskD m, VecD a, VecD b) { return vbslq_f64(m.v, a.v, b.v); }
// The machine's own minimum and maximum give NaN where either is NaN.
MO_INLINE VecD min(VecD a, VecD b) { return where(a < b, a, b); }
MO_INLINE VecD max(VecD a, VecD b) { return where(a > b, a, b); }
MO_INLINE VecD abs(VecD a) { return vabsq_f64(a.v); }
MO_INLINE VecD sqrt(VecD a) { return vsqrtq_f64(a.v); }
MO_INLINE VecD floor(VecD a) { return vrndmq_f64(a.v); }
MO_INLINE VecD ceil(VecD a) { return vrndpq_f64(a.v); }
MO_INLINE VecD trunc(VecD a) { return vrndq_f64(a.v); }
MO_INLINE VecD round(VecD a) { return vrndnq_f64(a.v); }
// On the bits, as integers of the lane's size.
MO_INLINE VecD bit_and(VecD a, VecD b) {
  return vreinterpretq_f64_u64(vandq_u64(vreinterpretq_u64_f64(a.v), vreinterpretq_u64_f64(b.v)));
}
MO_INLINE VecD bit_or(VecD a, VecD b) {
  return vreinterpretq_f64_u64(vorrq_u64(vreinterpretq_u64_f64(a.v), vreinterpretq_u64_f64(b.v)));
}
MO_INLINE VecD bit_xor(VecD a, VecD b) {
  return vreinterpretq_f64_u64(veorq_u64(vreinterpretq_u64_f64(a.v), vreinterpretq_u64_f64(b.v)));
}
template <int kBits>
MO_INLINE VecD shift_left(VecD a) {
  return vreinterpretq_f64_u64(vshlq_n_u64(vreinterpretq_u64_f64(a.v), kBits));
}
template <int kBits>
MO_INLINE VecD shift_right(VecD a) {
  return vreinterpretq_f64_u64(vshrq_n_u64(vreinterpretq_u64_f64(a.v), kBits));
}

// The low and the high half as doubles, and back with one rounding.
MO_INLINE void widen(VecF a, VecD* low, VecD* high) {
  *low = vcvt_f64_f32(vget_low_f32(a.v));
  *high = vcvt_high_f64_f32(a.v);
}
MO_INLINE VecF narrow(VecD low, VecD high) { return vcvt_high_f32_f64(vcvt_f32_f64(low.v), high.v); }
// One byte a lane, 0 or 1.
MO_INLINE void store_bytes(MaskF m, uint8_t* p) {
  const uint16x4_t half = vmovn_u32(m.v);
  const uint8x8_t bytes = vand_u8(vmovn_u16(vcombine_u16(half, half)), vdup_n_u8(1));
  const uint32_t word = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
  __builtin_memcpy(p, &word, 4);
}
MO_INLINE void store_bytes(MaskD m, uint8_t* p) {
  p[0] = vgetq_lane_u64(m.v, 0) & 1;
  p[1] = vgetq_lane_u64(m.v, 1) & 1;
}

MO_ISA_END
