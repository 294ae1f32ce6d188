// Functions on Vec<float> and Vec<double>, the same formula for every lane, length and instruction set.
// Unless it says otherwise a function is within 2 ulp, takes infinities and NaN as C does, and takes
// subnormals as zero. Series are plain Taylor or Chebyshev ones on a reduced argument; no table, no branch
// but those that are named.
#pragma once
#include <math.h>

#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

// Where the two widths differ: constants, and how many terms a series needs.
template <class V>
struct Real;
template <>
struct Real<VecF> {
  static constexpr int kMantissa = 23;
  static constexpr double kMagic = 12582912.0;  // 1.5 * 2^23: adding it leaves an integer in the low bits
  static constexpr double kBias = 127.0;
  static constexpr int64_t kSign = 0x80000000, kMantissaMask = 0x007fffff, kOne = 0x3f800000;
  static constexpr int64_t kTwoMantissaBits = 0x4b000000;  // 2^23, as bits
  static constexpr double kTwoMantissa = 0x1p23;
  // ln 2 in two parts; the first has few enough bits that its product with an exponent is exact.
  static constexpr double kLn2High = 0x1.62ep-1, kLn2Low = 0x1.0bfbe8e7bcd5ep-15;
  static constexpr double kExpLow = -104.0, kExpHigh = 89.0, kExp2Low = -151.0, kExp2High = 129.0;
  static constexpr double kExpLowest = -88.0;  // 2^-127, whose bits are those of zero
  static constexpr int kExpTerms = 7, kLogTerms = 5;
};
template <>
struct Real<VecD> {
  static constexpr int kMantissa = 52;
  static constexpr double kMagic = 6755399441055744.0;
  static constexpr double kBias = 1023.0;
  static constexpr int64_t kSign = INT64_MIN, kMantissaMask = 0x000fffffffffffff, kOne = 0x3ff0000000000000;
  static constexpr int64_t kTwoMantissaBits = 0x4330000000000000;
  static constexpr double kTwoMantissa = 0x1p52;
  static constexpr double kLn2High = 0x1.62e42fefp-1, kLn2Low = 0x1.473de6af278edp-34;
  static constexpr double kExpLow = -746.0, kExpHigh = 710.0, kExp2Low = -1076.0, kExp2High = 1025.0;
  static constexpr double kExpLowest = -709.0;
  static constexpr int kExpTerms = 13, kLogTerms = 11;
};

constexpr double kInfinity = __builtin_inf(), kNaN = __builtin_nan("");

template <class V>
MO_INLINE V copysign(V magnitude, V sign) {
  return bit_or(abs(magnitude), bit_and(sign, V::bits(Real<V>::kSign)));
}
template <class V>
MO_INLINE V sign(V x) {
  return where(x > 0.0, V(1.0), where(x < 0.0, V(-1.0), x));
}
template <class V>
MO_INLINE V square(V x) {
  return x * x;
}

// 2^n for an integer n of at most half the exponent range past the normal one.
template <class V>
MO_INLINE V pow2(V n) {
  return shift_left<Real<V>::kMantissa>(n + V(Real<V>::kMagic + Real<V>::kBias));
}
// x * 2^n, in two steps so that neither leaves the range before the product does.
template <class V>
MO_INLINE V scale(V x, V n) {
  const V half = round(n * V(0.5));
  return x * pow2(half) * pow2(n - half);
}
// Any finite number without a NaN's help: NaN passes through.
template <class V>
MO_INLINE V clamped(V x, double low, double high) {
  return min(V(high), max(V(low), x));
}

// c[0] + x c[1] + ... + x^(n-1) c[n-1]
template <class V, int n>
MO_INLINE V horner(V x, const double (&c)[n]) {
  V sum(c[n - 1]);
#pragma GCC unroll 32
  for (int i = n - 2; i >= 0; --i) sum = fma(sum, x, V(c[i]));
  return sum;
}

// exp(r) - 1 for |r| <= ln(2)/2, from its Taylor series.
template <class V, int kTerms = Real<V>::kExpTerms>
MO_INLINE V expm1_reduced(V r) {
  constexpr double c[] = {1.0 / 2,       1.0 / 6,         1.0 / 24,         1.0 / 120,
                          1.0 / 720,     1.0 / 5040,      1.0 / 40320,      1.0 / 362880,
                          1.0 / 3628800, 1.0 / 39916800., 1.0 / 479001600., 1.0 / 6227020800.};
  constexpr int last = kTerms - 2;
  V sum(c[last]);
#pragma GCC unroll 16
  for (int i = last - 1; i >= 0; --i) sum = fma(sum, r, V(c[i]));
  return fma(r * r, sum, r);
}
// x = n ln 2 + r
template <class V>
MO_INLINE V reduce_exp(V x, V* n) {
  *n = round(x * V(1.4426950408889634));
  return fma(*n, V(-Real<V>::kLn2Low), fma(*n, V(-Real<V>::kLn2High), x));
}
template <class V, int kTerms = Real<V>::kExpTerms>
MO_INLINE V exp(V x) {
  V n;
  const V r = reduce_exp(clamped(x, Real<V>::kExpLow, Real<V>::kExpHigh), &n);
  return scale(V(1.0) + expm1_reduced<V, kTerms>(r), n);
}
// The same for x <= 0 (up to 88), in one step: what is below the smallest normal number becomes zero.
template <class V>
MO_INLINE V exp_low(V x) {
  V n;
  const V r = reduce_exp(max(V(Real<V>::kExpLowest), x), &n);
  return (V(1.0) + expm1_reduced(r)) * pow2(n);
}
template <class V>
MO_INLINE V exp2(V x) {
  const V y = clamped(x, Real<V>::kExp2Low, Real<V>::kExp2High);
  const V n = round(y);
  return scale(V(1.0) + expm1_reduced((y - n) * V(0.6931471805599453)), n);
}
// 2^n (e^r - 1) + (2^n - 1), with half of 2^n taken out so that it stays in range.
template <class V>
MO_INLINE V expm1(V x) {
  V n;
  const V r = reduce_exp(clamped(x, -50.0, Real<V>::kExpHigh), &n);
  const V half = round(n * V(0.5)), rest = pow2(n - half);
  const V e = fma(rest, expm1_reduced(r), rest - pow2(-half)) * pow2(half);
  return where(x == 0.0, x, e);
}

// Splits a positive normal x into m 2^e with sqrt(1/2) < m <= sqrt(2).
template <class V>
MO_INLINE V split_exponent(V x, V* e) {
  const V biased = bit_or(shift_right<Real<V>::kMantissa>(x), V::bits(Real<V>::kTwoMantissaBits));
  const V m = bit_or(bit_and(x, V::bits(Real<V>::kMantissaMask)), V::bits(Real<V>::kOne));
  const auto big = m > V(1.4142135623730951);
  *e = biased - V(Real<V>::kTwoMantissa + Real<V>::kBias) + where(big, V(1.0), V(0.0));
  return where(big, m * V(0.5), m);
}
// log(1 + f) = f - (f^2/2 - s (f^2/2 + R)), s = f / (2 + f), R from the series of 2 artanh(s) - 2 s; the
// caller adds `low` at the size where it still counts.
template <class V, int kTerms = Real<V>::kLogTerms>
MO_INLINE V log_reduced(V f, V low) {
  constexpr double c[] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11, 2.0 / 13,
                          2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23};
  const V s = f / (V(2.0) + f), z = s * s;
  V sum(c[kTerms - 1]);
#pragma GCC unroll 16
  for (int i = kTerms - 2; i >= 0; --i) sum = fma(sum, z, V(c[i]));
  const V half_square = V(0.5) * f * f;
  return f - (half_square - fma(s, fma(z, sum, half_square), low));
}
template <class V>
MO_INLINE V log_special(V x, V y) {
  y = where(x == V(kInfinity), x, y);
  y = where(x == V(0.0), V(-kInfinity), y);
  return where(x >= V(0.0), y, V(kNaN));
}
template <class V, int kTerms = Real<V>::kLogTerms>
MO_INLINE V log_positive(V x) {
  V e;
  const V m = split_exponent(x, &e);
  return fma(e, V(Real<V>::kLn2High), log_reduced<V, kTerms>(m - V(1.0), e * V(Real<V>::kLn2Low)));
}
template <class V>
MO_INLINE V log(V x) {
  return log_special(x, log_positive(x));
}
template <class V>
MO_INLINE V log2(V x) {
  V e;
  const V m = split_exponent(x, &e);
  return log_special(x, fma(log_reduced(m - V(1.0), V(0.0)), V(1.4426950408889634), e));
}
template <class V>
MO_INLINE V log10(V x) {
  return log_special(x, log_positive(x) * V(0.4342944819032518));
}
// log(u) for u = 1 + x as rounded, and what the rounding lost.
template <class V>
MO_INLINE V log1p(V x) {
  const V u = V(1.0) + x;
  const V lost = where(x > V(1.0), V(1.0) - (u - x), x - (u - V(1.0)));
  V y = log_positive(u) + lost / u;
  y = where(x == V(kInfinity), x, y);
  y = where(x == V(-1.0), V(-kInfinity), y);
  y = where(x >= V(-1.0), y, V(kNaN));
  return where(x == V(0.0), x, y);
}

// log(1 + x) for 0 <= x <= 1.
template <class V>
MO_INLINE V log1p_unit(V x) {
  const auto big = x > V(0.41421356237309503);
  const V f = where(big, (x - V(1.0)) * V(0.5), x);
  return where(big, V(Real<V>::kLn2High), V(0.0)) + log_reduced(f, where(big, V(Real<V>::kLn2Low), V(0.0)));
}

// exp(x) - 1 for 0 <= x <= 44, and its value at 44 above: 2^n (e^r - 1) + (2^n - 1).
template <class V>
MO_INLINE V expm1_near(V x) {
  V n;
  const V r = reduce_exp(min(V(44.0), x), &n), power = pow2(n);
  return fma(power, expm1_reduced(r), power - V(1.0));
}

// t / (t + 2), or 1 - 2 / (t + 2) where that is more exact, for t = exp(2 |x|) - 1.
template <class V>
MO_INLINE V tanh(V x) {
  const V t = expm1_near(V(2.0) * abs(x));
  const auto small = t < V(2.0);
  const V part = where(small, t, V(-2.0)) / (t + V(2.0));
  return copysign(where(small, part, V(1.0) + part), x);
}
template <class V>
MO_INLINE V sigmoid(V x) {
  const V e = exp_low(-abs(x));
  return where(x < V(0.0), e, V(1.0)) / (V(1.0) + e);
}

// erf in double: its Taylor series up to 1, and 1 - exp(-x^2) Q((x - 3) / (x + 3)) beyond, Q fitted at
// Chebyshev points.
constexpr double kErfTaylor[] = {
    1.1283791670955126,     -0.37612638903183752,    0.11283791670955126,    -0.026866170645131252,
    0.0052239776254421878,  -0.00085483270234508528, 0.00012055332981789664, -1.4925650358406251e-5,
    1.6462114365889247e-6,  -1.6365844691234924e-7,  1.4807192815879217e-8,  -1.2290555301717927e-9,
    9.422759064650411e-11,  -6.7113668551641104e-12, 4.4632242632864773e-13, -2.7835162072109214e-14,
    1.6342614095367152e-15, -9.0639708428086725e-17, 4.7633480405150681e-18, -2.3784598852774294e-19};
MO_INLINE VecD erf_tail(VecD u) {
  constexpr double c[] = {
      0.17900115118138995,     -0.32623356004303721,  0.24560380171233487,   -0.15011593650077899,
      0.07166583719747307,     -0.024392499318915005, 0.0042691363569612253, 0.00070774646669414251,
      -0.00059706249649245444, 4.5254345589910084e-5, 6.4062792260460392e-5, -1.2845780030775907e-5,
      -8.0097809390760793e-6,  2.0135111426447428e-6, 1.2755818949624479e-6, 3.3813551420429038e-9};
  return horner(u, c);
}
MO_INLINE VecD erf(VecD x) {
  const VecD a = min(VecD(6.0), abs(x)), z = a * a;
  const VecD small = a * horner(z, kErfTaylor);
  const VecD large = VecD(1.0) - exp(-z) * erf_tail((a - VecD(3.0)) / (a + VecD(3.0)));
  return copysign(where(a < VecD(1.0), small, large), x);
}
// For float: x + x p(x^2) up to 1, and 1 - exp(q(x)) up to 4, where nothing is left of 1 - erf. Both are
// fitted for the smallest largest error, q's weighed with exp(q).
MO_INLINE VecF erf(VecF x) {
  constexpr double p[] = {0.128379166,   -0.376126258,    0.112835851,   -0.0268538119,
                          0.00518832756, -0.000801019252, 7.85385771e-05};
  constexpr double q[] = {0.000188040225, -1.12957842,    -0.633219893,   -0.108418577,
                          0.0252082567,   -0.00420456187, 0.000441336376, -2.16868499e-05};
  const VecF a = min(VecF(4.0), abs(x));
  const VecF small = fma(a, horner(a * a, p), a);
  VecF n;
  const VecF r = reduce_exp(horner(a, q), &n);
  const VecF large = VecF(1.0) - (VecF(1.0) + expm1_reduced(r)) * pow2(n);
  return copysign(where(a < VecF(1.0), small, large), x);
}

// The normal distribution function (1 + erf(x / sqrt 2)) / 2, to 2^-24 of 1.
MO_INLINE VecD ndtr(VecD x) { return VecD(0.5) * (VecD(1.0) + erf(x * VecD(0.7071067811865476))); }
// exp(q(|x| / sqrt 2)) is twice the smaller of its two tails, q fitted up to 4 as above.
MO_INLINE VecF ndtr(VecF x) {
  constexpr double q[] = {1.50513459e-08,  -1.12838076,    -0.636593174,  -0.102936962,   0.0196173692,
                          -0.000571957276, -0.00101226131, 0.00030286715, -3.07430961e-05};
  const VecF a = min(VecF(4.0), abs(x) * VecF(0.7071067811865476));
  VecF n;
  const VecF r = reduce_exp(horner(a, q), &n);
  const VecF tail = (VecF(1.0) + expm1_reduced(r)) * pow2(n - VecF(1.0));
  const VecF small = where(a >= VecF(4.0), VecF(0.0), tail);
  return where(x < VecF(0.0), small, VecF(1.0) - small);
}

// The functions below work in double: a float vector goes through two double ones and rounds once.
#define MO_IN_DOUBLE_2(name)                                 \
  MO_INLINE VecF name(VecF a, VecF b) {                      \
    VecD a_low, a_high, b_low, b_high;                       \
    widen(a, &a_low, &a_high);                               \
    widen(b, &b_low, &b_high);                               \
    return narrow(name(a_low, b_low), name(a_high, b_high)); \
  }

// Lane by lane through the C library, for what is rare or has no short formula.
template <double (*function)(double)>
__attribute__((noinline)) VecD each_lane(VecD x) {
  double lanes[VecD::kLanes];
  x.store(lanes);
  for (double& lane : lanes) lane = function(lane);
  return VecD::load(lanes);
}
template <double (*function)(double, double)>
__attribute__((noinline)) VecD each_lane(VecD a, VecD b) {
  double left[VecD::kLanes], right[VecD::kLanes];
  a.store(left);
  b.store(right);
  for (int i = 0; i < VecD::kLanes; ++i) left[i] = function(left[i], right[i]);
  return VecD::load(left);
}

struct SinCos {
  VecD sin, cos;
};
// The sine and cosine of n pi/2 + y from those of y.
MO_INLINE SinCos turned(VecD n, VecD sine, VecD cosine) {
  const VecD quadrant = n - VecD(4.0) * floor(n * VecD(0.25));
  const auto odd = (quadrant == VecD(1.0)) | (quadrant == VecD(3.0));
  const VecD a = where(odd, cosine, sine), b = where(odd, sine, cosine);
  return {where(quadrant >= VecD(2.0), -a, a),
          where((quadrant == VecD(1.0)) | (quadrant == VecD(2.0)), -b, b)};
}
// x = n pi/2 + y, |y| <= pi/4, with pi/2 in three parts whose products with n are exact; good to |x| = 10^5.
constexpr double kTrigHigh = 1e5;
MO_INLINE SinCos sin_cos(VecD x) {
  const VecD n = round(x * VecD(0.6366197723675814));
  const VecD first = x - n * VecD(0x1.921fb544p+0);
  const VecD w = n * VecD(0x1.0b4611a6p-34), second = first - w;
  const VecD tail = n * VecD(0x1.3198a2e037073p-69) - ((first - second) - w);
  const VecD y = second - tail, rest = (second - y) - tail;
  const VecD z = y * y;
  constexpr double s[] = {-1.0 / 6,
                          1.0 / 120,
                          -1.0 / 5040,
                          1.0 / 362880,
                          -1.0 / 39916800.0,
                          1.0 / 6227020800.0,
                          -1.0 / 1307674368000.0,
                          1.0 / 355687428096000.0};
  constexpr double c[] = {1.0 / 24,
                          -1.0 / 720,
                          1.0 / 40320,
                          -1.0 / 3628800,
                          1.0 / 479001600.0,
                          -1.0 / 87178291200.0,
                          1.0 / 20922789888000.0,
                          -1.0 / 6402373705728000.0};
  const VecD half = VecD(0.5) * z;
  const VecD sine = y + fma(y * z, horner(z, s), rest * (VecD(1.0) - half));
  // 1 - z/2 rounds; what it loses goes back in.
  const VecD head = VecD(1.0) - half;
  const VecD cosine = head + (((VecD(1.0) - head) - half) + fma(z * z, horner(z, c), -(y * rest)));
  return turned(n, sine, cosine);
}
// The same to 2^-32 or so, for float.
MO_INLINE SinCos sin_cos_short(VecD x) {
  const VecD n = round(x * VecD(0.6366197723675814));
  const VecD y = (x - n * VecD(0x1.921fb544p+0)) - n * VecD(0x1.0b4611a626331p-34);
  const VecD z = y * y;
  constexpr double s[] = {-1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880, -1.0 / 39916800.0};
  constexpr double c[] = {-0.5, 1.0 / 24, -1.0 / 720, 1.0 / 40320, -1.0 / 3628800, 1.0 / 479001600.0};
  return turned(n, fma(y * z, horner(z, s), y), fma(z, horner(z, c), VecD(1.0)));
}
// Far angles go through the C library, whose reduction is exact.
#define MO_TRIGONOMETRIC(name, value)                                            \
  MO_INLINE VecD name##_of(VecD x, SinCos both) {                                \
    const VecD y = value;                                                        \
    const auto far = abs(x) > VecD(kTrigHigh);                                   \
    return any(far) ? where(far, each_lane<::name>(x), y) : y;                   \
  }                                                                              \
  MO_INLINE VecD name(VecD x) { return name##_of(x, sin_cos(x)); }               \
  MO_INLINE VecD name##_short(VecD x) { return name##_of(x, sin_cos_short(x)); } \
  MO_INLINE VecF name(VecF x) {                                                  \
    VecD low, high;                                                              \
    widen(x, &low, &high);                                                       \
    return narrow(name##_short(low), name##_short(high));                        \
  }
MO_TRIGONOMETRIC(sin, where(x == VecD(0.0), x, both.sin))
MO_TRIGONOMETRIC(cos, both.cos)
MO_TRIGONOMETRIC(tan, where(x == VecD(0.0), x, both.sin / both.cos))
#undef MO_TRIGONOMETRIC

MO_INLINE VecD atan2(VecD y, VecD x) { return each_lane<::atan2>(y, x); }
MO_IN_DOUBLE_2(atan2)
MO_INLINE VecD fmod(VecD a, VecD b) { return each_lane<::fmod>(a, b); }
MO_IN_DOUBLE_2(fmod)

// Python's and PyTorch's remainder: the sign of the divisor.
template <class V>
MO_INLINE V remainder(V a, V b) {
  const V r = fmod(a, b);
  return where((r != V(0.0)) & ((r < V(0.0)) ^ (b < V(0.0))), r + b, r);
}
template <class V>
MO_INLINE V floor_divide(V a, V b) {
  const V r = fmod(a, b);
  V q = (a - r) / b;
  q = where((r != V(0.0)) & ((r < V(0.0)) ^ (b < V(0.0))), q - V(1.0), q);
  // (a - r) / b is an integer but for its rounding.
  const V down = floor(q);
  const V whole = where(q - down > V(0.5), down + V(1.0), down);
  return where(b == V(0.0), a / b, where(q == V(0.0), copysign(V(0.0), a / b), whole));
}

// Powers that are a product or two, alone or beside others.
template <class V, class Rest>
MO_INLINE V pow_or_product(V a, V b, Rest rest) {
  const auto one = b == V(1.0), two = b == V(2.0), three = b == V(3.0), easy = one | two | three;
  const V square = a * a, product = where(one, a, where(two, square, square * a));
  return any(~easy) ? where(easy, product, rest(a, b)) : product;
}

MO_INLINE VecD pow(VecD a, VecD b) {
  return pow_or_product(a, b, [](VecD x, VecD y) { return each_lane<::pow>(x, y); });
}
// From y = |a|^b: C's rules for signs and the special values.
template <class V>
MO_INLINE V pow_signed(V a, V b, V y) {
  const V whole = trunc(b), half = b * V(0.5);
  const auto odd = (whole == b) & (trunc(half) != half);
  y = where(odd, copysign(y, a), y);
  y = where((a < V(0.0)) & (whole != b) & (a > V(-kInfinity)), V(kNaN), y);
  y = where((abs(a) == V(1.0)) & (abs(b) == V(kInfinity)), V(1.0), y);
  return where((b == V(0.0)) | (a == V(1.0)), V(1.0), y);
}
// exp(b log |a|) in double has 2^-24 to spare.
MO_INLINE VecD pow_wide(VecD a, VecD b) {
  // Fewer terms than a double needs: the exponent is good to 2^-34.
  const VecD size = abs(a);
  return pow_signed(a, b, exp<VecD, 10>(b * log_special(size, log_positive<VecD, 7>(size))));
}

// The exact sum of two floats, the second much the smaller.
struct TwoF {
  VecF high, low;
};
// log2(x) for x > 0 to 2^-30 of itself: 2 / ln 2 times the series of artanh(s), s = f / (2 + f), whose first
// term alone needs more than a float.
MO_INLINE TwoF log2_wide(VecF x) {
  const auto tiny = x < VecF(0x1p-126);
  VecF e;
  const VecF f = split_exponent(where(tiny, x * VecF(0x1p24), x), &e) - VecF(1.0);
  e = e - where(tiny, VecF(24.0), VecF(0.0));
  const VecF d = f + VecF(2.0), d_low = f - (d - VecF(2.0));
  const VecF s = f / d, s_low = fma(-s, d_low, fma(-s, d, f)) / d;
  constexpr double c[] = {1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11};
  constexpr float kHigh = 2.885390081777927f;
  constexpr double kLow = 2.885390081777927 - static_cast<double>(kHigh);
  const VecF z = s * s, rest = fma(s * z, horner(z, c), s_low), high = s * VecF(kHigh);
  const VecF low = fma(rest, VecF(kHigh), fma(s, VecF(kLow), fma(s, VecF(kHigh), -high)));
  const VecF sum = e + high;
  return {sum, (high - (sum - e)) + low};
}
// 2^(b log2 |a|) with the exponent as a sum of two floats.
MO_INLINE VecF pow_narrow(VecF a, VecF b) {
  const VecF size = abs(a);
  const TwoF log = log2_wide(size);
  const VecF exponent = log_special(size, log.high), far = b * exponent;
  const VecF near = clamped(far, Real<VecF>::kExp2Low, Real<VecF>::kExp2High);
  const VecF low = where(far == near, fma(b, log.low, fma(b, exponent, -far)), VecF(0.0));
  const VecF n = round(near);
  const VecF r = ((near - n) + low) * VecF(0.6931471805599453);
  return pow_signed(a, b, scale(VecF(1.0) + expm1_reduced(r), n));
}
MO_INLINE VecF pow(VecF a, VecF b) {
  return pow_or_product(a, b, [](VecF x, VecF y) {
    if constexpr (kFusedMultiplyAdd) return pow_narrow(x, y);
    VecD a_low, a_high, b_low, b_high;
    widen(x, &a_low, &a_high);
    widen(y, &b_low, &b_high);
    return narrow(pow_wide(a_low, b_low), pow_wide(a_high, b_high));
  });
}

#undef MO_IN_DOUBLE_2

MO_ISA_END
