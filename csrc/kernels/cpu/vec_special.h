// The rarer functions on Vec<float> and Vec<double>: inverse and hyperbolic ones as vectors, the special ones
// mostly lane by lane in double.
#pragma once
#include "kernels/common/special.h"
#include "kernels/cpu/vec_math.h"

MO_ISA_BEGIN

// How many terms of its series arctan needs on |t| <= tan(pi/8).
template <class V>
constexpr int kAtanTerms = 9;
template <>
constexpr int kAtanTerms<VecD> = 19;

// pi/2 as rounded, and the rest of it.
template <class V>
constexpr double kHalfPi = 0x1.921fb6p+0;
template <class V>
constexpr double kHalfPiLow = -0x1.777a5cp-25;
template <>
constexpr double kHalfPi<VecD> = 0x1.921fb54442d18p+0;
template <>
constexpr double kHalfPiLow<VecD> = 0x1.1a62633145c07p-54;

// |x| past tan(3 pi/8) turns by pi/2, past tan(pi/8) by pi/4; the rest is the series t - t^3/3 + ...
template <class V>
MO_INLINE V atan(V x) {
  constexpr double c[] = {-1.0 / 3,  1.0 / 5,   -1.0 / 7,  1.0 / 9,   -1.0 / 11, 1.0 / 13,  -1.0 / 15,
                          1.0 / 17,  -1.0 / 19, 1.0 / 21,  -1.0 / 23, 1.0 / 25,  -1.0 / 27, 1.0 / 29,
                          -1.0 / 31, 1.0 / 33,  -1.0 / 35, 1.0 / 37,  -1.0 / 39};
  const V a = abs(x), one(1.0), zero(0.0);
  const auto far = a > V(2.414213562373095), middle = a > V(0.41421356237309503);
  const V t = where(far, -one, where(middle, a - one, a)) / where(far, a, where(middle, a + one, one));
  const V z = t * t;
  V sum(c[kAtanTerms<V> - 1]);
#pragma GCC unroll 32
  for (int i = kAtanTerms<V> - 2; i >= 0; --i) sum = fma(sum, z, V(c[i]));
  const V high = where(far, V(kHalfPi<V>), where(middle, V(0.5 * kHalfPi<V>), zero));
  const V low = where(far, V(kHalfPiLow<V>), where(middle, V(0.5 * kHalfPiLow<V>), zero));
  return copysign(high + fma(t * z, sum, t + low), x);
}

// e^a past the range of e^a: half of it is the square of e^(a/2), halved once.
template <class V>
MO_INLINE V half_exp(V a) {
  const V root = exp(V(0.5) * a);
  return V(0.5) * root * root;
}
constexpr double kHyperbolicHigh = 80.0;
template <class V>
MO_INLINE V sinh(V x) {
  const V a = abs(x), e = expm1(a);
  V y = V(0.5) * (e + e / (e + V(1.0)));
  const auto far = a > V(kHyperbolicHigh);
  if (any(far)) y = where(far, half_exp(a), y);
  return copysign(y, x);
}
template <class V>
MO_INLINE V cosh(V x) {
  const V a = abs(x), e = exp(a);
  const V y = V(0.5) * e + V(0.5) / e;
  const auto far = a > V(kHyperbolicHigh);
  return any(far) ? where(far, half_exp(a), y) : y;
}

// Past this x^2 + 1 is x^2, and log(2 x) is the result.
constexpr double kAreaHigh = 1e18;
template <class V>
MO_INLINE V area_log(V a, V small) {
  const auto far = a > V(kAreaHigh);
  return log1p(where(far, a, small)) + where(far, V(0.6931471805599453), V(0.0));
}
template <class V>
MO_INLINE V asinh(V x) {
  const V a = abs(x), z = a * a;
  return copysign(area_log(a, a + z / (V(1.0) + sqrt(z + V(1.0)))), x);
}
template <class V>
MO_INLINE V acosh(V x) {
  const V t = x - V(1.0);
  return area_log(x, t + sqrt(t) * sqrt(t + V(2.0)));
}
template <class V>
MO_INLINE V atanh(V x) {
  const V a = abs(x);
  return copysign(V(0.5) * log1p((a + a) / (V(1.0) - a)), x);
}

// sin(pi x) / (pi x), the angle taken from the nearest whole number.
template <class V>
MO_INLINE V sinc(V x) {
  const V n = round(x), half = V(0.5) * n, sine = sin(V(kPi) * (x - n));
  const V y = where(floor(half) == half, sine, -sine) / (V(kPi) * x);
  return where(x == V(0.0), V(1.0), y);
}

template <class V>
MO_INLINE auto signbit(V x) {
  return copysign(V(1.0), x) < V(0.0);
}

#define MO_LANES_1(name, function)                               \
  MO_INLINE VecD name(VecD x) { return each_lane<function>(x); } \
  MO_INLINE VecF name(VecF x) {                                  \
    VecD low, high;                                              \
    widen(x, &low, &high);                                       \
    return narrow(name(low), name(high));                        \
  }
MO_LANES_1(erfc, ::erfc)
MO_LANES_1(lgamma, log_gamma)
MO_LANES_1(digamma, digamma_of)
#undef MO_LANES_1

// A quotient of two polynomials of degree 7, from the constant terms up.
MO_INLINE VecD quotient(const double (&above)[8], const double (&below)[8], VecD t) {
  VecD p(above[7]), q(below[7]);
#pragma GCC unroll 8
  for (int i = 6; i >= 0; --i) {
    p = fma(p, t, VecD(above[i]));
    q = fma(q, t, VecD(below[i]));
  }
  return p / q;
}
// The quantile of the normal distribution at (1 + x) / 2, over sqrt 2; fits good to 1e-16 around the middle,
// towards the ends and at them (M. J. Wichura, "Algorithm AS 241", Applied Statistics 37, 1988).
MO_INLINE VecD erfinv(VecD x) {
  constexpr double a[] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                          1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                          3.3430575583588128105e4, 2.5090809287301226727e3};
  constexpr double b[] = {1.0,
                          4.2313330701600911252e1,
                          6.8718700749205790830e2,
                          5.3941960214247511077e3,
                          2.1213794301586595867e4,
                          3.9307895800092710610e4,
                          2.8729085735721942674e4,
                          5.2264952788528545610e3};
  constexpr double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                          3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                          2.27238449892691845833e-2, 7.74545014278341407640e-4};
  constexpr double d[] = {1.0,
                          2.05319162663775882187e0,
                          1.67638483018380384940e0,
                          6.89767334985100004550e-1,
                          1.48103976427480074590e-1,
                          1.51986665636164571966e-2,
                          5.47593808499534494600e-4,
                          1.05075007164441684324e-9};
  constexpr double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                          2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                          2.71155556874348757815e-5, 2.01033439929228813265e-7};
  constexpr double f[] = {1.0,
                          5.99832206555887937690e-1,
                          1.36929880922735805310e-1,
                          1.48753612908506148525e-2,
                          7.86869131145613259100e-4,
                          1.84631831751005468180e-5,
                          1.42151175831644588870e-7,
                          2.04426310338993978564e-15};
  constexpr double kRootHalf = 0.70710678118654752440;
  const VecD size = abs(x), q = VecD(0.5) * x;
  VecD y = q * quotient(a, b, VecD(0.180625) - q * q);
  const auto outside = ~(size <= VecD(0.85));
  if (any(outside)) {
    const VecD r = sqrt(-log(VecD(0.5) * (VecD(1.0) - size)));
    VecD tail = quotient(c, d, r - VecD(1.6));
    const auto far = r > VecD(5.0);
    if (any(far)) tail = where(far, quotient(e, f, r - VecD(5.0)), tail);
    tail = where(size == VecD(1.0), VecD(kInfinity), tail);
    y = where(outside, copysign(tail, x), y);
  }
  return VecD(kRootHalf) * y;
}
MO_INLINE VecF erfinv(VecF x) {
  VecD low, high;
  widen(x, &low, &high);
  return narrow(erfinv(low), erfinv(high));
}

#define MO_IN_DOUBLE_2(name)                                 \
  MO_INLINE VecF name(VecF a, VecF b) {                      \
    VecD a_low, a_high, b_low, b_high;                       \
    widen(a, &a_low, &a_high);                               \
    widen(b, &b_low, &b_high);                               \
    return narrow(name(a_low, b_low), name(a_high, b_high)); \
  }
MO_INLINE VecD polygamma(VecD x, VecD n) { return each_lane<polygamma_of>(x, n); }
MO_IN_DOUBLE_2(polygamma)
// The larger one times sqrt(1 + ratio^2), which cannot overflow early; infinity wins over NaN.
MO_INLINE VecD hypot(VecD a, VecD b) {
  const VecD x = abs(a), y = abs(b), zero(0.0), infinity(kInfinity);
  const VecD large = where(x > y, x, y), small = where(x > y, y, x), ratio = small / large;
  const VecD length = large * sqrt(fma(ratio, ratio, VecD(1.0)));
  return where((x == infinity) | (y == infinity), infinity, where(large == zero, small, length));
}
MO_IN_DOUBLE_2(hypot)
#undef MO_IN_DOUBLE_2

MO_ISA_END
