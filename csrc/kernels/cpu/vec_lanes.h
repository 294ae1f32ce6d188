// What the reductions need of each type that they compute in: float, double and int64.
#pragma once
#include "contract/dtype.h"
#include "kernels/common/scalar.h"
#include "kernels/cpu/vec_shuffle.h"

MO_ISA_BEGIN

// Integers leave vectorisation to the compiler: their sums do not depend on the order.
struct Ints {
  static constexpr int kLanes = 8;
  int64_t v[kLanes];
  Ints() = default;
  MO_INLINE Ints(int64_t x) {
    for (int64_t& lane : v) lane = x;
  }
  static MO_INLINE Ints load(const int64_t* p) {
    Ints out;
    for (int i = 0; i < kLanes; ++i) out.v[i] = p[i];
    return out;
  }
  static MO_INLINE Ints load(const int64_t* p, int64_t n) {
    Ints out(0);
    for (int i = 0; i < n; ++i) out.v[i] = p[i];
    return out;
  }
  MO_INLINE void store(int64_t* p) const {
    for (int i = 0; i < kLanes; ++i) p[i] = v[i];
  }
};
#define MO_INTS(name, expression)                                 \
  MO_INLINE Ints name(Ints a, Ints b) {                           \
    Ints out;                                                     \
    for (int i = 0; i < Ints::kLanes; ++i) out.v[i] = expression; \
    return out;                                                   \
  }
// Sums and products wrap around, as in PyTorch.
MO_INTS(operator+, (Int(a.v[i]) + Int(b.v[i])).v)
MO_INTS(operator*, (Int(a.v[i]) * Int(b.v[i])).v)
MO_INTS(larger, b.v[i] > a.v[i] ? b.v[i] : a.v[i])
MO_INTS(smaller, b.v[i] < a.v[i] ? b.v[i] : a.v[i])
#undef MO_INTS
MO_INLINE Ints truth(Ints x) {
  for (int64_t& lane : x.v) lane = lane != 0;
  return x;
}
// The first n lanes of x, and `other` in the rest.
MO_INLINE Ints first_lanes(Ints x, int64_t n, Ints other) {
  for (int i = 0; i < Ints::kLanes; ++i) x.v[i] = i < n ? x.v[i] : other.v[i];
  return x;
}
// Lane i is what was lane i + kBy, counted around.
template <int kBy>
MO_INLINE Ints rotate(Ints x) {
  Ints out;
  for (int i = 0; i < Ints::kLanes; ++i) out.v[i] = x.v[(i + kBy) % Ints::kLanes];
  return out;
}
MO_INLINE int64_t first_lane(Ints x) { return x.v[0]; }

template <class T>
MO_INLINE Vec<T> larger(Vec<T> a, Vec<T> b) {
  return where(b != b, b, max(b, a));
}
template <class T>
MO_INLINE Vec<T> smaller(Vec<T> a, Vec<T> b) {
  return where(b != b, b, min(b, a));
}
template <class T>
MO_INLINE Vec<T> truth(Vec<T> x) {
  return where(x != Vec<T>(0), Vec<T>(1), Vec<T>(0));
}
template <class T>
MO_INLINE Vec<T> first_lanes(Vec<T> x, int64_t n, Vec<T> other) {
  static constexpr T kIota[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return where(Vec<T>::load(kIota) < Vec<T>(static_cast<int>(n)), x, other);
}

// On single numbers, what combines chunks.
#define MO_NUMBERS(T)                                                  \
  MO_INLINE T larger(T a, T b) { return b != b ? b : b > a ? b : a; }  \
  MO_INLINE T smaller(T a, T b) { return b != b ? b : b < a ? b : a; } \
  MO_INLINE T truth(T x) { return x != 0; }
MO_NUMBERS(float)
MO_NUMBERS(double)
#undef MO_NUMBERS
MO_INLINE Int larger(Int a, Int b) { return b > a ? b : a; }
MO_INLINE Int smaller(Int a, Int b) { return b < a ? b : a; }
MO_INLINE Int truth(Int x) { return Int(static_cast<int64_t>(x.v != 0)); }

// C: stored lanes. V: a vector of them. N: one lane. Wide: what chunks are combined in.
// kLanes is how many partial sums a chunk has, on every instruction set.
template <class C>
struct Lanes;
template <>
struct Lanes<float> {
  using V = Vec<float>;
  using N = float;
  using Wide = double;
  static constexpr int kLanes = 32;
  static constexpr double kLowest = -__builtin_inf(), kHighest = __builtin_inf();
};
template <>
struct Lanes<double> {
  using V = Vec<double>;
  using N = double;
  using Wide = double;
  static constexpr int kLanes = 16;
  static constexpr double kLowest = -__builtin_inf(), kHighest = __builtin_inf();
};
template <>
struct Lanes<int64_t> {
  using V = Ints;
  using N = Int;
  using Wide = Int;
  static constexpr int kLanes = 16;
  static constexpr int64_t kLowest = INT64_MIN, kHighest = INT64_MAX;
};

MO_ISA_END
