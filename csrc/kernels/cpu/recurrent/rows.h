// What both passes of a recurrent layer share: how the batch is cut, weights packed once a call, and products
// of a few rows with them.
#pragma once
#include "contract/recurrent.h"
#include "kernels/cpu/gemm/fetch.h"
#include "kernels/cpu/gemm/pack.h"
#include "kernels/cpu/vec_math.h"

MO_ISA_BEGIN

// Weights up to here stay in the second cache from step to step, and smaller chunks of the batch keep more
// threads busy; larger ones are read again for each chunk, so a chunk has as many rows as may be.
inline constexpr int64_t kCachedWeights = 512 * 1024;

// How many rows of the batch one chunk takes through all steps. Two chunks as soon as each fills most of a
// tile.
MO_INLINE int64_t rows_of_chunk(int64_t batch, int64_t weight_bytes) {
  const int64_t most = weight_bytes > kCachedWeights ? kRecurrentRows : kRecurrentRows / 2;
  int64_t count = parts(batch, most);
  if (count < 2 && batch >= 8) count = 2;
  return count ? parts(batch, count) : 1;
}

// A matrix B [k, n] as panels of kTileCols columns, panel after panel.
template <class T>
struct PackedB {
  const T* from;
  int64_t stride_k, stride_n, k, n;
  T* to;
  MO_INLINE int64_t panels() const { return parts(n, kTileCols<T>); }
  MO_INLINE int64_t size() const { return panels() * kTileCols<T> * k; }
};

// Panels that one thread packs at a time: packing one takes about a microsecond.
inline constexpr int64_t kPanelsAPack = 4;

template <class T>
void pack_b_chunk(void* context, int64_t chunk, int) {
  const PackedB<T>& b = *static_cast<const PackedB<T>*>(context);
  for (int64_t p = chunk * kPanelsAPack; p < smaller((chunk + 1) * kPanelsAPack, b.panels()); ++p) {
    const int64_t j = p * kTileCols<T>;
    pack<T>(b.to + j * b.k, b.from + j * b.stride_n, b.stride_n, b.stride_k, smaller(kTileCols<T>, b.n - j),
            b.k, kTileCols<T>);
  }
}
template <class T>
void pack_b(const Run* run, PackedB<T> b) {
  run->parallel(run, parts(b.panels(), kPanelsAPack), pack_b_chunk<T>, &b);
}

// C [rows, n] (+)= A [rows, k] times rows [k0, k0 + k) of a packed B; `block` holds A's packed rows.
template <class T>
__attribute__((noinline)) void multiply_rows(T* block, const T* a, int64_t a_row, int64_t rows,
                                             const PackedB<T>& b, int64_t k0, int64_t k, T* c, int64_t c_row,
                                             bool from_c, const T* bias) {
  const Panels panels(rows);
  for (int64_t p = 0; p < panels.count; ++p) {
    const int64_t start = panels.start(p);
    pack<T>(block + start * k, a + start * a_row, a_row, 1, panels.rows(p), k, panels.rows(p));
  }
  for (int64_t j = 0; j < b.n; j += kTileCols<T>) {
    const RowsB<T> panel{b.to + j * b.k + k0 * kTileCols<T>, kTileCols<T>};
    TileOut<T> out{nullptr, c_row, smaller(kTileCols<T>, b.n - j), from_c, bias ? bias + j : nullptr};
    for (int64_t p = 0; p < panels.count; ++p) {
      const int64_t start = panels.start(p);
      const T* packed = block + start * k;
      out.c = c + start * c_row + j;
      if (from_c) fetch_next_tile<T>(c, c_row, panels, p, j, b.n);
      with_rows<kTileRows>(panels.rows(p), [&]<int kRows>() {
        tile<T, kRows, kTileVecs>(k, PackedA<T, kRows>{packed}, panel, out);
      });
    }
  }
}

// Part of a row: `n` lanes from number `j` on.
template <class T>
MO_INLINE Vec<T> load_part(const T* p, int64_t n) {
  return n == kLanes<T> ? Vec<T>::load(p) : Vec<T>::load(p, n);
}
template <class T, class F>
MO_INLINE void each_part(int64_t n, const F& f) {
  for (int64_t j = 0; j < n; j += kLanes<T>) f(j, smaller(kLanes<T>, n - j));
}
// Exactly n numbers, or zeros.
template <class T>
MO_INLINE void copy_row(T* to, const T* from, int64_t n) {
  each_part<T>(n, [&](int64_t j, int64_t left) {
    store_first(from ? load_part(from + j, left) : Vec<T>(0), to + j, left);
  });
}

// The rows [row0, row0 + rows) of a pass and where they are at each step.
template <class Args>
struct Rows {
  const Args& a;
  int64_t row0, rows;
  MO_INLINE Rows(const Args& args, int64_t chunk, int64_t size)
      : a(args), row0(chunk * size), rows(smaller(size, args.batch - chunk * size)) {}
  MO_INLINE int64_t time(int64_t step) const { return a.reverse ? a.steps - 1 - step : step; }
  MO_INLINE int64_t before(int64_t t) const { return a.reverse ? t + 1 : t; }
  MO_INLINE int64_t after(int64_t t) const { return a.reverse ? t : t + 1; }
  MO_INLINE bool active(int64_t row, int64_t t) const { return !a.lengths || t < a.lengths[row0 + row]; }
  MO_INLINE bool any_active(int64_t t) const {
    for (int64_t row = 0; row < rows; ++row) {
      if (active(row, t)) return true;
    }
    return false;
  }
  // The first of these rows at step t of an array [.., batch, n]; null stays null.
  template <class T, class P>
  MO_INLINE T* at(P* p, int64_t t, int64_t n) const {
    return p ? static_cast<T*>(p) + (t * a.batch + row0) * n : nullptr;
  }
};

// The activation of an LSTM's state, and its derivative from its value.
template <RecurrentKind kKind, class V>
MO_INLINE V squash(V x) {
  return kKind == kLstmSigmoid ? sigmoid(x) : tanh(x);
}
template <RecurrentKind kKind, class V>
MO_INLINE V squash_slope(V y) {
  return kKind == kLstmSigmoid ? y * (V(1) - y) : V(1) - y * y;
}

#define MO_RECURRENT_KINDS(X)     \
  X(kRnnTanh, "rnn_tanh")         \
  X(kRnnRelu, "rnn_relu")         \
  X(kLstm, "lstm")                \
  X(kLstmSigmoid, "lstm_sigmoid") \
  X(kGru, "gru")                  \
  X(kGruResetFirst, "gru_reset_first")

MO_ISA_END
