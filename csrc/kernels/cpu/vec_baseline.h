// Vec on any machine: 16-byte vectors of the compiler, SSE2 on x86-64. No fused multiply-add here.
#pragma once

MO_ISA_BEGIN

template <class U>
inline constexpr bool kIsNumber = false;
template <>
inline constexpr bool kIsNumber<int> = true;
template <>
inline constexpr bool kIsNumber<float> = true;
template <>
inline constexpr bool kIsNumber<double> = true;

template <class T, class I, int N>
struct VecOf {
  using Scalar = T;
  typedef T Native __attribute__((vector_size(16)));
  typedef I Bits __attribute__((vector_size(16)));
  struct Mask {
    Bits v;
    friend MO_INLINE Mask operator&(Mask a, Mask b) { return {a.v & b.v}; }
    friend MO_INLINE Mask operator|(Mask a, Mask b) { return {a.v | b.v}; }
    friend MO_INLINE Mask operator~(Mask a) { return {~a.v}; }
    friend MO_INLINE bool any(Mask a) {
      bool found = false;
      for (int i = 0; i < N; ++i) found |= a.v[i] != 0;
      return found;
    }
  };
  static constexpr int kLanes = N;
};

#define MO_BASELINE_VEC(T, I, N)                                                     \
  template <>                                                                        \
  struct Vec<T> : VecOf<T, I, N> {                                                   \
    Native v;                                                                        \
    Vec() = default;                                                                 \
    MO_INLINE Vec(Native x) : v(x) {}                                                \
    template <class U>                                                               \
      requires kIsNumber<U>                                                          \
    MO_INLINE Vec(U x) : v(static_cast<T>(x) - Native{}) {}                          \
    static MO_INLINE Vec load(const T* p) {                                          \
      Native x;                                                                      \
      __builtin_memcpy(&x, p, 16);                                                   \
      return x;                                                                      \
    }                                                                                \
    static MO_INLINE Vec load(const T* p, int64_t n) {                               \
      Native x = {};                                                                 \
      for (int64_t i = 0; i < n; ++i) x[i] = p[i];                                   \
      return x;                                                                      \
    }                                                                                \
    MO_INLINE void store(T* p) const { __builtin_memcpy(p, &v, 16); }                \
    MO_INLINE void store(T* p, int64_t n) const {                                    \
      for (int64_t i = 0; i < n; ++i) p[i] = v[i];                                   \
    }                                                                                \
  };                                                                                 \
  MO_INLINE Vec<T> operator+(Vec<T> a, Vec<T> b) { return a.v + b.v; }               \
  MO_INLINE Vec<T> operator-(Vec<T> a, Vec<T> b) { return a.v - b.v; }               \
  MO_INLINE Vec<T> operator*(Vec<T> a, Vec<T> b) { return a.v * b.v; }               \
  MO_INLINE Vec<T> operator/(Vec<T> a, Vec<T> b) { return a.v / b.v; }               \
  MO_INLINE Vec<T> operator-(Vec<T> a) { return -a.v; }                              \
  MO_INLINE Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c) { return a.v * b.v + c.v; }     \
  MO_INLINE Vec<T>::Mask operator<(Vec<T> a, Vec<T> b) { return {a.v < b.v}; }       \
  MO_INLINE Vec<T>::Mask operator<=(Vec<T> a, Vec<T> b) { return {a.v <= b.v}; }     \
  MO_INLINE Vec<T>::Mask operator>(Vec<T> a, Vec<T> b) { return {a.v > b.v}; }       \
  MO_INLINE Vec<T>::Mask operator>=(Vec<T> a, Vec<T> b) { return {a.v >= b.v}; }     \
  MO_INLINE Vec<T>::Mask operator==(Vec<T> a, Vec<T> b) { return {a.v == b.v}; }     \
  MO_INLINE Vec<T>::Mask operator!=(Vec<T> a, Vec<T> b) { return {a.v != b.v}; }     \
  MO_INLINE Vec<T> where(Vec<T>::Mask m, Vec<T> a, Vec<T> b) {                       \
    return (Vec<T>::Native)((m.v & (Vec<T>::Bits)a.v) | (~m.v & (Vec<T>::Bits)b.v)); \
  }                                                                                  \
  MO_INLINE Vec<T> min(Vec<T> a, Vec<T> b) { return where(a < b, a, b); }            \
  MO_INLINE Vec<T> max(Vec<T> a, Vec<T> b) { return where(a > b, a, b); }            \
  MO_INLINE Vec<T> abs(Vec<T> a) {                                                   \
    return (Vec<T>::Native)((Vec<T>::Bits)a.v & ~(Vec<T>::Bits)(-Vec<T>::Native{})); \
  }                                                                                  \
  MO_BASELINE_LANES(T, N, sqrt, __builtin_sqrt)                                      \
  MO_BASELINE_LANES(T, N, floor, __builtin_floor)                                    \
  MO_BASELINE_LANES(T, N, ceil, __builtin_ceil)                                      \
  MO_BASELINE_LANES(T, N, trunc, __builtin_trunc)                                    \
  MO_BASELINE_LANES(T, N, round, __builtin_rint)
// Double arithmetic on a float, rounded to float, is exact for these five.
#define MO_BASELINE_LANES(T, N, name, builtin)                              \
  MO_INLINE Vec<T> name(Vec<T> a) {                                         \
    Vec<T> out;                                                             \
    for (int i = 0; i < N; ++i) out.v[i] = static_cast<T>(builtin(a.v[i])); \
    return out;                                                             \
  }

MO_BASELINE_VEC(float, int32_t, 4)
MO_BASELINE_VEC(double, int64_t, 2)
// A literal like 0.5 is a double; it becomes a float vector by rounding once.
#undef MO_BASELINE_VEC
#undef MO_BASELINE_LANES

using VecF = Vec<float>;
using VecD = Vec<double>;

MO_ISA_END
