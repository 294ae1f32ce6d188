// What softmax and cross-entropy share: the loops along a row that lies in memory (inner == 1), and down the
// columns of a matrix (inner > 1), many columns at once.
#pragma once
#include "contract/softmax.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/cpu/vec_order.h"

MO_ISA_BEGIN

constexpr int64_t kSoftmaxTask = 8192;  // elements that one task takes, about
constexpr int64_t kColumns = 128;       // columns that one task takes where inner > 1
constexpr int64_t kTileRows = 64;       // so many of their rows are copied to lie together

template <class V, class C>
MO_INLINE void store_lanes(V v, C* p, int64_t left) {
  left == V::kLanes ? v.store(p) : v.store(p, left);
}

// The sum over a row of values(i, left), in the order of all reductions.
template <class C, class Values>
MO_INLINE C sum_row(int64_t n, const Values& values) {
  double total = 0;
  for (int64_t start = 0; start < n; start += kChunk) {
    const double part =
        combine_chunk<Reduce_sum, C>(n - start < kChunk ? n - start : kChunk,
                                     [&](int64_t i, int64_t left) { return values(start + i, left); });
    total = start == 0 ? part : total + part;
  }
  return static_cast<C>(total);
}
template <class C>
MO_INLINE C max_row(const C* p, int64_t n) {
  C best = p[0];
  for (int64_t start = 0; start < n; start += kChunk)
    best =
        larger(best, reduce_chunk<Reduce_amax, C>(p + start, n - start < kChunk ? n - start : kChunk, C(0)));
  return best;
}
// change(i, left) for the whole row.
template <class C, class Change>
MO_INLINE void each_in_row(int64_t n, const Change& change) {
  int64_t i = 0;
  for (; i + Vec<C>::kLanes <= n; i += Vec<C>::kLanes) change(i, Vec<C>::kLanes);
  if (i < n) change(i, n - i);
}
template <class C>
MO_INLINE C log_of(C x) {
  C lane[Vec<C>::kLanes];
  log(Vec<C>(x)).store(lane);
  return lane[0];
}

template <class T>
struct WithoutConst {
  using Type = T;
};
template <class T>
struct WithoutConst<const T> {
  using Type = T;
};

// Rows of up to kColumns columns that lie beside each other, `step` apart.
template <class Element>
struct Columns {
  using C = typename WithoutConst<Element>::Type;
  using V = Vec<C>;
  Element* p;
  int64_t n, step, width;

  // change(row i, column c, left) for every vector, in the order of memory.
  template <class Change>
  MO_INLINE void each(const Change& change) const {
    for (int64_t i = 0; i < n; ++i)
      each_in_row<C>(width, [&](int64_t c, int64_t left) { change(i, c, left); });
  }
  // Of each column the sum of values(i, c, left), to `sums`: rows are added in runs of 64, so that errors
  // stay small.
  template <class Values>
  MO_INLINE void sum(C* sums, const Values& values) const {
    each_in_row<C>(width, [&](int64_t c, int64_t left) {
      V total(0);
      for (int64_t start = 0; start < n; start += 64) {
        const int64_t end = start + 64 < n ? start + 64 : n;
        V part(0);
        for (int64_t i = start; i < end; ++i) part = part + values(i, c, left);
        total = total + part;
      }
      store_lanes(total, sums + c, left);
    });
  }
  // Of each column the largest element.
  MO_INLINE void max(C* top) const {
    each([&](int64_t i, int64_t c, int64_t left) {
      const V x = load_lanes<V>(p + i * step + c, left);
      store_lanes(i == 0 ? x : larger(load_lanes<V>(top + c, left), x), top + c, left);
    });
  }
  // The same columns in `tile`, where rows lie together, if they fit: rows far apart push each other out of
  // the caches, and what is read twice has to be copied.
  MO_INLINE Columns gathered(C* tile) const {
    if (n > kTileRows) return *this;
    each([&](int64_t i, int64_t c, int64_t left) {
      const C* from = p + i * step + c;
      store_lanes(load_lanes<V>(from, left), tile + i * kColumns + c, left);
      // More streams than the machine follows: the columns that come next.
      __builtin_prefetch(from + kColumns, 0, 2);
    });
    return {tile, n, kColumns, width};
  }
  MO_INLINE V load(int64_t i, int64_t c, int64_t left) const { return load_lanes<V>(p + i * step + c, left); }
  MO_INLINE void store(V v, int64_t i, int64_t c, int64_t left) const {
    store_lanes(v, p + i * step + c, left);
  }
};

// How a problem is cut: by rows, or by tiles of columns.
struct Cut {
  int64_t outer, n, inner, per_task, tiles, tasks;

  MO_INLINE Cut(int64_t outer_, int64_t n_, int64_t inner_) : outer(outer_), n(n_), inner(inner_) {
    tiles = (inner + kColumns - 1) / kColumns;
    const int64_t cost = n * (inner < kColumns ? inner : kColumns);
    per_task = cost < kSoftmaxTask ? kSoftmaxTask / (cost > 0 ? cost : 1) : 1;
    tasks = (outer * tiles + per_task - 1) / per_task;
  }
  // visit(start, row, width): for rows width is 0 and start the first element; for columns width is how many
  // lie beside each other from element `start`. `row` is the number of the (first) row.
  template <class Visit>
  MO_INLINE void visit(int64_t task, const Visit& visit) const {
    const int64_t first = task * per_task, all = outer * tiles;
    const int64_t last = first + per_task < all ? first + per_task : all;
    for (int64_t t = first; t < last; ++t) {
      const int64_t o = t / tiles, column = t % tiles * kColumns;
      if (inner == 1) {
        visit(o * n, o, int64_t{0});
        continue;
      }
      visit(o * n * inner + column, o * inner + column,
            inner - column < kColumns ? inner - column : kColumns);
    }
  }
};

MO_ISA_END
