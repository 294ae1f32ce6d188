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

// Outputs of all channels, `width` numbers apart, turned on their way to and from y. Whole blocks of lanes
// are written and read.
template <class T>
__attribute__((noinline)) void load_turned(T* lanes, int64_t width, int rows, const LanesOut<T>& out) {
  using V = Vec<T>;
  constexpr int kN = V::kLanes;
  for (int64_t c0 = 0; c0 < width; c0 += kN) {
    for (int i0 = 0; i0 < rows; i0 += kN) {
      T turned[kN * kN];
      const int64_t count = smaller(kN, rows - i0);
      for (int64_t c = 0; c < kN; ++c)
        (c0 + c < out.channels ? V::load(out.y + (c0 + c) * out.row + i0, count) : V(0))
            .store(turned + c * kN);
      V block[kN];
#pragma GCC unroll 16
      for (int c = 0; c < kN; ++c) block[c] = V::load(turned + c * kN);
      transpose(block);
#pragma GCC unroll 16
      for (int i = 0; i < kN; ++i) block[i].store(lanes + (i0 + i) * width + c0);
    }
  }
}
template <class T>
__attribute__((noinline)) void store_turned(const T* lanes, int64_t width, int rows, const LanesOut<T>& out) {
  using V = Vec<T>;
  constexpr int kN = V::kLanes;
  for (int64_t c0 = 0; c0 < out.channels; c0 += kN) {
    for (int i0 = 0; i0 < rows; i0 += kN) {
      V block[kN];
#pragma GCC unroll 16
      for (int i = 0; i < kN; ++i) block[i] = V::load(lanes + (i0 + i) * width + c0);
      transpose(block);
      T turned[kN * kN];
#pragma GCC unroll 16
      for (int c = 0; c < kN; ++c) block[c].store(turned + c * kN);
      const int64_t count = smaller(kN, rows - i0), channels = smaller(kN, out.channels - c0);
      for (int64_t c = 0; c < channels; ++c)
        store_first(V::load(turned + c * kN), out.y + (c0 + c) * out.row + i0, count);
    }
  }
}

// The kTaps taps along a row at once, where a tile has one vector: each number of the image is broadcast once
// and not for every tap, because a tile of one vector is bound by its loads.
template <class T, int kRows, int kTaps>
MO_INLINE void multiply_taps(Vec<T> (&acc)[kRows][1], const T* x, const T* b) {
  Vec<T> taps[kTaps];
#pragma GCC unroll 8
  for (int s = 0; s < kTaps; ++s) taps[s] = Vec<T>::load(b + s * kLanes<T>);
#pragma GCC unroll 32
  for (int p = 0; p < kRows + kTaps - 1; ++p) {
    const Vec<T> v(x[p]);
#pragma GCC unroll 8
    for (int s = 0; s < kTaps; ++s) {
      if (p >= s && p - s < kRows) acc[p - s][0] = fma(v, taps[s], acc[p - s][0]);
    }
  }
}

template <class T, int kRows, int kVecs, int kTaps>
__attribute__((noinline)) void lanes_tile(const Runs& k, const PixelsA<T>& a, const T* b,
                                          const LanesOut<T>& out) {
  using V = Vec<T>;
  constexpr int64_t kWidth = kVecs * V::kLanes;
  V acc[kRows][kVecs];
  alignas(64) T lanes[parts(kRows, V::kLanes) * V::kLanes * kWidth];
  if (out.from_y) load_turned(lanes, kWidth, kRows, out);
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kVecs; ++j)
      acc[i][j] = out.from_y ? V::load(lanes + i * kWidth + j * V::kLanes) : V(0);
  }
  for (int64_t i = 0, l = k.first; i < k.count; ++i, l += k.step) {
    if constexpr (kTaps > 1) {
      for (int64_t m = l; m < l + k.length; m += kTaps)
        multiply_taps<T, kRows, kTaps>(acc, a.p + a.offset[m], b + m * kWidth);
    } else {
      multiply<T, kRows, kVecs>(acc, k.length, PixelsA<T>{a.p, a.offset + l},
                                RowsB<T>{b + l * kWidth, kWidth});
    }
  }
  if (out.bias) {
#pragma GCC unroll 8
    for (int j = 0; j < kVecs; ++j) {
      const V bias = V::load(out.bias + j * V::kLanes, lanes_of<T>(out.channels, j));
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) acc[i][j] = acc[i][j] + bias;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kVecs; ++j) acc[i][j].store(lanes + i * kWidth + j * V::kLanes);
  }
  store_turned(lanes, kWidth, kRows, out);
}

MO_ISA_END
