// Elements as numbers: loads and stores by type, and the functions that the lists' formulas use.
#pragma once
#define MARKONE_ISA cuda
#define MO_SCALAR __host__ __device__ __forceinline__
#define MO_INLINE __host__ __device__ inline
#define MO_SHARED __host__ __device__
#include "contract/dtype.h"
#include "kernels/common/special.h"

namespace markone::cuda {
namespace {

// A floating number of the formulas: their constants, which are doubles, take its type, so that a float
// kernel has no double arithmetic in it.
template <class T>
struct Real {
  T v;
  Real() = default;
  MO_SCALAR Real(T x) : v(x) {}
  template <class Other>
  MO_SCALAR Real(Other x) : v(static_cast<T>(x)) {}
};
template <class T>
struct IsReal {
  static constexpr bool value = false;
};
template <class T>
struct IsReal<Real<T>> {
  static constexpr bool value = true;
};
#define MO_REAL_OPERATOR(symbol)                            \
  template <class T>                                        \
  MO_SCALAR Real<T> operator symbol(Real<T> a, Real<T> b) { \
    return a.v symbol b.v;                                  \
  }                                                         \
  template <class T>                                        \
  MO_SCALAR Real<T> operator symbol(Real<T> a, double b) {  \
    return a.v symbol static_cast<T>(b);                    \
  }                                                         \
  template <class T>                                        \
  MO_SCALAR Real<T> operator symbol(double a, Real<T> b) {  \
    return static_cast<T>(a) symbol b.v;                    \
  }
MO_REAL_OPERATOR(+)
MO_REAL_OPERATOR(-)
MO_REAL_OPERATOR(*)
MO_REAL_OPERATOR(/)
#undef MO_REAL_OPERATOR
template <class T>
MO_SCALAR Real<T> operator-(Real<T> a) {
  return -a.v;
}
#define MO_REAL_COMPARISON(symbol)                       \
  template <class T>                                     \
  MO_SCALAR bool operator symbol(Real<T> a, Real<T> b) { \
    return a.v symbol b.v;                               \
  }                                                      \
  template <class T>                                     \
  MO_SCALAR bool operator symbol(Real<T> a, double b) {  \
    return a.v symbol static_cast<T>(b);                 \
  }
MO_REAL_COMPARISON(<)
MO_REAL_COMPARISON(<=)
MO_REAL_COMPARISON(>)
MO_REAL_COMPARISON(>=)
MO_REAL_COMPARISON(==)
MO_REAL_COMPARISON(!=)
#undef MO_REAL_COMPARISON

// Functions of CUDA's library that stay below the lists' bounds in float.
#define MO_REAL_FUNCTION(name)                                         \
  MO_SCALAR Real<float> name(Real<float> x) { return ::name##f(x.v); } \
  MO_SCALAR Real<double> name(Real<double> x) { return ::name(x.v); }
MO_REAL_FUNCTION(exp)
MO_REAL_FUNCTION(exp2)
MO_REAL_FUNCTION(expm1)
MO_REAL_FUNCTION(log)
MO_REAL_FUNCTION(log1p)
MO_REAL_FUNCTION(log2)
MO_REAL_FUNCTION(log10)
MO_REAL_FUNCTION(sin)
MO_REAL_FUNCTION(cos)
MO_REAL_FUNCTION(tanh)
MO_REAL_FUNCTION(erf)
MO_REAL_FUNCTION(sqrt)
MO_REAL_FUNCTION(floor)
MO_REAL_FUNCTION(ceil)
MO_REAL_FUNCTION(trunc)
MO_REAL_FUNCTION(atan)
MO_REAL_FUNCTION(sinh)
MO_REAL_FUNCTION(cosh)
MO_REAL_FUNCTION(asinh)
MO_REAL_FUNCTION(acosh)
MO_REAL_FUNCTION(atanh)
#undef MO_REAL_FUNCTION
// The normal distribution function.
template <class T>
MO_SCALAR Real<T> ndtr(Real<T> x) {
  return 0.5 * (1.0 + erf(x * 0.7071067811865476));
}
// The lists' names for these on part of the numbers.
template <class T>
MO_SCALAR Real<T> exp_low(Real<T> x) {
  return exp(x);
}
template <class T>
MO_SCALAR Real<T> log1p_unit(Real<T> x) {
  return log1p(x);
}

// Functions that do not, or that have no float form: in double.
#define MO_DOUBLE_FUNCTION(name, call)                     \
  template <class T>                                       \
  MO_SCALAR Real<T> name(Real<T> x) {                      \
    return static_cast<T>(call(static_cast<double>(x.v))); \
  }
MO_DOUBLE_FUNCTION(tan, ::tan)
MO_DOUBLE_FUNCTION(erfc, ::erfc)
MO_DOUBLE_FUNCTION(erfinv, erfinv_of)
MO_DOUBLE_FUNCTION(lgamma, log_gamma)
MO_DOUBLE_FUNCTION(digamma, digamma_of)
#undef MO_DOUBLE_FUNCTION
#define MO_DOUBLE_FUNCTION_2(name, call)                                             \
  template <class T>                                                                 \
  MO_SCALAR Real<T> name(Real<T> a, Real<T> b) {                                     \
    return static_cast<T>(call(static_cast<double>(a.v), static_cast<double>(b.v))); \
  }                                                                                  \
  template <class T>                                                                 \
  MO_SCALAR Real<T> name(Real<T> a, double b) {                                      \
    return name(a, Real<T>(b));                                                      \
  }
MO_DOUBLE_FUNCTION_2(pow, ::pow)
MO_DOUBLE_FUNCTION_2(atan2, ::atan2)
MO_DOUBLE_FUNCTION_2(hypot, ::hypot)
MO_DOUBLE_FUNCTION_2(polygamma, polygamma_of)
#undef MO_DOUBLE_FUNCTION_2

template <class T>
MO_SCALAR Real<T> abs(Real<T> x) {
  return x.v < 0 ? -x.v : x.v == 0 ? T(0) : x.v;
}
MO_SCALAR Real<float> round(Real<float> x) { return ::nearbyintf(x.v); }
MO_SCALAR Real<double> round(Real<double> x) { return ::nearbyint(x.v); }
template <class T>
MO_SCALAR Real<T> sign(Real<T> x) {
  return x.v > 0 ? T(1) : x.v < 0 ? T(-1) : x.v;
}
template <class T>
MO_SCALAR Real<T> square(Real<T> x) {
  return x.v * x.v;
}
MO_SCALAR Real<float> sigmoid(Real<float> x) { return 1.0f / (1.0f + ::expf(-x.v)); }
MO_SCALAR Real<double> sigmoid(Real<double> x) { return 1.0 / (1.0 + ::exp(-x.v)); }
template <class T>
MO_SCALAR Real<T> where(bool c, Real<T> a, Real<T> b) {
  return c ? a : b;
}
template <class T>
MO_SCALAR Real<T> where(bool c, double a, Real<T> b) {
  return c ? Real<T>(a) : b;
}
template <class T>
MO_SCALAR Real<T> where(bool c, Real<T> a, double b) {
  return c ? a : Real<T>(b);
}
MO_SCALAR double where(bool c, double a, double b) { return c ? a : b; }
MO_SCALAR double fmod_of(double a, double b) { return ::fmod(a, b); }
template <class T>
MO_SCALAR Real<T> fmod(Real<T> a, Real<T> b) {
  return static_cast<T>(fmod_of(a.v, b.v));
}
template <class T>
MO_SCALAR Real<T> remainder(Real<T> a, Real<T> b) {
  const T r = fmod(a, b).v;
  return r != 0 && (r < 0) != (b.v < 0) ? r + b.v : r;
}
template <class T>
MO_SCALAR Real<T> floor_divide(Real<T> x, Real<T> y) {
  const double a = x.v, b = y.v;
  if (b == 0) return static_cast<T>(a / b);
  const double r = fmod_of(a, b);
  double q = (a - r) / b;
  if (r != 0 && (r < 0) != (b < 0)) q -= 1;
  if (q == 0) return static_cast<T>(::copysign(0.0, a / b));
  const double down = ::floor(q);
  return static_cast<T>(q - down > 0.5 ? down + 1 : down);
}
template <class T>
MO_SCALAR Real<T> copysign(Real<T> a, Real<T> b) {
  return static_cast<T>(::copysign(static_cast<double>(a.v), static_cast<double>(b.v)));
}
template <class T>
MO_SCALAR bool signbit(Real<T> x) {
  return ::copysign(1.0, static_cast<double>(x.v)) < 0;
}
template <class T>
MO_SCALAR Real<T> sinc(Real<T> value) {
  const double x = value.v;
  if (x == 0) return T(1);
  const double n = ::nearbyint(x), sine = ::sin(kPi * (x - n));
  return static_cast<T>((::fmod(n, 2.0) == 0 ? sine : -sine) / (kPi * x));
}

// ---- elements by a type that is known at run time: a branch that all threads take alike ----

constexpr int kBytes[kDTypeCount] = {4, 8, 2, 2, 8, 4, 1, 1};

template <class T>
MO_SCALAR T element(const void* base, int64_t i) {
  return static_cast<const T*>(base)[i];
}
template <class T>
MO_SCALAR void put(void* base, int64_t i, T x) {
  static_cast<T*>(base)[i] = x;
}

// The computed type of a kernel: Real<float> for float32 and the halves, Real<double>, Int.
MO_SCALAR void load(const void* base, int type, int64_t i, Real<float>* out) {
  if (type == kF32) {
    out->v = element<float>(base, i);
  } else if (type == kBF16) {
    out->v = to_float(element<BF16>(base, i));
  } else {
    out->v = to_float(element<F16>(base, i));
  }
}
MO_SCALAR void load(const void* base, int, int64_t i, Real<double>* out) {
  out->v = element<double>(base, i);
}
MO_SCALAR void load(const void* base, int type, int64_t i, Int* out) {
  if (type == kI64) {
    out->v = element<int64_t>(base, i);
  } else if (type == kI32) {
    out->v = element<int32_t>(base, i);
  } else if (type == kU8) {
    out->v = element<uint8_t>(base, i);
  } else {
    out->v = element<uint8_t>(base, i) != 0;
  }
}
MO_SCALAR void store(void* base, int type, int64_t i, Real<float> x) {
  if (type == kF32) {
    put<float>(base, i, x.v);
  } else if (type == kBF16) {
    put<BF16>(base, i, to_bf16(x.v));
  } else {
    put<F16>(base, i, to_f16(x.v));
  }
}
MO_SCALAR void store(void* base, int, int64_t i, Real<double> x) { put<double>(base, i, x.v); }
MO_SCALAR void store(void* base, int type, int64_t i, Int x) {
  if (type == kI64) {
    put<int64_t>(base, i, x.v);
  } else if (type == kI32) {
    put<int32_t>(base, i, static_cast<int32_t>(x.v));
  } else if (type == kU8) {
    put<uint8_t>(base, i, static_cast<uint8_t>(x.v));
  } else {
    put<uint8_t>(base, i, x.v != 0);
  }
}
MO_SCALAR void store(void* base, int, int64_t i, bool x) { put<uint8_t>(base, i, x); }

}  // namespace
}  // namespace markone::cuda
