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
template <class C>
struct EachPlane {
  static void task(void* context, int64_t plane, int) {
    spread_means<C>(*static_cast<const WindowArgs*>(context), plane);
  }
  static void kernel(const WindowArgs* a, const Run* run) {
    WindowArgs args = *a;
    run->parallel(run, a->planes, task, &args);
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
  table->window_avg[kF32] = {EachOutput<float, mean_of<float, float>>::kernel,
                             MO_KERNEL_NAME("window_avg_f32")};
  table->window_avg[kF64] = {EachOutput<double, mean_of<double, double>>::kernel,
                             MO_KERNEL_NAME("window_avg_f64")};
  table->window_avg_grad[kF32] = {EachPlane<float>::kernel, MO_KERNEL_NAME("window_avg_grad_f32")};
  table->window_avg_grad[kF64] = {EachPlane<double>::kernel, MO_KERNEL_NAME("window_avg_grad_f64")};
}

}  // namespace markone::MARKONE_ISA
