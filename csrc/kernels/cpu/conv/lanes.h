// The other way round: the lanes of a vector are output channels and the rows of a tile are neighbouring
// outputs of one image row, each read from the image where it lies. No column falls between two rows, so
// narrow images lose nothing. Each output is the same sum in the same order.
#pragma once
#include "kernels/cpu/gemm/pack.h"

MO_ISA_BEGIN

// Packed weights are panels of a tile's width; with few channels left, of one vector.
template <class T>
MO_INLINE int64_t lanes_width(int64_t left) {
  return left > kLanes<T> ? kTileCols<T> : kLanes<T>;
}
// What `rows` output channels take for each number of K.
template <class T>
MO_INLINE int64_t lanes_rows(int64_t rows) {
  const int64_t left = rows % kTileCols<T>;
  return rows - left + (left ? lanes_width<T>(left) : 0);
}

// The part of K that a tile adds: runs of `length`, `step` apart.
struct Runs {
  int64_t first, length, count, step;
};

// Element (l, i): the input of tap l for output i.
template <class T>
struct PixelsA {
  const T* p;
  const int64_t* offset;
  MO_INLINE T at(int64_t l, int i) const { return p[offset[l] + i]; }
};

// The outputs of channels [0, channels) go to y + channel * row + i.
template <class T>
struct LanesOut {
  T* y;
  int64_t row, channels;
  bool from_y;
  const T* bias;  // a number a channel, or null
};

// kLanes vectors beside each other as rows of channels, and back: kRows outputs of kLanes channels.
template <class T, int kRows, int kVecs>
MO_INLINE void load_turned(Vec<T> (&acc)[kRows][kVecs], const LanesOut<T>& out) {
  using V = Vec<T>;
  constexpr int kN = V::kLanes;
#pragma GCC unroll 4
  for (int j = 0; j < kVecs; ++j) {
#pragma GCC unroll 4
    for (int i0 = 0; i0 < kRows; i0 += kN) {
      V rows[kN];
#pragma GCC unroll 16
      for (int c = 0; c < kN; ++c)
        rows[c] = j * kN + c < out.channels
                      ? V::load(out.y + (j * kN + c) * out.row + i0, kRows - i0 < kN ? kRows - i0 : kN)
                      : V(0);
      transpose(rows);
#pragma GCC unroll 16
      for (int i = 0; i < kN; ++i) {
        if (i0 + i < kRows) acc[i0 + i][j] = rows[i];
      }
    }
  }
}
template <class T, int kRows, int kVecs>
MO_INLINE void store_turned(const Vec<T> (&acc)[kRows][kVecs], const LanesOut<T>& out) {
  using V = Vec<T>;
  constexpr int kN = V::kLanes;
#pragma GCC unroll 4
  for (int j = 0; j < kVecs; ++j) {
#pragma GCC unroll 4
    for (int i0 = 0; i0 < kRows; i0 += kN) {
      V rows[kN];
#pragma GCC unroll 16
      for (int i = 0; i < kN; ++i) rows[i] = i0 + i < kRows ? acc[i0 + i < kRows ? i0 + i : 0][j] : V(0);
      transpose(rows);
#pragma GCC unroll 16
      for (int c = 0; c < kN; ++c) {
        if (j * kN + c < out.channels)
          store_first(rows[c], out.y + (j * kN + c) * out.row + i0, kRows - i0 < kN ? kRows - i0 : kN);
      }
    }
  }
}

template <class T, int kRows, int kVecs>
__attribute__((noinline)) void lanes_tile(const Runs& k, const PixelsA<T>& a, const T* b,
                                          const LanesOut<T>& out) {
  using V = Vec<T>;
  constexpr int64_t kWidth = kVecs * V::kLanes;
  V acc[kRows][kVecs];
  if (out.from_y) {
    load_turned<T, kRows, kVecs>(acc, out);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVecs; ++j) acc[i][j] = V(0);
    }
  }
  for (int64_t i = 0, l = k.first; i < k.count; ++i, l += k.step)
    multiply<T, kRows, kVecs>(acc, k.length, PixelsA<T>{a.p, a.offset + l}, RowsB<T>{b + l * kWidth, kWidth});
  if (out.bias) {
#pragma GCC unroll 8
    for (int j = 0; j < kVecs; ++j) {
      const V bias = V::load(out.bias + j * V::kLanes, lanes_of<T>(out.channels, j));
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) acc[i][j] = acc[i][j] + bias;
    }
  }
  store_turned<T, kRows, kVecs>(acc, out);
}

MO_ISA_END
