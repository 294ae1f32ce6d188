// Pooling, in plain loops.
#include "contract/pool.h"

namespace markone::ref {
namespace {

// The taps k of a window that starts at `start` with start + k * dilation in [0, size): first <= k < last.
struct Taps {
  int64_t first, last;
  Taps(int64_t start, int64_t kernel, int64_t dilation, int64_t size) {
    first = start < 0 ? (dilation - 1 - start) / dilation : 0;
    last = start < size ? (size - 1 - start) / dilation + 1 : 0;
    if (last > kernel) last = kernel;
  }
};
// How many places of the window [start, start + kernel) count for an average.
int64_t counted(int64_t start, int64_t kernel, int64_t pad, int64_t size, bool include_pad) {
  const int64_t low = include_pad ? -pad : 0, high = include_pad ? size + pad : size;
  const int64_t first = start > low ? start : low, last = start + kernel < high ? start + kernel : high;
  return last - first;
}

template <class T>
void max_pool(const PoolArgs* a, const Run*) {
  for (int64_t o = 0; o < a->planes * a->out_h * a->out_w; ++o) {
    const int64_t j = o % a->out_w, i = o / a->out_w % a->out_h;
    const T* x = static_cast<const T*>(a->x) + o / (a->out_w * a->out_h) * a->h * a->w;
    T best = -static_cast<T>(__builtin_inf());
    int64_t found = -1;
    const int64_t top = i * a->stride_h - a->pad_h, left = j * a->stride_w - a->pad_w;
    const Taps rows(top, a->kernel_h, a->dilation_h, a->h), columns(left, a->kernel_w, a->dilation_w, a->w);
    for (int64_t p = rows.first; p < rows.last; ++p) {
      for (int64_t q = columns.first; q < columns.last; ++q) {
        const int64_t at = (top + p * a->dilation_h) * a->w + left + q * a->dilation_w;
        // The first maximum in this order, or the last NaN, as in PyTorch.
        if (found >= 0 && !(x[at] > best) && x[at] == x[at]) continue;
        best = x[at];
        found = at;
      }
    }
    static_cast<T*>(a->y)[o] = best;
    if (a->indices) a->indices[o] = found;
  }
}

template <class T>
void max_pool_grad(const MaxPoolGradArgs* a, const Run* run) {
  T* dx = static_cast<T*>(a->dx);
  for (int64_t i = 0; i < a->planes * a->in_size; ++i) dx[i] = 0;
  for (int64_t o = 0; o < a->planes * a->out_size; ++o) {
    const int64_t at = a->indices[o];
    if (at == -1) continue;
    if (at < 0 || at >= a->in_size)
      run->report(run, o, at, 0, a->in_size);
    else
      dx[o / a->out_size * a->in_size + at] += static_cast<const T*>(a->g)[o];
  }
}

// Calls visit(output, input, divisor) for each element of each window.
template <class Visit>
void each_pair(const PoolArgs& a, Visit visit) {
  for (int64_t o = 0; o < a.planes * a.out_h * a.out_w; ++o) {
    const int64_t top = o / a.out_w % a.out_h * a.stride_h - a.pad_h,
                  left = o % a.out_w * a.stride_w - a.pad_w;
    const int64_t divisor = a.divisor_override
                                ? a.divisor_override
                                : counted(top, a.kernel_h, a.pad_h, a.h, a.count_include_pad) *
                                      counted(left, a.kernel_w, a.pad_w, a.w, a.count_include_pad);
    const Taps rows(top, a.kernel_h, 1, a.h), columns(left, a.kernel_w, 1, a.w);
    for (int64_t p = rows.first; p < rows.last; ++p) {
      for (int64_t q = columns.first; q < columns.last; ++q)
        visit(o, o / (a.out_w * a.out_h) * a.h * a.w + (top + p) * a.w + left + q,
              static_cast<double>(divisor));
    }
  }
}

template <class T>
void avg_pool(const PoolArgs* a, const Run*) {
  const T* x = static_cast<const T*>(a->x);
  T* y = static_cast<T*>(a->y);
  int64_t current = -1;
  double total = 0;
  each_pair(*a, [&](int64_t o, int64_t i, double divisor) {
    total = o == current ? total + x[i] : x[i];
    current = o;
    y[o] = static_cast<T>(total / divisor);
  });
}

template <class T>
void avg_pool_grad(const AvgPoolGradArgs* a, const Run*) {
  T* dx = static_cast<T*>(a->dx);
  for (int64_t i = 0; i < a->pool.planes * a->pool.h * a->pool.w; ++i) dx[i] = 0;
  each_pair(a->pool, [&](int64_t o, int64_t i, double divisor) {
    dx[i] = static_cast<T>(dx[i] + static_cast<const T*>(a->g)[o] / divisor);
  });
}

}  // namespace

void fill_window(PoolKernels* table);

void fill_pool(PoolKernels* table) {
  fill_window(table);
  table->max_pool_ref[kF32] = {max_pool<float>, "max_pool_f32_ref"};
  table->max_pool_ref[kF64] = {max_pool<double>, "max_pool_f64_ref"};
  table->max_pool_grad[kF32] = {max_pool_grad<float>, "max_pool_grad_f32_ref"};
  table->max_pool_grad[kF64] = {max_pool_grad<double>, "max_pool_grad_f64_ref"};
  table->avg_pool_ref[kF32] = {avg_pool<float>, "avg_pool_f32_ref"};
  table->avg_pool_ref[kF64] = {avg_pool<double>, "avg_pool_f64_ref"};
  table->avg_pool_grad[kF32] = {avg_pool_grad<float>, "avg_pool_grad_f32_ref"};
  table->avg_pool_grad[kF64] = {avg_pool_grad<double>, "avg_pool_grad_f64_ref"};
}

}  // namespace markone::ref
