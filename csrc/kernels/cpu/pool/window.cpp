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
// Means a row of outputs at a time: the sum of a window's rows in every column, then along that one row. Rows
// longer than this, and their outputs, go one by one.
constexpr int64_t kRowFit = 2048;

template <class C>
struct MeanRows {
  const WindowArgs* a;
  int64_t rows, per_task;

  static MO_INLINE bool fits(const WindowArgs& a) {
    return a.dim[2].size <= kRowFit && a.dim[2].out <= kRowFit;
  }
  static MO_INLINE void add_row(C* to, const C* from, int64_t n) {
    using V = Vec<C>;
    int64_t i = 0;
    for (; i + V::kLanes <= n; i += V::kLanes) (V::load(to + i) + V::load(from + i)).store(to + i);
    for (; i < n; ++i) to[i] += from[i];
  }
  // The windows of row r of outputs, their columns left to `window`.
  struct Row {
    int64_t plane;
    Window w[2];
    MO_INLINE Row(const WindowArgs& a, int64_t r) : plane(r / (a.dim[0].out * a.dim[1].out)) {
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

  static void mean_row(const WindowArgs& a, int64_t r) {
    const Row row(a, r);
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
    if (!fits(*a)) return EachOutput<C, mean_of<C, C>>::kernel(a, run);
    const int64_t inputs = plane_size(*a) / (a->dim[0].out * a->dim[1].out) + 1;
    MeanRows s{a, a->planes * a->dim[0].out * a->dim[1].out, inputs < kWindowTask ? kWindowTask / inputs : 1};
    run->parallel(run, (s.rows + s.per_task - 1) / s.per_task, task, &s);
  }

  // The gradient: each row of outputs is spread along one row, which is added to the rows of its window.
  static void grad_plane(const WindowArgs& a, int64_t plane) {
    const int64_t n = a.dim[2].size, rows = a.dim[0].out * a.dim[1].out;
    C* dx = static_cast<C*>(a.y) + plane * plane_size(a);
    for (int64_t i = 0; i < plane_size(a); ++i) dx[i] = 0;
    for (int64_t r = plane * rows; r < (plane + 1) * rows; ++r) {
      const Row row(a, r);
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
    fits(a) ? grad_plane(a, plane) : spread_means<C>(a, plane);
  }
  static void grad_kernel(const WindowArgs* a, const Run* run) {
    WindowArgs args = *a;
    run->parallel(run, a->planes, grad_task, &args);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_window(PoolKernels* table) {
  table->window_max[kF32] = {EachOutput<float, max_of<float>>::kernel, MO_KERNEL_NAME("window_max_f32")};
  table->window_max[kF64] = {EachOutput<double, max_of<double>>::kernel, MO_KERNEL_NAME("window_max_f64")};
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
