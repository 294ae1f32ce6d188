// Block functions made from formulas: full vectors, then a masked one with the same formula. Integers go one
// by one and are left to the compiler.
#pragma once
#include "kernels/cpu/elementwise/kernel.h"
#include "kernels/cpu/vec_special.h"

MO_ISA_BEGIN

// F::of(a, b, c) on vectors or on Int.
template <class F, int kInputs, class C>
void map_block(void* out_, const void* a_, const void* b_, const void* c_, int64_t n, int64_t repeated) {
  auto* out = static_cast<C*>(out_);
  auto *a = static_cast<const C*>(a_), *b = static_cast<const C*>(b_), *c = static_cast<const C*>(c_);
  if constexpr (__is_same(C, int64_t)) {
    for (int64_t i = 0; i < n; ++i) {
      out[i] = F::of(Int(a[i]), Int(kInputs > 1 ? b[i] : 0), Int(kInputs > 2 ? c[i] : 0)).v;
    }
  } else {
    using V = Vec<C>;
    constexpr int kLanes = V::kLanes;
    const V zero(0.0);
    const int64_t step_a = repeated & 1 ? 0 : kLanes, step_b = repeated & 2 ? 0 : kLanes,
                  step_c = repeated & 4 ? 0 : kLanes;
    for (; n >= kLanes; n -= kLanes, out += kLanes, a += step_a, b += step_b, c += step_c)
      F::of(V::load(a), kInputs > 1 ? V::load(b) : zero, kInputs > 2 ? V::load(c) : zero).store(out);
    if (n) {
      F::of(V::load(a, n), kInputs > 1 ? V::load(b, n) : zero, kInputs > 2 ? V::load(c, n) : zero)
          .store(out, n);
    }
  }
}

// F::of(a, b) gives a mask or a bool; the result is one byte an element.
template <class F, int kInputs, class C>
void test_block(void* out_, const void* a_, const void* b_, const void*, int64_t n, int64_t repeated) {
  auto* out = static_cast<uint8_t*>(out_);
  auto *a = static_cast<const C*>(a_), *b = static_cast<const C*>(b_);
  if constexpr (__is_same(C, int64_t)) {
    for (int64_t i = 0; i < n; ++i) out[i] = F::of(Int(a[i]), Int(kInputs > 1 ? b[i] : 0));
  } else {
    using V = Vec<C>;
    constexpr int kLanes = V::kLanes;
    const V zero(0.0);
    const int64_t step_a = repeated & 1 ? 0 : kLanes, step_b = repeated & 2 ? 0 : kLanes;
    for (; n >= kLanes; n -= kLanes, out += kLanes, a += step_a, b += step_b)
      store_bytes(F::of(V::load(a), kInputs > 1 ? V::load(b) : zero), out);
    if (n) {
      uint8_t bytes[kLanes];
      store_bytes(F::of(V::load(a, n), kInputs > 1 ? V::load(b, n) : zero), bytes);
      for (int64_t k = 0; k < n; ++k) out[k] = bytes[k];
    }
  }
}

MO_ISA_END
