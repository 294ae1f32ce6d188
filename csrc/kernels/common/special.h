// Functions without a short vector form, one number at a time in double: the reference calls them as they
// are, the instruction sets lane by lane. Integers' own few functions too.
#pragma once
#include <math.h>

#include "kernels/common/scalar.h"

#ifndef MO_INLINE  // CUDA's are for the device too
#define MO_INLINE inline
#endif

namespace markone::MARKONE_ISA {
namespace {

constexpr double kPi = 3.141592653589793;

// log |Gamma(x)|. The plain lgamma writes a global that threads would share.
MO_INLINE double log_gamma(double x) {
#if defined(__GLIBC__) && !defined(__CUDA_ARCH__)
  int sign;
  return ::lgamma_r(x, &sign);
#else
  return ::lgamma(x);
#endif
}

// psi(x): up by psi(x) = psi(x + 1) - 1/x to x >= 10, where the asymptotic series (Abramowitz and Stegun
// 6.3.18) is exact; below 0 by the reflection 6.3.7.
MO_INLINE double digamma_of(double x) {
  if (x == 0) return ::copysign(__builtin_inf(), -x);
  if (x != x || x == __builtin_inf()) return x;
  double sum = 0;
  if (x < 0) {
    if (x == ::floor(x)) return __builtin_nan("");
    sum = -kPi / ::tan(kPi * (x - ::nearbyint(x)));
    x = 1 - x;
  }
  for (; x < 10; x += 1) sum -= 1 / x;
  constexpr double c[] = {1.0 / 12,  -1.0 / 120,     1.0 / 252, -1.0 / 240,
                          1.0 / 132, -691.0 / 32760, 1.0 / 12,  -3617.0 / 8160};
  const double z = 1 / x / x;
  double series = 0;
  for (int k = 7; k >= 0; --k) series = (series + c[k]) * z;
  return sum + (::log(x) - 0.5 / x - series);
}

// The sum of (x + k)^-s over k >= 0, x > 0, by Euler and Maclaurin from x + k >= 10 + s on.
MO_INLINE double hurwitz_zeta(double s, double x) {
  double sum = 0;
  for (; x < 10 + s; x += 1) sum += ::pow(x, -s);
  constexpr double c[] = {1.0 / 12,
                          -1.0 / 720,
                          1.0 / 30240,
                          -1.0 / 1209600,
                          1.0 / 47900160,
                          -691.0 / 1307674368000,
                          1.0 / 74724249600,
                          -3617.0 / 10670622842880000,
                          43867.0 / 5109094217170944000};
  const double head = ::pow(x, -s);
  double term = s * head / x, series = 0;
  for (int j = 0; j < 9; ++j) {
    series += c[j] * term;
    term *= (s + 2 * j + 1) * (s + 2 * j + 2) / x / x;
  }
  return sum + (head * x / (s - 1) + 0.5 * head + series);
}

// The derivative of order n of psi, n a whole number up to 170 (171! is no double).
MO_INLINE double polygamma_of(double x, double n) {
  if (n == 0) return digamma_of(x);
  if (x != x || !(n > 0 && n <= 170) || n != ::floor(n)) return __builtin_nan("");
  const double s = n + 1, even = ::fmod(s, 2.0) == 0 ? 1 : -1;
  double zeta;
  if (x > 0) {
    zeta = x == __builtin_inf() ? 0 : hurwitz_zeta(s, x);
  } else if (x == ::floor(x)) {
    return even > 0 ? __builtin_inf() : __builtin_nan("");
  } else {
    // The sum over all whole numbers, less the terms below x.
    const double r = x - ::floor(x);
    zeta = hurwitz_zeta(s, r) + even * (hurwitz_zeta(s, 1 - r) - hurwitz_zeta(s, 1 - x));
  }
  return even * ::tgamma(s) * zeta;
}

// The inverse of erf: Winitzki's closed form, good to 2e-3, then Halley's steps.
MO_INLINE double erfinv_of(double x) {
  const double a = ::fabs(x);
  if (!(a < 1)) return a == 1 ? x * __builtin_inf() : __builtin_nan("");
  if (a < 1e-9) return x * 0.886226925452758;
  const double log_rest = a > 0.5 ? ::log((1 - a) * (1 + a)) : ::log1p(-a * a);
  constexpr double kFit = 0.147;
  const double t = 2 / (kPi * kFit) + 0.5 * log_rest, u = -log_rest / kFit, root = ::sqrt(t * t + u);
  double y = ::sqrt(t > 0 ? u / (root + t) : root - t);
  for (int step = 0; step < 3; ++step) {
    const double error = a > 0.5 ? (1 - a) - ::erfc(y) : ::erf(y) - a;
    const double newton = error * 0.886226925452758 * ::exp(y * y);
    y -= newton / (1 + y * newton);
  }
  return ::copysign(y, x);
}

MO_SCALAR uint64_t size_of(Int a) { return a.v < 0 ? 0 - raw(a) : raw(a); }
MO_SCALAR Int gcd(Int a, Int b) {
  uint64_t x = size_of(a), y = size_of(b);
  while (y) {
    const uint64_t rest = x % y;
    x = y;
    y = rest;
  }
  return wrapped(x);
}
MO_SCALAR Int lcm(Int a, Int b) {
  const uint64_t divisor = raw(gcd(a, b));
  return divisor == 0 ? Int(0) : wrapped(size_of(a) / divisor * size_of(b));
}
// A shift out of the type, or by a negative number, moves every bit out.
MO_SCALAR Int left_shift(Int a, Int b) { return b.v < 0 || b.v > 63 ? Int(0) : wrapped(raw(a) << b.v); }
MO_SCALAR Int right_shift(Int a, Int b) { return a.v >> (b.v < 0 || b.v > 63 ? 63 : b.v); }
MO_SCALAR bool signbit(Int a) { return a.v < 0; }

}  // namespace
}  // namespace markone::MARKONE_ISA
