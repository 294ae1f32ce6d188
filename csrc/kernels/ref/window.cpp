// Pooling with windows of any kind, one output after the other.
#include "kernels/common/window.h"

namespace markone::ref {
namespace {

template <class C, void (*kOne)(const WindowArgs&, int64_t)>
void each_output(const WindowArgs* a, const Run* run) {
  check_samples<C>(*a, run);
  const int64_t count = a->planes * a->dim[0].out * a->dim[1].out * a->dim[2].out;
  for (int64_t o = 0; o < count; ++o) kOne(*a, o);
}
template <class C>
void each_plane(const WindowArgs* a, const Run*) {
  for (int64_t plane = 0; plane < a->planes; ++plane) spread_means<C>(*a, plane);
}

}  // namespace

void fill_window(PoolKernels* table) {
  table->window_max[kF32] = {each_output<float, max_of<float>>, "window_max_f32_ref"};
  table->window_max[kF64] = {each_output<double, max_of<double>>, "window_max_f64_ref"};
  table->window_stochastic[kF32] = {each_output<float, stochastic_of<float, double>>,
                                    "window_stochastic_f32_ref"};
  table->window_stochastic[kF64] = {each_output<double, stochastic_of<double, double>>,
                                    "window_stochastic_f64_ref"};
  table->window_avg[kF32] = {each_output<float, mean_of<float, double>>, "window_avg_f32_ref"};
  table->window_avg[kF64] = {each_output<double, mean_of<double, double>>, "window_avg_f64_ref"};
  table->window_avg_grad[kF32] = {each_plane<float>, "window_avg_grad_f32_ref"};
  table->window_avg_grad[kF64] = {each_plane<double>, "window_avg_grad_f64_ref"};
}

}  // namespace markone::ref
