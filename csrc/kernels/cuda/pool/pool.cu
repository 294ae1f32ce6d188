// Pooling: a thread an output, or an input for what the average spreads; a plane where indices say who gets
// what, in their order.
#include "contract/pool.h"
#include "kernels/cuda/device/each.cuh"
#include "kernels/cuda/device/scalar.cuh"

// After what says how functions are marked for the device.
#include "kernels/common/window.h"

namespace markone::cuda {
namespace {

// The taps k of a window that starts at `start` with start + k * dilation in [0, size): first <= k < last.
struct Taps {
  int64_t first, last;
  MO_SCALAR Taps(int64_t start, int64_t kernel, int64_t dilation, int64_t size) {
    first = start < 0 ? (dilation - 1 - start) / dilation : 0;
    last = start < size ? (size - 1 - start) / dilation + 1 : 0;
    if (last > kernel) last = kernel;
  }
};
// How many places of the window [start, start + kernel) count for an average.
MO_SCALAR int64_t counted(int64_t start, int64_t kernel, int64_t pad, int64_t size, bool include_pad) {
  const int64_t low = include_pad ? -pad : 0, high = include_pad ? size + pad : size;
  const int64_t first = start > low ? start : low, last = start + kernel < high ? start + kernel : high;
  return last - first;
}
MO_SCALAR double divisor_of(const PoolArgs& a, int64_t top, int64_t left) {
  if (a.divisor_override) return static_cast<double>(a.divisor_override);
  return static_cast<double>(counted(top, a.kernel_h, a.pad_h, a.h, a.count_include_pad) *
                             counted(left, a.kernel_w, a.pad_w, a.w, a.count_include_pad));
}

template <class T>
void max_pool(const PoolArgs* args, const Run* run) {
  const PoolArgs a = *args;
  each(run, a.planes * a.out_h * a.out_w, [=] __device__(int64_t o) {
    const int64_t j = o % a.out_w, i = o / a.out_w % a.out_h;
    const T* x = static_cast<const T*>(a.x) + o / (a.out_w * a.out_h) * a.h * a.w;
    T best = -static_cast<T>(__builtin_inf());
    int64_t found = -1;
    const int64_t top = i * a.stride_h - a.pad_h, left = j * a.stride_w - a.pad_w;
    const Taps rows(top, a.kernel_h, a.dilation_h, a.h), columns(left, a.kernel_w, a.dilation_w, a.w);
    for (int64_t p = rows.first; p < rows.last; ++p) {
      for (int64_t q = columns.first; q < columns.last; ++q) {
        const int64_t at = (top + p * a.dilation_h) * a.w + left + q * a.dilation_w;
        // The first maximum in this order, or the last NaN.
        if (found >= 0 && !(x[at] > best) && x[at] == x[at]) continue;
        best = x[at];
        found = at;
      }
    }
    static_cast<T*>(a.y)[o] = best;
    if (a.indices) a.indices[o] = found;
  });
}

template <class T>
void max_pool_grad(const MaxPoolGradArgs* args, const Run* run) {
  const MaxPoolGradArgs a = *args;
  const Reporter report = reporter(run);
  each(run, a.planes * a.in_size, [=] __device__(int64_t i) { static_cast<T*>(a.dx)[i] = T(0); });
  each(run, a.planes, [=] __device__(int64_t plane) {
    T* dx = static_cast<T*>(a.dx) + plane * a.in_size;
    for (int64_t o = plane * a.out_size; o < (plane + 1) * a.out_size; ++o) {
      const int64_t at = a.indices[o];
      if (at >= 0 && at < a.in_size) {
        dx[at] += static_cast<const T*>(a.g)[o];
      } else if (at != -1) {
        report(o, at, 0, a.in_size);
      }
    }
  });
}

template <class T>
void avg_pool(const PoolArgs* args, const Run* run) {
  const PoolArgs a = *args;
  each(run, a.planes * a.out_h * a.out_w, [=] __device__(int64_t o) {
    const int64_t top = o / a.out_w % a.out_h * a.stride_h - a.pad_h,
                  left = o % a.out_w * a.stride_w - a.pad_w;
    const T* x = static_cast<const T*>(a.x) + o / (a.out_w * a.out_h) * a.h * a.w;
    const Taps rows(top, a.kernel_h, 1, a.h), columns(left, a.kernel_w, 1, a.w);
    double total = 0;
    for (int64_t p = rows.first; p < rows.last; ++p) {
      for (int64_t q = columns.first; q < columns.last; ++q) total += x[(top + p) * a.w + left + q];
    }
    static_cast<T*>(a.y)[o] = static_cast<T>(total / divisor_of(a, top, left));
  });
}

// The outputs whose windows hold place `at`: first <= o < last.
struct Holders {
  int64_t first, last;
  MO_SCALAR Holders(int64_t at, int64_t kernel, int64_t stride, int64_t pad, int64_t out) {
    const int64_t low = at + pad - kernel + 1;
    first = low > 0 ? (low + stride - 1) / stride : 0;
    last = (at + pad) / stride + 1 < out ? (at + pad) / stride + 1 : out;
  }
};
template <class T>
void avg_pool_grad(const AvgPoolGradArgs* args, const Run* run) {
  const AvgPoolGradArgs b = *args;
  each(run, b.pool.planes * b.pool.h * b.pool.w, [=] __device__(int64_t e) {
    const PoolArgs& a = b.pool;
    const int64_t plane = e / (a.h * a.w);
    const Holders rows(e / a.w % a.h, a.kernel_h, a.stride_h, a.pad_h, a.out_h),
        columns(e % a.w, a.kernel_w, a.stride_w, a.pad_w, a.out_w);
    double total = 0;
    for (int64_t i = rows.first; i < rows.last; ++i) {
      for (int64_t j = columns.first; j < columns.last; ++j)
        total += static_cast<const T*>(b.g)[(plane * a.out_h + i) * a.out_w + j] /
                 divisor_of(a, i * a.stride_h - a.pad_h, j * a.stride_w - a.pad_w);
    }
    static_cast<T*>(b.dx)[e] = static_cast<T>(total);
  });
}

// ---- windows of any kind ----

enum What { kMax, kStochastic, kMean };

template <int kWhat, class T>
void windows(const WindowArgs* args, const Run* run) {
  const WindowArgs a = *args;
  const Reporter report = reporter(run);
  if (a.kind == kFractionalWindows) {
    each(run, a.planes * a.samples_per_plane, [=] __device__(int64_t i) {
      const T u = static_cast<const T*>(a.samples)[i];
      if (!(u >= 0 && u < 1)) report(i, u >= 1 && u < 1e9 ? static_cast<int64_t>(u) : -1, 0, 1);
    });
  }
  each(run, a.planes * a.dim[0].out * a.dim[1].out * a.dim[2].out, [=] __device__(int64_t o) {
    if (kWhat == kMax) max_of<T>(a, o);
    if (kWhat == kStochastic) stochastic_of<T, double>(a, o);
    if (kWhat == kMean) mean_of<T, double>(a, o);
  });
}
template <class T>
void window_max(const WindowArgs* args, const Run* run) {
  windows<kMax, T>(args, run);
}
template <class T>
void window_stochastic(const WindowArgs* args, const Run* run) {
  windows<kStochastic, T>(args, run);
}
template <class T>
void window_avg(const WindowArgs* args, const Run* run) {
  windows<kMean, T>(args, run);
}
template <class T>
void window_avg_grad(const WindowArgs* args, const Run* run) {
  const WindowArgs a = *args;
  each(run, a.planes, [=] __device__(int64_t plane) { spread_means<T>(a, plane); });
}

}  // namespace

void fill_pool(PoolKernels* table) {
  MO_CUDA_FLOATS(max_pool_ref, max_pool, "max_pool")
  MO_CUDA_FLOATS(max_pool_grad, max_pool_grad, "max_pool_grad")
  MO_CUDA_FLOATS(avg_pool_ref, avg_pool, "avg_pool")
  MO_CUDA_FLOATS(avg_pool_grad, avg_pool_grad, "avg_pool_grad")
  MO_CUDA_FLOATS(window_max, window_max, "window_max")
  MO_CUDA_FLOATS(window_stochastic, window_stochastic, "window_stochastic")
  MO_CUDA_FLOATS(window_avg, window_avg, "window_avg")
  MO_CUDA_FLOATS(window_avg_grad, window_avg_grad, "window_avg_grad")
}

}  // namespace markone::cuda
