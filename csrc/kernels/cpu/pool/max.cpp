// Max pooling, with and without the places of the maxima, and its gradient.
#include "contract/pool.h"
#include "kernels/cpu/pool/strided.h"

MO_ISA_BEGIN

template <class C>
struct MaxPool {
  using V = Vec<C>;
  static constexpr C kLowest = -static_cast<C>(__builtin_inf());

  const PoolArgs* a;
  C* scratch;
  int64_t per_task;
  bool pairs;  // windows of 2 columns and at most 2 rows without gaps, all of whose columns lie inside
  int64_t inside_first, inside_last;  // outputs of a row whose taps all lie inside, when stride_w is 1 or 2

  // One output by plain loops: the first maximum in row order, or the last NaN.
  MO_INLINE static void one(const PoolArgs& a, const C* x, const Taps& rows, int64_t j, C* y,
                            int64_t* index) {
    const Taps columns = taps_of(j, a.stride_w, a.pad_w, a.dilation_w, a.kernel_w, a.w);
    C best = kLowest;
    int64_t found = -1;
    for (int64_t p = rows.first; p < rows.last; ++p) {
      const int64_t row = (rows.start + p * a.dilation_h) * a.w;
      for (int64_t q = columns.first; q < columns.last; ++q) {
        const int64_t at = row + columns.start + q * a.dilation_w;
        if (found < 0 || x[at] > best || x[at] != x[at]) {
          best = x[at];
          found = at;
        }
      }
    }
    *y = best;
    *index = found;
  }

  // Outputs [j, j + n) of a row, all of whose columns lie inside, a vector at a time: every tap in row order.
  template <int kStep>
  MO_INLINE static void vector(const PoolArgs& a, const C* x, const Taps& rows, int64_t j, int64_t n,
                               bool full, C* y, int64_t* index) {
    const int64_t left = j * kStep - a.pad_w;
    V best(kLowest), found(0);
    bool first = true;
    for (int64_t p = rows.first; p < rows.last; ++p) {
      const C* row = x + (rows.start + p * a.dilation_h) * a.w + left;
      for (int64_t q = 0; q < a.kernel_w; ++q) {
        const C* at = row + q * a.dilation_w;
        const V v = full ? load_full<kStep, V>(at) : load_step<kStep, V>(at, n);
        const V place(static_cast<C>(p * a.dilation_h * a.w + q * a.dilation_w));
        const auto take = (v > best) | (v != v);
        found = first ? place : where(take, place, found);
        best = first ? v : where(take, v, best);
        first = false;
      }
    }
    best.store(y + j, n);
    store_places<kStep>(found, rows.start * a.w + left, n, index + j);
  }
  // A vector of 2 x 2 windows without gaps: the same choice, each element read once.
  MO_INLINE static void vector_2x2(const PoolArgs& a, const C* top, int64_t base, int64_t n, C* y,
                                   int64_t* index) {
    constexpr int64_t kN = V::kLanes;
    V t0, t1, b0, b1;
    if (n == kN) {
      t0 = V::load(top), t1 = V::load(top + kN), b0 = V::load(top + a.w), b1 = V::load(top + a.w + kN);
    } else {
      const int64_t first = 2 * n < kN ? 2 * n : kN, rest = 2 * n - first;
      const C* const next = rest > 0 ? top + kN : top;  // stays inside
      t0 = V::load(top, first), t1 = V::load(next, rest);
      b0 = V::load(top + a.w, first), b1 = V::load(next + a.w, rest);
    }
    const V taps[3] = {odds(t0, t1), evens(b0, b1), odds(b0, b1)};
    const V places[3] = {V(1), V(static_cast<C>(a.w)), V(static_cast<C>(a.w + 1))};
    V best = evens(t0, t1), found(0);
    for (int k = 0; k < 3; ++k) {
      const auto take = (taps[k] > best) | (taps[k] != taps[k]);
      found = where(take, places[k], found);
      best = where(take, taps[k], best);
    }
    best.store(y, n);
    store_places<2>(found, base, n, index);
  }
  template <int kStep>
  void row_with_indices(const C* x, const Taps& rows, C* y, int64_t* index) const {
    const PoolArgs& args = *a;
    for (int64_t j = 0; j < inside_first; ++j) one(args, x, rows, j, y + j, index + j);
    const int64_t reach = (args.kernel_w - 1) * args.dilation_w + kStep * V::kLanes;
    int64_t j = inside_first;
    for (; pairs && rows.last - rows.first == 2 && j < inside_last; j += V::kLanes) {
      const int64_t base = rows.start * args.w + 2 * j, left = inside_last - j;
      vector_2x2(args, x + base, base, left < V::kLanes ? left : V::kLanes, y + j, index + j);
    }
    for (; j + V::kLanes <= inside_last && j * kStep - args.pad_w + reach <= args.w; j += V::kLanes)
      vector<kStep>(args, x, rows, j, V::kLanes, true, y, index);
    for (; j < inside_last; j += V::kLanes) {
      const int64_t n = inside_last - j < V::kLanes ? inside_last - j : V::kLanes;
      vector<kStep>(args, x, rows, j, n, false, y, index);
    }
    for (j = inside_last; j < args.out_w; ++j) one(args, x, rows, j, y + j, index + j);
  }

  // Without places: first the maximum of the window's rows in every column, then along that one row.
  MO_INLINE static void column_maxima(const PoolArgs& a, const C* x, const Taps& rows, C* out) {
    const int64_t count = rows.last - rows.first, step = a.dilation_h * a.w;
    const C* top = x + (rows.start + rows.first * a.dilation_h) * a.w;
    for (int64_t c = 0; c < a.w; c += V::kLanes) {
      const int64_t left = a.w - c < V::kLanes ? a.w - c : V::kLanes;
      if (left == V::kLanes) {
        V best = V::load(top + c);
        for (int64_t p = 1; p < count; ++p) best = max_or_nan(best, V::load(top + p * step + c));
        best.store(out + c);
      } else {
        V best = V::load(top + c, left);
        for (int64_t p = 1; p < count; ++p) best = max_or_nan(best, V::load(top + p * step + c, left));
        best.store(out + c, left);
      }
    }
  }
  template <int kStep>
  MO_INLINE static void along_row(const PoolArgs& a, const C* padded, C* y) {
    for (int64_t j = 0; j < a.out_w; j += V::kLanes) {
      const C* p = padded + j * kStep;
      V best = load_full<kStep, V>(p);
      for (int64_t q = 1; q < a.kernel_w; ++q)
        best = max_or_nan(best, load_full<kStep, V>(p + q * a.dilation_w));
      a.out_w - j < V::kLanes ? best.store(y + j, a.out_w - j) : best.store(y + j);
    }
  }
  void row_of_values(const C* x, const Taps& rows, C* padded, C* y) const {
    const PoolArgs& args = *a;
    const int64_t count = rows.last - rows.first;
    if (pairs && count > 0) {
      // A row alone counts twice.
      const C* top = x + (rows.start + rows.first) * args.w;
      row_2x2<V>(
          top, top + (count - 1) * args.w, args.out_w, y, [](V u, V v) { return max_or_nan(u, v); },
          [](V v, int64_t) { return v; });
      return;
    }
    if (rows.first < rows.last)
      column_maxima(args, x, rows, padded + args.pad_w);
    else
      for (int64_t c = 0; c < args.w; ++c) padded[args.pad_w + c] = kLowest;
    if (args.stride_w == 1) {
      along_row<1>(args, padded, y);
    } else if (args.stride_w == 2) {
      along_row<2>(args, padded, y);
    } else {
      for (int64_t j = 0; j < args.out_w; ++j) {
        C best = kLowest;
        for (int64_t q = 0; q < args.kernel_w; ++q) {
          const C v = padded[j * args.stride_w + q * args.dilation_w];
          best = v != v || v > best ? v : best;
        }
        y[j] = best;
      }
    }
  }
  static void task(void* context, int64_t task, int slot) {
    const auto& s = *static_cast<const MaxPool*>(context);
    const PoolArgs& a = *s.a;
    const int64_t all = a.planes * a.out_h;
    const int64_t last = (task + 1) * s.per_task < all ? (task + 1) * s.per_task : all;
    C* padded = s.scratch + slot * a.row_elements;
    if (!a.indices) {
      for (int64_t c = 0; c < a.row_elements; ++c) padded[c] = kLowest;
    }
    for (int64_t r = task * s.per_task; r < last; ++r) {
      const C* x = static_cast<const C*>(a.x) + r / a.out_h * a.h * a.w;
      C* y = static_cast<C*>(a.y) + r * a.out_w;
      const Taps rows = taps_of(r % a.out_h, a.stride_h, a.pad_h, a.dilation_h, a.kernel_h, a.h);
      if (!a.indices)
        s.row_of_values(x, rows, padded, y);
      else if (a.stride_w == 1)
        s.template row_with_indices<1>(x, rows, y, a.indices + r * a.out_w);
      else if (a.stride_w == 2)
        s.template row_with_indices<2>(x, rows, y, a.indices + r * a.out_w);
      else
        for (int64_t j = 0; j < a.out_w; ++j) one(a, x, rows, j, y + j, a.indices + r * a.out_w + j);
    }
  }
  static void kernel(const PoolArgs* args, const Run* run) {
    MaxPool s{args, static_cast<C*>(run->scratch), rows_per_task(*args), false, 0, 0};
    s.pairs = args->kernel_h <= 2 && pairs_beside(*args);
    const int64_t reach = (args->kernel_w - 1) * args->dilation_w;
    s.inside_first = (args->pad_w + args->stride_w - 1) / args->stride_w;
    s.inside_last = args->w > reach ? (args->w - 1 - reach + args->pad_w) / args->stride_w + 1 : 0;
    if (s.inside_first > args->out_w) s.inside_first = args->out_w;
    if (s.inside_last > args->out_w) s.inside_last = args->out_w;
    if (s.inside_last < s.inside_first) s.inside_last = s.inside_first;
    const int64_t rows = args->planes * args->out_h;
    run->parallel(run, (rows + s.per_task - 1) / s.per_task, task, &s);
  }
};

template <class C>
struct MaxPoolGrad {
  const MaxPoolGradArgs* a;
  const Run* run;

  static void task(void* context, int64_t plane, int) {
    const auto& s = *static_cast<const MaxPoolGrad*>(context);
    const int64_t in_size = s.a->in_size, out_size = s.a->out_size;
    const C* g = static_cast<const C*>(s.a->g) + plane * out_size;
    const int64_t* index = s.a->indices + plane * out_size;
    C* dx = static_cast<C*>(s.a->dx) + plane * in_size;
    for (int64_t i = 0; i < in_size; ++i) dx[i] = 0;
    for (int64_t i = 0; i < out_size; ++i) {
      const int64_t at = index[i];
      if (static_cast<uint64_t>(at) < static_cast<uint64_t>(in_size)) [[likely]]
        dx[at] += g[i];
      else if (at != -1)
        s.run->report(s.run, plane * out_size + i, at, 0, in_size);
    }
  }
  static void kernel(const MaxPoolGradArgs* args, const Run* run) {
    MaxPoolGrad s{args, run};
    run->parallel(run, args->planes, task, &s);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_avg_pool(PoolKernels* table);
void fill_window(PoolKernels* table);

void fill_pool(PoolKernels* table) {
  table->max_pool_rows[kF32] = {MaxPool<float>::kernel, MO_KERNEL_NAME("max_pool_rows_f32")};
  table->max_pool_rows[kF64] = {MaxPool<double>::kernel, MO_KERNEL_NAME("max_pool_rows_f64")};
  table->max_pool_grad[kF32] = {MaxPoolGrad<float>::kernel, MO_KERNEL_NAME("max_pool_grad_f32")};
  table->max_pool_grad[kF64] = {MaxPoolGrad<double>::kernel, MO_KERNEL_NAME("max_pool_grad_f64")};
  fill_avg_pool(table);
  fill_window(table);
}

}  // namespace markone::MARKONE_ISA
