// Packing into panels: element (l, i) of a panel of `width` goes to l * width + i, so that the micro-kernel
// reads one line after the other. What is missing at the edge becomes zero.
#pragma once
#include "kernels/cpu/gemm/halves.h"
#include "kernels/cpu/gemm/tile.h"
#include "kernels/cpu/vec_shuffle.h"

MO_ISA_BEGIN

// What a packed panel may write past its end.
inline constexpr int64_t kPackSlack = 16;

// src(l, i) = src[i * stride_i + l * stride_l] for i < count <= width, l < depth. May write up to kPackSlack
// numbers past the panel.
template <class T, class Source = T>
void pack(T* dst, const Source* src, int64_t stride_i, int64_t stride_l, int64_t count, int64_t depth,
          int64_t width) {
  using V = Vec<T>;
  constexpr int64_t kN = V::kLanes;
  if (stride_i == 1 && width % kN == 0) {
    for (int64_t l = 0; l < depth; ++l) {
      const Source* from = src + l * stride_l;
      T* to = dst + l * width;
      int64_t i = 0;
      for (; i + kN <= count; i += kN) load_as(from + i).store(to + i);
      for (; i < width; i += kN) load_as(from + i, i < count ? count - i : 0).store(to + i);
    }
  } else if (stride_i == 1 && width <= kN) {
    // The next line covers what a store writes too much.
    for (int64_t l = 0; l < depth; ++l) load_as(src + l * stride_l, count).store(dst + l * width);
  } else if (stride_l == 1 && (width <= kN || width % kN == 0)) {
    // kN rows of the source at a time, each a stream of its own. A store writes a whole vector; where the
    // panel is narrower the next one covers the rest.
    for (int64_t i = 0; i < width; i += kN) {
      for (int64_t l = 0; l < depth; l += kN) {
        const int64_t n = depth - l < kN ? depth - l : kN;
        V rows[kN];
#pragma GCC unroll 16
        for (int r = 0; r < kN; ++r) {
          const Source* from = src + (i + r) * stride_i + l;
          rows[r] = i + r >= count ? V(0) : n == kN ? load_as(from) : load_as(from, n);
        }
        transpose(rows);
#pragma GCC unroll 16
        for (int r = 0; r < kN; ++r) {
          if (r < n) rows[r].store(dst + (l + r) * width + i);
        }
      }
    }
  } else {
    for (int64_t l = 0; l < depth; ++l) {
      for (int64_t i = 0; i < count; ++i) dst[l * width + i] = number_of(src[i * stride_i + l * stride_l]);
      for (int64_t i = count; i < width; ++i) dst[l * width + i] = 0;
    }
  }
}

MO_ISA_END
