// Vec on any machine: 16-byte vectors of the compiler, SSE2 on x86-64. No fused multiply-add here.
#pragma once

MO_ISA_BEGIN

// Whether fma() rounds once.
inline constexpr bool kFusedMultiplyAdd = false;

template <class U>
inline constexpr bool kIsNumber = false;
template <>
inline constexpr bool kIsNumber<int> = true;
template <>
inline constexpr bool kIsNumber<float> = true;
template <>
inline constexpr bool kIsNumber<double> = true;

template <class T, class I, class U, int N>
struct VecOf {
  using Scalar = T;
  typedef T Native __attribute__((vector_size(16)));
  typedef U Unsigned __attribute__((vector_size(16)));
  typedef I Bits __attribute__((vector_size(16)));
  struct Mask {
    Bits v;
    friend MO_INLINE Mask operator&(Mask a, Mask b) { return {a.v & b.v}; }
    friend MO_INLINE Mask operator|(Mask a, Mask b) { return {a.v | b.v}; }
    friend MO_INLINE Mask operator^(Mask a, Mask b) { return {a.v ^ b.v}; }
    friend MO_INLINE Mask operator~(Mask a) { return {~a.v}; }
    friend MO_INLINE bool any(Mask a) {
      bool found = false;
      for (int i = 0; i < N; ++i) found |= a.v[i] != 0;
      return found;
    }
  };
  static constexpr int kLanes = N;
};

#define MO_BASELINE_VEC(T, I, U, N)                                                  \
  template <>                                                                        \
  struct Vec<T> : VecOf<T, I, U, N> {                                                \
    Native v;                                                                        \
    Vec() = default;                                                                 \
    MO_INLINE Vec(Native x) : v(x) {}                                                \
    template <class W>                                                               \
      requires kIsNumber<W>                                                          \
    MO_INLINE Vec(W x) : v(static_cast<T>(x) - Native{}) {}                          \
    static MO_INLINE Vec bits(int64_t x) {                                           \
      return (Native)(static_cast<I>(x) - typename VecOf<T, I, U, N>::Bits{});       \
    }                                                                                \
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
  MO_INLINE Vec<T> bit_and(Vec<T> a, Vec<T> b) {                                     \
    return (Vec<T>::Native)((Vec<T>::Bits)a.v & (Vec<T>::Bits)b.v);                  \
  }                                                                                  \
  MO_INLINE Vec<T> bit_or(Vec<T> a, Vec<T> b) {                                      \
    return (Vec<T>::Native)((Vec<T>::Bits)a.v | (Vec<T>::Bits)b.v);                  \
  }                                                                                  \
  MO_INLINE Vec<T> bit_xor(Vec<T> a, Vec<T> b) {                                     \
    return (Vec<T>::Native)((Vec<T>::Bits)a.v ^ (Vec<T>::Bits)b.v);                  \
  }                                                                                  \
  template <int kBits>                                                               \
  MO_INLINE Vec<T> shift_left(Vec<T> a) {                                            \
    return (Vec<T>::Native)((Vec<T>::Unsigned)a.v << kBits);                         \
  }                                                                                  \
  template <int kBits>                                                               \
  MO_INLINE Vec<T> shift_right(Vec<T> a) {                                           \
    return (Vec<T>::Native)((Vec<T>::Unsigned)a.v >> kBits);                         \
  }                                                                                  \
  MO_BASELINE_LANES(T, N, sqrt, __builtin_sqrt)
// The square root in double of a float, rounded to float, is the float's own.
#define MO_BASELINE_LANES(T, N, name, builtin)                              \
  MO_INLINE Vec<T> name(Vec<T> a) {                                         \
    Vec<T> out;                                                             \
    for (int i = 0; i < N; ++i) out.v[i] = static_cast<T>(builtin(a.v[i])); \
    return out;                                                             \
  }

MO_BASELINE_VEC(float, int32_t, uint32_t, 4)
MO_BASELINE_VEC(double, int64_t, uint64_t, 2)
// A literal like 0.5 is a double; it becomes a float vector by rounding once.
#undef MO_BASELINE_VEC
#undef MO_BASELINE_LANES

using VecF = Vec<float>;
using VecD = Vec<double>;

// Adding and subtracting 2^mantissa rounds to even; what is larger is an integer already.
#define MO_BASELINE_ROUND(V, limit)                                      \
  MO_INLINE V round(V a) {                                               \
    const V size = abs(a), whole = (size + V(limit)) - V(limit);         \
    const V sign = bit_and(a, -V(0.0));                                  \
    return where(size < V(limit), bit_or(whole, sign), a);               \
  }                                                                      \
  MO_INLINE V trunc(V a) {                                               \
    const V size = abs(a), whole = (size + V(limit)) - V(limit);         \
    const V down = where(whole > size, whole - V(1.0), whole);           \
    return where(size < V(limit), bit_or(down, bit_and(a, -V(0.0))), a); \
  }                                                                      \
  MO_INLINE V floor(V a) {                                               \
    const V whole = trunc(a);                                            \
    return where(whole > a, whole - V(1.0), whole);                      \
  }                                                                      \
  MO_INLINE V ceil(V a) { return -floor(-a); }
MO_BASELINE_ROUND(VecF, 0x1p23)
MO_BASELINE_ROUND(VecD, 0x1p52)
#undef MO_BASELINE_ROUND

// The low and the high half as doubles, and back with one rounding.
MO_INLINE void widen(VecF a, VecD* low, VecD* high) {
  low->v = VecD::Native{a.v[0], a.v[1]};
  high->v = VecD::Native{a.v[2], a.v[3]};
}
MO_INLINE VecF narrow(VecD low, VecD high) {
  return VecF::Native{static_cast<float>(low.v[0]), static_cast<float>(low.v[1]),
                      static_cast<float>(high.v[0]), static_cast<float>(high.v[1])};
}
// One byte a lane, 0 or 1.
MO_INLINE void store_bytes(VecF::Mask m, uint8_t* p) {
  for (int i = 0; i < 4; ++i) p[i] = m.v[i] != 0;
}
MO_INLINE void store_bytes(VecD::Mask m, uint8_t* p) {
  for (int i = 0; i < 2; ++i) p[i] = m.v[i] != 0;
}

MO_ISA_END
