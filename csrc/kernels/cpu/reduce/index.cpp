// argmax and argmin: where the largest or smallest element along one dimension is.
#include "contract/reduce.h"
#include "kernels/cpu/vec_order.h"

MO_ISA_BEGIN

constexpr int64_t kArgTask = 16384;
constexpr int64_t kArgWidth = 64;

// A NaN beats everything but an earlier NaN; an equal element does not beat.
template <bool kMax, class C>
MO_INLINE bool beats(C x, C best) {
  return (kMax ? x > best : x < best) || (x != x && best == best);
}

template <bool kMax, class C>
struct ArgReduction {
  const ArgReduceArgs* a;
  int64_t per_task, tiles;

  // The extreme of each chunk comes from the vectors; only a chunk that beats those before is searched.
  MO_INLINE static int64_t along(const C* p, int64_t n) {
    int64_t found = 0;
    C best = p[0];
    for (int64_t i = 0; i < n; i += kChunk) {
      const int64_t m = n - i < kChunk ? n - i : kChunk;
      C extreme;
      if constexpr (kMax)
        extreme = reduce_chunk<Reduce_amax, C>(p + i, m, C(0));
      else
        extreme = reduce_chunk<Reduce_amin, C>(p + i, m, C(0));
      if (i > 0 && !beats<kMax>(extreme, best)) continue;
      int64_t k = i;
      while (extreme == extreme ? p[k] != extreme : p[k] == p[k]) ++k;
      found = k;
      best = extreme;
      if (best != best) break;
    }
    return found;
  }
  static void along_task(void* context, int64_t task, int) {
    const auto& r = *static_cast<const ArgReduction*>(context);
    const int64_t first = task * r.per_task;
    const int64_t last = first + r.per_task < r.a->outer ? first + r.per_task : r.a->outer;
    for (int64_t o = first; o < last; ++o)
      r.a->out[o] = along(static_cast<const C*>(r.a->in) + o * r.a->n, r.a->n);
  }

  static void across_task(void* context, int64_t task, int) {
    const auto& r = *static_cast<const ArgReduction*>(context);
    const ArgReduceArgs& a = *r.a;
    const int64_t first = task * r.per_task, all = a.outer * r.tiles;
    const int64_t last = first + r.per_task < all ? first + r.per_task : all;
    for (int64_t tile = first; tile < last; ++tile) {
      const int64_t o = tile / r.tiles, column = tile % r.tiles * kArgWidth;
      const int64_t width = a.inner - column < kArgWidth ? a.inner - column : kArgWidth;
      const C* p = static_cast<const C*>(a.in) + o * a.n * a.inner + column;
      C best[kArgWidth];
      int64_t found[kArgWidth];
      for (int64_t c = 0; c < width; ++c) {
        best[c] = p[c];
        found[c] = 0;
      }
      for (int64_t i = 1; i < a.n; ++i) {
        p += a.inner;
        for (int64_t c = 0; c < width; ++c) {
          const bool take = beats<kMax>(p[c], best[c]);
          best[c] = take ? p[c] : best[c];
          found[c] = take ? i : found[c];
        }
      }
      for (int64_t c = 0; c < width; ++c) a.out[o * a.inner + column + c] = found[c];
    }
  }

  static void kernel(const ArgReduceArgs* args, const Run* run) {
    ArgReduction r;
    r.a = args;
    r.tiles = (args->inner + kArgWidth - 1) / kArgWidth;
    const bool along = args->inner == 1;
    const int64_t cost = args->n * (along ? 1 : args->inner < kArgWidth ? args->inner : kArgWidth);
    const int64_t all = along ? args->outer : args->outer * r.tiles;
    r.per_task = cost < kArgTask ? kArgTask / cost : 1;
    run->parallel(run, (all + r.per_task - 1) / r.per_task, along ? along_task : across_task, &r);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_reduce_index(ReduceKernels* table) {
  table->argmax[kF32] = {ArgReduction<true, float>::kernel, MO_KERNEL_NAME("argmax_f32")};
  table->argmax[kF64] = {ArgReduction<true, double>::kernel, MO_KERNEL_NAME("argmax_f64")};
  table->argmax[kI64] = {ArgReduction<true, int64_t>::kernel, MO_KERNEL_NAME("argmax_i64")};
  table->argmin[kF32] = {ArgReduction<false, float>::kernel, MO_KERNEL_NAME("argmin_f32")};
  table->argmin[kF64] = {ArgReduction<false, double>::kernel, MO_KERNEL_NAME("argmin_f64")};
  table->argmin[kI64] = {ArgReduction<false, int64_t>::kernel, MO_KERNEL_NAME("argmin_i64")};
}

}  // namespace markone::MARKONE_ISA
