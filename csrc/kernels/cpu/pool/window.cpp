// Pooling with windows of any kind: a share of the outputs at a time.
#include "kernels/common/window.h"

#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

// A task takes about this many input elements.
constexpr int64_t kWindowTask = 8192;

template <class C, void (*kOne)(const WindowArgs&, int64_t)>
struct EachOutput {
  const WindowArgs* a;
  int64_t count, per_task;

  static void task(void* context, int64_t task, int) {
    const auto& s = *static_cast<const EachOutput*>(context);
    const int64_t last = (task + 1) * s.per_task < s.count ? (task + 1) * s.per_task : s.count;
    for (int64_t o = task * s.per_task; o < last; ++o) kOne(*s.a, o);
  }
  static void kernel(const WindowArgs* a, const Run* run) {
    check_samples<C>(*a, run);
    int64_t count = a->planes, taps = 1;
    for (const WindowDim& d : a->dim) {
      count *= d.out;
      const int64_t window = a->kind == kAdaptiveWindows ? d.size / d.out + 1 : d.kernel;
      taps *= window < d.size ? window : d.size;
    }
    EachOutput s{a, count, taps < kWindowTask ? kWindowTask / taps : 1};
    run->parallel(run, (count + s.per_task - 1) / s.per_task, task, &s);
  }
};
// Rows longer than this, and their outputs, go one by one.
constexpr int64_t kRowFit = 2048;
constexpr double kInfinite = __builtin_inf();

// The windows of row r of outputs, their columns left to `window`.
template <class C>
struct WindowRow {
  int64_t plane;
  Window w[2];
  MO_INLINE WindowRow(const WindowArgs& a, int64_t r) : plane(r / (a.dim[0].out * a.dim[1].out)) {
    w[1] = window_of<C>(a, 1, plane, r % a.dim[1].out);
    w[0] = window_of<C>(a, 0, plane, r / a.dim[1].out % a.dim[0].out);
  }
  // visit(offset of the row of the plane)
  template <class Visit>
  MO_INLINE void each(const WindowArgs& a, Visit visit) const {
    for (int64_t i = w[0].first; i < w[0].last; i += w[0].step)
      for (int64_t j = w[1].first; j < w[1].last; j += w[1].step)
        visit((i * a.dim[1].size + j) * a.dim[2].size);
  }
  MO_INLINE C divisor(const WindowArgs& a, const Window& last) const {
    if (a.divisor_override) return static_cast<C>(a.divisor_override);
    return static_cast<C>(w[0].counted) * static_cast<C>(w[1].counted) * static_cast<C>(last.counted);
  }
};

MO_INLINE bool rows_fit(const WindowArgs& a) { return a.dim[2].size <= kRowFit && a.dim[2].out <= kRowFit; }
// How many rows of outputs a task takes.
MO_INLINE int64_t window_rows_per_task(const WindowArgs& a) {
  const int64_t inputs = plane_size(a) / (a.dim[0].out * a.dim[1].out) + 1;
  return inputs < kWindowTask ? kWindowTask / inputs : 1;
}

// Means a row of outputs at a time: the sum of a window's rows in every column, then along that one row.
template <class C>
struct MeanRows {
  const WindowArgs* a;
  int64_t rows, per_task;

  static MO_INLINE void add_row(C* to, const C* from, int64_t n) {
    using V = Vec<C>;
    int64_t i = 0;
    for (; i + V::kLanes <= n; i += V::kLanes) (V::load(to + i) + V::load(from + i)).store(to + i);
    for (; i < n; ++i) to[i] += from[i];
  }
  static void mean_row(const WindowArgs& a, int64_t r) {
    const WindowRow<C> row(a, r);
    const int64_t n = a.dim[2].size;
    const C* x = static_cast<const C*>(a.x) + row.plane * plane_size(a);
    C* y = static_cast<C*>(a.y) + r * a.dim[2].out;
    C sum[kRowFit];
    for (int64_t k = 0; k < n; ++k) sum[k] = 0;
    row.each(a, [&](int64_t at) { add_row(sum, x + at, n); });
    for (int64_t o = 0; o < a.dim[2].out; ++o) {
      const Window w = window_of<C>(a, 2, row.plane, o);
      C total = 0;
      for (int64_t k = w.first; k < w.last; k += w.step) total += sum[k];
      y[o] = total / row.divisor(a, w);
    }
  }
  static void task(void* context, int64_t task, int) {
    const MeanRows& s = *static_cast<const MeanRows*>(context);
    const int64_t last = (task + 1) * s.per_task < s.rows ? (task + 1) * s.per_task : s.rows;
    for (int64_t r = task * s.per_task; r < last; ++r) mean_row(*s.a, r);
  }
  static void kernel(const WindowArgs* a, const Run* run) {
    if (!rows_fit(*a)) return EachOutput<C, mean_of<C, C>>::kernel(a, run);
    MeanRows s{a, a->planes * a->dim[0].out * a->dim[1].out, window_rows_per_task(*a)};
    run->parallel(run, (s.rows + s.per_task - 1) / s.per_task, task, &s);
  }

  // The gradient: each row of outputs is spread along one row, which is added to the rows of its window.
  static void grad_plane(const WindowArgs& a, int64_t plane) {
    const int64_t n = a.dim[2].size, rows = a.dim[0].out * a.dim[1].out;
    C* dx = static_cast<C*>(a.y) + plane * plane_size(a);
    for (int64_t i = 0; i < plane_size(a); ++i) dx[i] = 0;
    for (int64_t r = plane * rows; r < (plane + 1) * rows; ++r) {
      const WindowRow<C> row(a, r);
      const C* g = static_cast<const C*>(a.x) + r * a.dim[2].out;
      C spread[kRowFit];
      for (int64_t k = 0; k < n; ++k) spread[k] = 0;
      for (int64_t o = 0; o < a.dim[2].out; ++o) {
        const Window w = window_of<C>(a, 2, plane, o);
        const C share = g[o] / row.divisor(a, w);
        for (int64_t k = w.first; k < w.last; k += w.step) spread[k] += share;
      }
      row.each(a, [&](int64_t at) { add_row(dx + at, spread, n); });
    }
  }
  static void grad_task(void* context, int64_t plane, int) {
    const WindowArgs& a = *static_cast<const WindowArgs*>(context);
    rows_fit(a) ? grad_plane(a, plane) : spread_means<C>(a, plane);
  }
  static void grad_kernel(const WindowArgs* a, const Run* run) {
    WindowArgs args = *a;
    run->parallel(run, a->planes, grad_task, &args);
  }
};

// Maxima with their places, a row of outputs at a time: the first maximum of the window's rows in every
// column, then along that one row. Places are numbers of the vectors' type.
template <class C>
struct MaxRows {
  using V = Vec<C>;
  const WindowArgs* a;
  int64_t rows, per_task;

  static void columns(const WindowArgs& a, const WindowRow<C>& row, const C* x, C* best, C* place) {
    const int64_t n = a.dim[2].size;
    for (int64_t c = 0; c < n; c += V::kLanes) {
      const int64_t left = n - c < V::kLanes ? n - c : V::kLanes;
      V most(-kInfinite), found(-1.0);
      bool first = true;
      row.each(a, [&](int64_t at) {
        const V v = left == V::kLanes ? V::load(x + at + c) : V::load(x + at + c, left);
        const V here(static_cast<C>(at));
        const auto take = (v > most) | (v != v);
        found = first ? here : where(take, here, found);
        most = first ? v : where(take, v, most);
        first = false;
      });
      most.store(best + c, left);
      found.store(place + c, left);
    }
  }
  static void max_row(const WindowArgs& a, int64_t r) {
    const WindowRow<C> row(a, r);
    C best[kRowFit], place[kRowFit];
    columns(a, row, static_cast<const C*>(a.x) + row.plane * plane_size(a), best, place);
    const bool any = row.w[0].first < row.w[0].last && row.w[1].first < row.w[1].last;
    for (int64_t o = 0; o < a.dim[2].out; ++o) {
      const Window w = window_of<C>(a, 2, row.plane, o);
      C most = -static_cast<C>(kInfinite);
      int64_t found = -1;
      for (int64_t k = w.first; any && k < w.last; k += w.step) {
        // The first in row order of those that are equal, the last that is NaN.
        const int64_t at = static_cast<int64_t>(place[k]) + k;
        const bool nan = best[k] != best[k];
        const bool take =
            nan ? most == most || at > found : found < 0 || best[k] > most || (best[k] == most && at < found);
        found = take ? at : found;
        most = take ? best[k] : most;
      }
      static_cast<C*>(a.y)[r * a.dim[2].out + o] = most;
      a.indices[r * a.dim[2].out + o] = found;
    }
  }
  static void task(void* context, int64_t task, int) {
    const MaxRows& s = *static_cast<const MaxRows*>(context);
    const int64_t last = (task + 1) * s.per_task < s.rows ? (task + 1) * s.per_task : s.rows;
    for (int64_t r = task * s.per_task; r < last; ++r) max_row(*s.a, r);
  }
  static void kernel(const WindowArgs* a, const Run* run) {
    constexpr int64_t kExact = sizeof(C) == 4 ? int64_t{1} << 24 : int64_t{1} << 52;
    if (!rows_fit(*a) || plane_size(*a) > kExact) return EachOutput<C, max_of<C>>::kernel(a, run);
    check_samples<C>(*a, run);
    MaxRows s{a, a->planes * a->dim[0].out * a->dim[1].out, window_rows_per_task(*a)};
    run->parallel(run, (s.rows + s.per_task - 1) / s.per_task, task, &s);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_window(PoolKernels* table) {
  table->window_max[kF32] = {MaxRows<float>::kernel, MO_KERNEL_NAME("window_max_f32")};
  table->window_max[kF64] = {MaxRows<double>::kernel, MO_KERNEL_NAME("window_max_f64")};
  table->window_stochastic[kF32] = {EachOutput<float, stochastic_of<float, float>>::kernel,
                                    MO_KERNEL_NAME("window_stochastic_f32")};
  table->window_stochastic[kF64] = {EachOutput<double, stochastic_of<double, double>>::kernel,
                                    MO_KERNEL_NAME("window_stochastic_f64")};
  table->window_avg[kF32] = {MeanRows<float>::kernel, MO_KERNEL_NAME("window_avg_f32")};
  table->window_avg[kF64] = {MeanRows<double>::kernel, MO_KERNEL_NAME("window_avg_f64")};
  table->window_avg_grad[kF32] = {MeanRows<float>::grad_kernel, MO_KERNEL_NAME("window_avg_grad_f32")};
  table->window_avg_grad[kF64] = {MeanRows<double>::grad_kernel, MO_KERNEL_NAME("window_avg_grad_f64")};
}

}  // namespace markone::MARKONE_ISA
