// The one order in which a reduction combines its elements, so that its bits depend on the values alone.
// Element i of the reduced space belongs to block i / kReduceBlock, there to a chunk of kChunk, there to lane
// i % kLanes. A lane combines its elements in order; the lanes are folded in halves; chunks and blocks are
// combined left to right in Lanes<C>::Wide. Two loops follow it: along the elements of one output, and across
// many outputs at once.
#pragma once
#include "contract/reduce.h"
#include "kernels/cpu/vec_lanes.h"

MO_ISA_BEGIN

constexpr int64_t kChunk = 1024;

#define MO_REDUCE(name, init_, map_, combine_, finish_, types)                       \
  struct Reduce_##name {                                                             \
    static constexpr char kTypes = #types[0];                                        \
    template <class X, class E>                                                      \
    static MO_INLINE X init([[maybe_unused]] E lowest, [[maybe_unused]] E highest) { \
      return X(init_);                                                               \
    }                                                                                \
    template <class X>                                                               \
    static MO_INLINE X map(X x, [[maybe_unused]] X s) {                              \
      return map_;                                                                   \
    }                                                                                \
    template <class X>                                                               \
    static MO_INLINE X combine(X a, X b) {                                           \
      return combine_;                                                               \
    }                                                                                \
    template <class X, class D>                                                      \
    static MO_INLINE X finish(X a, [[maybe_unused]] D d) {                           \
      return finish_;                                                                \
    }                                                                                \
  };
#include "kernels/common/reduce.def"

template <class Op, class X, class C>
MO_INLINE X initial() {
  return Op::template init<X>(Lanes<C>::kLowest, Lanes<C>::kHighest);
}

template <class V, class C>
MO_INLINE V load_lanes(const C* p, int64_t left) {
  return left == V::kLanes ? V::load(p) : V::load(p, left);
}

template <class Op, class V, int kVectors>
MO_INLINE V fold_vectors(V (&acc)[kVectors]) {
  for (int half = kVectors / 2; half > 0; half /= 2) {
    for (int k = 0; k < half; ++k) acc[k] = Op::combine(acc[k], acc[k + half]);
  }
  return acc[0];
}

// One chunk of n <= kChunk values, folded to a vector of lanes. values(i, left) gives those from i on as a
// vector, of which `left` count.
template <class Op, class C, class Values>
MO_INLINE typename Lanes<C>::V combine_lanes(int64_t n, const Values& values) {
  using V = typename Lanes<C>::V;
  constexpr int kVectors = Lanes<C>::kLanes / V::kLanes;
  const V neutral = initial<Op, V, C>();
  V acc[kVectors];
  for (V& a : acc) a = neutral;
  int64_t i = 0;
  for (; i + Lanes<C>::kLanes <= n; i += Lanes<C>::kLanes) {
    for (int k = 0; k < kVectors; ++k) acc[k] = Op::combine(acc[k], values(i + k * V::kLanes, V::kLanes));
  }
  // Unrolled, so that the sums stay in registers.
#pragma GCC unroll 16
  for (int k = 0; k < kVectors; ++k, i += V::kLanes) {
    if (i >= n) break;
    const int64_t left = n - i < V::kLanes ? n - i : V::kLanes;
    acc[k] = Op::combine(acc[k], first_lanes(values(i, left), left, neutral));
  }
  return fold_vectors<Op>(acc);
}
// The lanes folded in halves.
template <class Op, int kHalf, class V>
MO_INLINE V fold_halves(V v) {
  if constexpr (kHalf > 0)
    return fold_halves<Op, kHalf / 2>(Op::combine(v, rotate<kHalf>(v)));
  else
    return v;
}
template <class Op, class C, class Values>
MO_INLINE C combine_chunk(int64_t n, const Values& values) {
  using V = typename Lanes<C>::V;
  return first_lane(fold_halves<Op, V::kLanes / 2>(combine_lanes<Op, C>(n, values)));
}
// The same for elements that lie one after the other.
template <class Op, class C>
__attribute__((noinline)) C reduce_chunk(const C* p, int64_t n, C shift) {
  using V = typename Lanes<C>::V;
  const V s(shift);
  return combine_chunk<Op, C>(
      n, [&](int64_t i, int64_t left) { return Op::map(load_lanes<V>(p + i, left), s); });
}

// The same for the elements of one output that come in pieces, chunk after chunk.
template <class Op, class C>
struct Pieces {
  using V = typename Lanes<C>::V;
  using Wide = typename Lanes<C>::Wide;
  static constexpr int kLanes = Lanes<C>::kLanes, kVectors = kLanes / V::kLanes;
  alignas(64) C lanes[kLanes];
  C shift;
  int64_t filled, chunks;  // elements of the chunk, chunks before it
  Wide total;

  MO_INLINE void begin(C s) {
    shift = s;
    chunks = 0;
    clear();
  }
  MO_INLINE void clear() {
    filled = 0;
    for (int k = 0; k < kLanes; k += V::kLanes) (initial<Op, V, C>()).store(lanes + k);
  }
  MO_INLINE void add(const C* p, int64_t n) {
    while (n > 0) {
      int64_t m = n < kChunk - filled ? n : kChunk - filled;
      n -= m;
      while (m > 0 && filled % kLanes != 0) one(*p++), --m;
      const int64_t whole = m - m % kLanes;
      many(p, whole);
      p += whole, m -= whole;
      while (m > 0) one(*p++), --m;
      if (filled == kChunk) fold();
    }
  }
  MO_INLINE void one(C x) {
    C& lane = lanes[filled++ % kLanes];
    lane = Op::combine(lane, Op::map(x, shift));
  }
  MO_INLINE void many(const C* p, int64_t n) {
    V acc[kVectors];
    const V s(shift);
    for (int k = 0; k < kVectors; ++k) acc[k] = V::load(lanes + k * V::kLanes);
    for (int64_t i = 0; i < n; i += kLanes) {
      for (int k = 0; k < kVectors; ++k)
        acc[k] = Op::combine(acc[k], Op::map(V::load(p + i + k * V::kLanes), s));
    }
    for (int k = 0; k < kVectors; ++k) acc[k].store(lanes + k * V::kLanes);
    filled += n;
  }
  MO_INLINE void fold() {
    V acc[kVectors];
    for (int k = 0; k < kVectors; ++k) acc[k] = V::load(lanes + k * V::kLanes);
    const Wide value = Wide(first_lane(fold_halves<Op, V::kLanes / 2>(fold_vectors<Op>(acc))));
    total = chunks++ == 0 ? value : Op::combine(total, value);
    clear();
  }
  MO_INLINE Wide end() {
    if (filled > 0 || chunks == 0) fold();
    return total;
  }
};

// The same for `width` outputs beside each other: the rows of one chunk are added, several of one lane at a
// time, then folded.
template <class Op, class C>
struct RowChunk {
  using V = typename Lanes<C>::V;
  static constexpr int kWidth = 2048 / sizeof(C);  // so that a row is a long run of memory
  static constexpr int kLanes = Lanes<C>::kLanes;
  static constexpr int kAtOnce = 4;  // rows between a load and a store of their lane
  alignas(64) C lanes[kLanes][kWidth];
  alignas(64) C shift[kWidth];
  int used;

  // The first row of a lane is combined with the initial value, which is never stored.
  MO_INLINE void begin(int64_t n, int64_t width) {
    used = static_cast<int>(n < kLanes ? n : kLanes);
    if (n > 0) return;
    for (int64_t c = 0; c < width; c += V::kLanes) (initial<Op, V, C>()).store(lanes[0] + c);
  }
  // Row i of the chunk.
  MO_INLINE void add(int64_t i, const C* row, int64_t width) {
    if (i < kLanes)
      add_to<true, 1>(lanes[i], row, 0, width);
    else
      add_to<false, 1>(lanes[i % kLanes], row, 0, width);
  }
  // All rows of a chunk of n, `stride` apart.
  MO_INLINE void add_all(int64_t n, const C* row, int64_t stride, int64_t width) {
    int64_t i = 0;
    for (; i + kAtOnce * kLanes <= n; i += kAtOnce * kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        const C* p = row + (i + lane) * stride;
        if (i == 0)
          add_to<true, kAtOnce>(lanes[lane], p, kLanes * stride, width);
        else
          add_to<false, kAtOnce>(lanes[lane], p, kLanes * stride, width);
      }
    }
    for (; i < n; ++i) add(i, row + i * stride, width);
  }
  // kRows rows of one lane, `step` apart.
  template <bool kFirst, int kRows>
  MO_INLINE void add_to(C* acc, const C* row, int64_t step, int64_t width) {
    int64_t c = 0;
    for (; c + V::kLanes <= width; c += V::kLanes) add_vector<kFirst, kRows>(acc, row, step, c, V::kLanes);
    if (c < width) add_vector<kFirst, kRows>(acc, row, step, c, width - c);
  }
  template <bool kFirst, int kRows>
  MO_INLINE void add_vector(C* acc, const C* row, int64_t step, int64_t c, int64_t left) {
    V v = kFirst ? initial<Op, V, C>() : V::load(acc + c);
    const V s = V::load(shift + c);
    for (int r = 0; r < kRows; ++r) v = Op::combine(v, Op::map(load_lanes<V>(row + r * step + c, left), s));
    v.store(acc + c);
  }
  // Leaves the result in lanes[0]. A lane without elements holds the initial value, which changes nothing.
  MO_INLINE void fold(int64_t width) {
    for (int half = kLanes / 2; half > 0; half /= 2) {
      for (int r = 0; r < half && r + half < used; ++r) {
        for (int64_t c = 0; c < width; c += V::kLanes)
          Op::combine(V::load(lanes[r] + c), V::load(lanes[r + half] + c)).store(lanes[r] + c);
      }
    }
  }
};

MO_ISA_END
