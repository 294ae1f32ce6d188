// How one element written by an index combines with what is there, for the reference and the CPU kernels.
#pragma once
#include "contract/index.h"
#include "kernels/common/scalar.h"

namespace markone::MARKONE_ISA {
namespace {

template <int kMode, class X>
MO_SCALAR X combine_numbers(X a, X b) {
  if constexpr (kMode == kWriteAdd) {
    return a + b;
  } else if constexpr (kMode == kWriteMul) {
    return a * b;
  } else if constexpr (kMode == kWriteMax) {
    return b != b || b > a ? b : a;
  } else {
    return b != b || b < a ? b : a;
  }
}
template <int kMode, class T>
MO_SCALAR T combine_one(T a, T b) {
  if constexpr (kMode == kWritePut) {
    return b;
  } else if constexpr (__is_same(T, float) || __is_same(T, double)) {
    return combine_numbers<kMode>(a, b);
  } else if constexpr (__is_same(T, BF16) || __is_same(T, F16)) {
    return cast_one<T>(combine_numbers<kMode>(to_float(a), to_float(b)));
  } else {
    return cast_one<T>(combine_numbers<kMode>(Int(static_cast<int64_t>(Widen<T>::of(a))),
                                              Int(static_cast<int64_t>(Widen<T>::of(b))))
                           .v);
  }
}
// A negative mode reads x, the others write it.
template <int kMode, class T>
MO_SCALAR void act(T* x, T* y) {
  if constexpr (kMode < 0) {
    *y = *x;
  } else {
    *x = combine_one<kMode>(*x, *y);
  }
}

}  // namespace
}  // namespace markone::MARKONE_ISA
