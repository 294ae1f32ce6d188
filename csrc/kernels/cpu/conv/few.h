// With one output channel or two there are no rows of weights to share an input: kHigh rows of one vector of
// outputs at a time, each straight from the input.
#pragma once
#include "kernels/cpu/gemm/planes.h"

MO_ISA_BEGIN

inline constexpr int kHighRows = 8;

template <class T, int kHigh, bool kWhole>
__attribute__((noinline)) void few_tile(int64_t k, const T* w, int64_t w_step, const T* x,
                                        const int64_t* offset, int64_t x_row, T* y, int64_t y_row,
                                        int64_t y_col, int64_t lanes, const T* bias, bool from_y) {
  using V = Vec<T>;
  V acc[kHigh];
  alignas(64) T buffer[V::kLanes];
  V(0).store(buffer);
#pragma GCC unroll 8
  for (int i = 0; i < kHigh; ++i) {
    acc[i] = V(0);
    if (!from_y) continue;
    for (int64_t j = 0; j < lanes; ++j) buffer[j] = y[i * y_row + j * y_col];
    acc[i] = V::load(buffer);
  }
  for (int64_t l = 0; l < k; ++l) {
    const V weight(w[l * w_step]);
    const T* from = x + offset[l];
#pragma GCC unroll 8
    for (int i = 0; i < kHigh; ++i)
      acc[i] = fma(weight, kWhole ? V::load(from + i * x_row) : V::load(from + i * x_row, lanes), acc[i]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < kHigh; ++i) {
    const V sum = bias ? acc[i] + V(*bias) : acc[i];
    T* const to = y + i * y_row;
    if (y_col == 1) {
      store_first(sum, to, lanes);
    } else {
      sum.store(buffer);
      spread_out(to, buffer, lanes, y_col);
    }
  }
}

MO_ISA_END
