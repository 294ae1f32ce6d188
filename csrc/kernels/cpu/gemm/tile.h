// The micro-kernel: a tile of outputs held in registers while K goes by. Every product of matrices, and every
// convolution, ends here, and each output is acc = fma(a, b, acc) for one k after the other.
#pragma once
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

// Rows and vectors of a tile fill the registers: rows * vecs accumulators, the vectors of B, and a broadcast
// of A or two.
#if defined(MARKONE_ISA_avx512)
inline constexpr int kTileRows = 14, kTileVecs = 2;  // 28 + 2 + 2 of 32
#elif defined(MARKONE_ISA_avx2)
inline constexpr int kTileRows = 6, kTileVecs = 2;  // 12 + 2 + 2 of 16
#elif defined(MARKONE_ISA_neon)
inline constexpr int kTileRows = 8, kTileVecs = 3;  // 24 + 3 + 2 of 32
#else
inline constexpr int kTileRows = 4, kTileVecs = 2;  // 8 + 2 + 1 and a product, of 16
#endif
// With one or two rows there is room for wider tiles, and their latency wants it.
inline constexpr int kWideVecs = 4;

template <class T>
inline constexpr int kLanes = Vec<T>::kLanes;
template <class T>
inline constexpr int kTileCols = kTileVecs * kLanes<T>;

MO_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr MO_INLINE int64_t parts(int64_t n, int64_t size) { return (n + size - 1) / size; }

// How m rows are cut into panels of nearly equal height: few rows would wait for the latency of the adder.
struct Panels {
  int64_t count, base, longer;
  MO_INLINE explicit Panels(int64_t m) {
    count = (m + kTileRows - 1) / kTileRows;
    base = count ? m / count : 0;
    longer = count ? m % count : 0;
  }
  MO_INLINE int64_t start(int64_t i) const { return i * base + (i < longer ? i : longer); }
  MO_INLINE int rows(int64_t i) const { return static_cast<int>(base + (i < longer)); }
  // Those from `first` on, at most `size` of them; their starts count from start(first).
  MO_INLINE Panels some(int64_t first, int64_t size) const {
    Panels part(*this);
    part.count = smaller(size, count - first);
    part.longer = longer < first ? 0 : longer - first;
    return part;
  }
};

// Where element (l, i) of A is: packed as l * kRows + i, or in memory with any strides.
template <class T, int kRows>
struct PackedA {
  const T* p;
  MO_INLINE T at(int64_t l, int i) const { return p[l * kRows + i]; }
};
template <class T>
struct StridedA {
  const T* p;
  int64_t row, col;
  MO_INLINE T at(int64_t l, int i) const { return p[i * row + l * col]; }
};

// The number of lanes of vector j in a tile of `cols` columns.
template <class T>
MO_INLINE int64_t lanes_of(int64_t cols, int j) {
  const int64_t n = cols - j * kLanes<T>;
  return n < 0 ? 0 : n > kLanes<T> ? kLanes<T> : n;
}

// Exactly n < kLanes numbers.
template <class T>
MO_INLINE void copy_few(T* to, const T* from, int64_t n) {
  if constexpr (kLanes<T> > 8) {
    if (n & 8) {
      __builtin_memcpy(to, from, 8 * sizeof(T));
      to += 8, from += 8;
    }
  }
  if constexpr (kLanes<T> > 4) {
    if (n & 4) {
      __builtin_memcpy(to, from, 4 * sizeof(T));
      to += 4, from += 4;
    }
  }
  if constexpr (kLanes<T> > 2) {
    if (n & 2) {
      __builtin_memcpy(to, from, 2 * sizeof(T));
      to += 2, from += 2;
    }
  }
  if (n & 1) *to = *from;
}

// The first n lanes. Before AVX-512 through the stack: a masked store of AVX2 takes as long as a dozen whole
// ones on some machines.
template <class T>
MO_INLINE void store_first(Vec<T> v, T* to, int64_t n) {
  if (n == kLanes<T>) return v.store(to);
#if defined(MARKONE_ISA_avx512)
  return v.store(to, n);
#endif
  alignas(64) T lanes[kLanes<T>];
  v.store(lanes);
  copy_few(to, lanes, n);
}

// Row l of B: contiguous, whole or the first `cols` columns.
template <class T>
struct RowsB {
  const T* p;
  int64_t step;
  MO_INLINE Vec<T> load(int64_t l, int j) const { return Vec<T>::load(p + l * step + j * kLanes<T>); }
  MO_INLINE RowsB from(int64_t l) const { return {p + l * step, step}; }
};
template <class T>
struct RowsEdgeB {
  const T* p;
  int64_t step, cols;
  MO_INLINE Vec<T> load(int64_t l, int j) const {
    return Vec<T>::load(p + l * step + j * kLanes<T>, lanes_of<T>(cols, j));
  }
};

// sum + a b. A kind of A whose words are not numbers has one of its own.
template <class A, class V>
MO_INLINE V add_product(const A&, V a, V b, V sum) {
  return fma(a, b, sum);
}

template <class T, int kRows, int kVecs, class A, class B>
MO_INLINE void multiply(Vec<T> (&acc)[kRows][kVecs], int64_t k, const A& a, const B& b) {
  for (int64_t l = 0; l < k; ++l) {
    Vec<T> row[kVecs];
#pragma GCC unroll 8
    for (int j = 0; j < kVecs; ++j) row[j] = b.load(l, j);
#pragma GCC unroll 32
    for (int i = 0; i < kRows; ++i) {
      const Vec<T> x(a.at(l, i));
#pragma GCC unroll 8
      for (int j = 0; j < kVecs; ++j) acc[i][j] = add_product(a, x, row[j], acc[i][j]);
    }
  }
}

// Where a tile goes: `cols` columns of kRows rows of C, which begins as zero or as what is there.
template <class T>
struct TileOut {
  T* c;
  int64_t row;
  int64_t cols;
  bool from_c;
  const T* bias;  // a number a column, or null
};

// By reference: GCC keeps the parts of `out` in vector registers otherwise, and then reads B from the stack
// for every row, which costs AVX-512 a load an FMA where one a cycle is all that there is.
template <class T, int kRows, int kVecs, class A, class B>
__attribute__((noinline)) void tile(int64_t k, const A& a, const B& b, const TileOut<T>& out) {
  using V = Vec<T>;
  V acc[kRows][kVecs];
  const bool whole = out.cols == kVecs * V::kLanes;
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kVecs; ++j) acc[i][j] = V(0);
  }
  if (out.from_c) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kVecs; ++j) {
        const T* p = out.c + i * out.row + j * V::kLanes;
        acc[i][j] = whole ? V::load(p) : V::load(p, lanes_of<T>(out.cols, j));
      }
    }
  }
  multiply<T, kRows, kVecs>(acc, k, a, b);
  if (out.bias) {
#pragma GCC unroll 8
    for (int j = 0; j < kVecs; ++j) {
      const V bias = V::load(out.bias + j * V::kLanes, lanes_of<T>(out.cols, j));
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) acc[i][j] = acc[i][j] + bias;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kVecs; ++j) {
      T* p = out.c + i * out.row + j * V::kLanes;
      if (whole)
        acc[i][j].store(p);
      else
        store_first(acc[i][j], p, lanes_of<T>(out.cols, j));
    }
  }
}

// Calls f.template operator()<rows>() for 1 <= rows <= kRows.
template <int kRows, class F>
MO_INLINE void with_rows(int rows, const F& f) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return with_rows<kRows - 1>(rows, f);
  }
  f.template operator()<kRows>();
}

MO_ISA_END
