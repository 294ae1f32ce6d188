// Average pooling and its gradient.
#include "contract/pool.h"
#include "kernels/cpu/pool/strided.h"

MO_ISA_BEGIN

// The divisors of a row of outputs, from its row and column counts.
template <class C>
MO_INLINE void fill_counts(const PoolArgs& a, C* counts) {
  for (int64_t j = 0; j < a.out_w; ++j)
    counts[j] = a.divisor_override
                    ? static_cast<C>(a.divisor_override)
                    : static_cast<C>(counted(j, a.stride_w, a.pad_w, a.kernel_w, a.w, a.count_include_pad));
}
template <class C>
MO_INLINE C row_count(const PoolArgs& a, int64_t i) {
  if (a.divisor_override) return 1;
  return static_cast<C>(counted(i, a.stride_h, a.pad_h, a.kernel_h, a.h, a.count_include_pad));
}

template <class C>
struct AvgPool {
  using V = Vec<C>;
  const PoolArgs* a;
  C* scratch;
  int64_t per_task;
  bool pairs;

  // First the sum of the window's rows in every column, then along that one row.
  static void column_sums(const PoolArgs& a, const C* x, const Taps& rows, C* out) {
    const int64_t count = rows.last - rows.first;
    const C* top = x + (rows.start + rows.first) * a.w;
    for (int64_t c = 0; c < a.w; c += V::kLanes) {
      const int64_t left = a.w - c < V::kLanes ? a.w - c : V::kLanes;
      V total(0);
      if (left == V::kLanes) {
        for (int64_t p = 0; p < count; ++p) total = total + V::load(top + p * a.w + c);
        total.store(out + c);
      } else {
        for (int64_t p = 0; p < count; ++p) total = total + V::load(top + p * a.w + c, left);
        total.store(out + c, left);
      }
    }
  }
  template <int kStep>
  static void along_row(const PoolArgs& a, const C* padded, const C* counts, C rows, C* y) {
    for (int64_t j = 0; j < a.out_w; j += V::kLanes) {
      const C* p = padded + j * kStep;
      V total = load_full<kStep, V>(p);
      for (int64_t q = 1; q < a.kernel_w; ++q) total = total + load_full<kStep, V>(p + q);
      total = total / (V::load(counts + j) * V(rows));
      a.out_w - j < V::kLanes ? total.store(y + j, a.out_w - j) : total.store(y + j);
    }
  }
  static void task(void* context, int64_t task, int slot) {
    const auto& s = *static_cast<const AvgPool*>(context);
    const PoolArgs& a = *s.a;
    const int64_t all = a.planes * a.out_h;
    const int64_t last = (task + 1) * s.per_task < all ? (task + 1) * s.per_task : all;
    C* counts = s.scratch + slot * a.row_elements;
    C* padded = counts + a.out_w + V::kLanes;
    for (int64_t c = 0; c < a.row_elements; ++c) counts[c] = 0;
    fill_counts(a, counts);
    for (int64_t r = task * s.per_task; r < last; ++r) {
      const C* x = static_cast<const C*>(a.x) + r / a.out_h * a.h * a.w;
      C* y = static_cast<C*>(a.y) + r * a.out_w;
      const Taps rows = taps_of(r % a.out_h, a.stride_h, a.pad_h, 1, a.kernel_h, a.h);
      const C count = row_count<C>(a, r % a.out_h);
      if (s.pairs && rows.last - rows.first == 2) {
        const C* top = x + rows.start * a.w;
        row_2x2<V>(
            top, top + a.w, a.out_w, y, [](V u, V v) { return u + v; },
            [&](V v, int64_t j) { return v / (V::load(counts + j) * V(count)); });
        continue;
      }
      column_sums(a, x, rows, padded + a.pad_w);
      if (a.stride_w == 1) {
        along_row<1>(a, padded, counts, count, y);
      } else if (a.stride_w == 2) {
        along_row<2>(a, padded, counts, count, y);
      } else {
        for (int64_t j = 0; j < a.out_w; ++j) {
          C total = padded[j * a.stride_w];
          for (int64_t q = 1; q < a.kernel_w; ++q) total += padded[j * a.stride_w + q];
          y[j] = total / (counts[j] * count);
        }
      }
    }
  }
  static void kernel(const PoolArgs* args, const Run* run) {
    AvgPool s{args, static_cast<C*>(run->scratch), rows_per_task(*args), pairs_only(*args)};
    const int64_t rows = args->planes * args->out_h;
    run->parallel(run, (rows + s.per_task - 1) / s.per_task, task, &s);
  }
};

// A plane at a time: each row of outputs is spread along one row, which is then added to the rows of its
// window.
template <class C>
struct AvgPoolGrad {
  using V = Vec<C>;
  const AvgPoolGradArgs* a;
  C* scratch;

  static void task(void* context, int64_t plane, int slot) {
    const auto& s = *static_cast<const AvgPoolGrad*>(context);
    const PoolArgs& a = s.a->pool;
    C* counts = s.scratch + slot * a.row_elements;
    C* spread = counts + a.out_w + V::kLanes;
    C* dx = static_cast<C*>(s.a->dx) + plane * a.h * a.w;
    for (int64_t i = 0; i < a.h * a.w; ++i) dx[i] = 0;
    fill_counts(a, counts);
    const bool pairs = pairs_only(a) && a.stride_h >= 2;
    for (int64_t i = 0; i < a.out_h; ++i) {
      const C* g = static_cast<const C*>(s.a->g) + (plane * a.out_h + i) * a.out_w;
      const Taps rows = taps_of(i, a.stride_h, a.pad_h, 1, a.kernel_h, a.h);
      const C count = row_count<C>(a, i);
      if (pairs && rows.last - rows.first == 2) {
        // No other window touches these two rows' places.
        C* row = dx + rows.start * a.w;
        for (int64_t j = 0; j < a.out_w; ++j) spread[2 * j] = spread[2 * j + 1] = g[j] / (counts[j] * count);
        for (int64_t c = 0; c < 2 * a.out_w; ++c) row[c] = row[a.w + c] = spread[c];
        continue;
      }
      for (int64_t c = 0; c < a.w; ++c) spread[c] = 0;
      for (int64_t j = 0; j < a.out_w; ++j) {
        const C share = g[j] / (counts[j] * count);
        const Taps columns = taps_of(j, a.stride_w, a.pad_w, 1, a.kernel_w, a.w);
        for (int64_t q = columns.first; q < columns.last; ++q) spread[columns.start + q] += share;
      }
      for (int64_t p = rows.first; p < rows.last; ++p) {
        C* row = dx + (rows.start + p) * a.w;
        for (int64_t c = 0; c < a.w; ++c) row[c] += spread[c];
      }
    }
  }
  static void kernel(const AvgPoolGradArgs* args, const Run* run) {
    AvgPoolGrad s{args, static_cast<C*>(run->scratch)};
    run->parallel(run, args->pool.planes, task, &s);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_avg_pool(PoolKernels* table) {
  table->avg_pool_rows[kF32] = {AvgPool<float>::kernel, MO_KERNEL_NAME("avg_pool_rows_f32")};
  table->avg_pool_rows[kF64] = {AvgPool<double>::kernel, MO_KERNEL_NAME("avg_pool_rows_f64")};
  table->avg_pool_grad[kF32] = {AvgPoolGrad<float>::kernel, MO_KERNEL_NAME("avg_pool_grad_f32")};
  table->avg_pool_grad[kF64] = {AvgPoolGrad<double>::kernel, MO_KERNEL_NAME("avg_pool_grad_f64")};
}

}  // namespace markone::MARKONE_ISA
