// What softmax and cross-entropy share: the loops along a row that lies in memory (inner == 1), and down the
// columns of a matrix (inner > 1), many columns at once.
#pragma once
#include "contract/softmax.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/cpu/vec_order.h"

MO_ISA_BEGIN

constexpr int64_t kSoftmaxTask = 8192;  // elements that one task takes, about
constexpr int64_t kColumns = 128;       // columns that one task takes where inner > 1

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

// The sum down one vector of columns of values(i): rows are added in runs of 64, so that errors stay small.
template <class V, class Values>
MO_INLINE V sum_column(int64_t n, const Values& values) {
  V total(0);
  for (int64_t start = 0; start < n; start += 64) {
    const int64_t end = start + 64 < n ? start + 64 : n;
    V part(0);
    for (int64_t i = start; i < end; ++i) part = part + values(i);
    total = total + part;
  }
  return total;
}
template <class V, class C>
MO_INLINE V max_column(const C* p, int64_t n, int64_t stride, int64_t left) {
  V best = load_lanes<V>(p, left);
  for (int64_t i = 1; i < n; ++i) best = larger(best, load_lanes<V>(p + i * stride, left));
  return best;
}

// How a problem is cut: by rows, or by tiles of columns.
struct Cut {
  int64_t outer, n, inner, per_task, tiles, tasks;

  MO_INLINE Cut(int64_t outer_, int64_t n_, int64_t inner_) : outer(outer_), n(n_), inner(inner_) {
    tiles = (inner + kColumns - 1) / kColumns;
    const int64_t cost = n * (inner < kColumns ? inner : kColumns);
    per_task = cost < kSoftmaxTask ? kSoftmaxTask / (cost > 0 ? cost : 1) : 1;
    tasks = (outer * tiles + per_task - 1) / per_task;
  }
  // visit(start, row, left): for rows left is 0 and start the first element; for columns left is how many lie
  // beside each other from element `start`. `row` is the number of the (first) row.
  template <class V, class Visit>
  MO_INLINE void visit(int64_t task, const Visit& visit) const {
    const int64_t first = task * per_task, all = outer * tiles;
    const int64_t last = first + per_task < all ? first + per_task : all;
    for (int64_t t = first; t < last; ++t) {
      const int64_t o = t / tiles, column = t % tiles * kColumns;
      if (inner == 1) {
        visit(o * n, o, int64_t{0});
        continue;
      }
      const int64_t end = column + kColumns < inner ? column + kColumns : inner;
      for (int64_t c = column; c < end; c += V::kLanes)
        visit(o * n * inner + c, o * inner + c, end - c < V::kLanes ? end - c : int64_t{V::kLanes});
    }
  }
};

MO_ISA_END
