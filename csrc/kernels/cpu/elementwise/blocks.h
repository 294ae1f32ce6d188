// Block functions made from formulas: full vectors, then a masked one with the same formula. Integers go one
// by one and are left to the compiler.
#pragma once
#include "kernels/cpu/elementwise/kernel.h"
#include "kernels/cpu/vec_special.h"

MO_ISA_BEGIN

// F::of(a, b, c) on vectors or on Int.
template <class F, int kInputs, class C>
void map_block(void* out_, const void* a_, const void* b_, const void* c_, int64_t n) {
  auto* out = static_cast<C*>(out_);
  auto *a = static_cast<const C*>(a_), *b = static_cast<const C*>(b_), *c = static_cast<const C*>(c_);
  if constexpr (__is_same(C, int64_t)) {
    for (int64_t i = 0; i < n; ++i) {
      out[i] = F::of(Int(a[i]), Int(kInputs > 1 ? b[i] : 0), Int(kInputs > 2 ? c[i] : 0)).v;
    }
  } else {
    using V = Vec<C>;
    constexpr int kLanes = V::kLanes;
    int64_t i = 0;
    const V zero(0.0);
    for (; i + kLanes <= n; i += kLanes) {
      F::of(V::load(a + i), kInputs > 1 ? V::load(b + i) : zero, kInputs > 2 ? V::load(c + i) : zero)
          .store(out + i);
    }
    if (const int64_t m = n - i) {
      F::of(V::load(a + i, m), kInputs > 1 ? V::load(b + i, m) : zero, kInputs > 2 ? V::load(c + i, m) : zero)
          .store(out + i, m);
    }
  }
}

// F::of(a, b) gives a mask or a bool; the result is one byte an element.
template <class F, int kInputs, class C>
void test_block(void* out_, const void* a_, const void* b_, const void*, int64_t n) {
  auto* out = static_cast<uint8_t*>(out_);
  auto *a = static_cast<const C*>(a_), *b = static_cast<const C*>(b_);
  if constexpr (__is_same(C, int64_t)) {
    for (int64_t i = 0; i < n; ++i) out[i] = F::of(Int(a[i]), Int(kInputs > 1 ? b[i] : 0));
  } else {
    using V = Vec<C>;
    constexpr int kLanes = V::kLanes;
    int64_t i = 0;
    const V zero(0.0);
    for (; i + kLanes <= n; i += kLanes) {
      store_bytes(F::of(V::load(a + i), kInputs > 1 ? V::load(b + i) : zero), out + i);
    }
    if (const int64_t m = n - i) {
      uint8_t bytes[kLanes];
      store_bytes(F::of(V::load(a + i, m), kInputs > 1 ? V::load(b + i, m) : zero), bytes);
      for (int64_t k = 0; k < m; ++k) out[i + k] = bytes[k];
    }
  }
}

MO_ISA_END
