// Lanes moved about: a block of registers transposed, and one register rotated.
#pragma once
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

template <int... kI>
struct Places {};
template <int kN, int... kI>
struct CountTo : CountTo<kN - 1, kN - 1, kI...> {};
template <int... kI>
struct CountTo<0, kI...> {
  using Type = Places<kI...>;
};

// One step of a transposition: swaps the blocks of kHalf lanes off the diagonal.
template <int kHalf, class V, int... kI>
MO_INLINE void exchange(V& a, V& b, Places<kI...>) {
  constexpr int kN = V::kLanes;
  const auto low = __builtin_shufflevector(a.v, b.v, ((kI & kHalf) ? kN + kI - kHalf : kI)...);
  const auto high = __builtin_shufflevector(a.v, b.v, ((kI & kHalf) ? kN + kI : kI + kHalf)...);
  a.v = low;
  b.v = high;
}
template <int kHalf, class V>
MO_INLINE void transpose_from(V (&rows)[V::kLanes]) {
  if constexpr (kHalf < V::kLanes) {
#pragma GCC unroll 16
    for (int i = 0; i < V::kLanes; ++i) {
      if (!(i & kHalf)) exchange<kHalf>(rows[i], rows[i + kHalf], typename CountTo<V::kLanes>::Type());
    }
    transpose_from<kHalf * 2>(rows);
  }
}
template <class V>
MO_INLINE void transpose(V (&rows)[V::kLanes]) {
  transpose_from<1>(rows);
}

template <int kBy, class V, int... kI>
MO_INLINE V rotate_places(V a, Places<kI...>) {
  return __builtin_shufflevector(a.v, a.v, ((kI + kBy) % V::kLanes)...);
}
// Lane i is what was lane i + kBy, counted around.
template <int kBy, class T>
MO_INLINE Vec<T> rotate(Vec<T> a) {
  return rotate_places<kBy>(a, typename CountTo<Vec<T>::kLanes>::Type());
}
template <class T>
MO_INLINE T first_lane(Vec<T> a) {
  return static_cast<T>(a.v[0]);
}

MO_ISA_END
