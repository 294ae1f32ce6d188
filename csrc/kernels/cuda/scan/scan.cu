// Running sums and their like: a thread a line, in order.
#include "contract/scan.h"
#include "kernels/cuda/device/each.cuh"
#include "kernels/cuda/device/scalar.cuh"

namespace markone::cuda {
namespace {

template <class T>
struct Wide {
  using type = double;
};
template <>
struct Wide<int64_t> {
  using type = Int;
};
template <class T>
MO_SCALAR T narrowed(double x) {
  return static_cast<T>(x);
}
template <class T>
MO_SCALAR T narrowed(Int x) {
  return static_cast<T>(x.v);
}

template <int kOp, class T>
void scan(const ScanArgs* args, const Run* run) {
  using W = typename Wide<T>::type;
  const ScanArgs a = *args;
  each(run, a.outer * a.inner, [=] __device__(int64_t line) {
    const int64_t start = line / a.inner * a.n * a.inner + line % a.inner;
    const T* x = static_cast<const T*>(a.x) + start;
    T* y = static_cast<T*>(a.y) + start;
    W total = kOp == kCumprod ? W(1) : W(0);
    int64_t found = 0;
    double top = -__builtin_inf(), sum = 0;
    for (int64_t k = 0; k < a.n; ++k) {
      const int64_t i = a.reverse ? a.n - 1 - k : k, at = i * a.inner;
      if (kOp == kCumsum) {
        total = total + W(x[at]);
        y[at] = narrowed<T>(total);
      } else if (kOp == kCumprod) {
        total = total * W(x[at]);
        y[at] = narrowed<T>(total);
      } else if (kOp == kLogcumsumexp) {
        const double v = static_cast<double>(x[at]);
        const double larger = v != v || v > top ? v : top;
        sum = sum * ::exp(top == larger ? 0 : top - larger) + ::exp(v == larger ? 0 : v - larger);
        top = larger;
        y[at] = static_cast<T>(top + ::log(sum));
      } else {
        const T best = x[found * a.inner];
        if (k == 0 || x[at] != x[at] || (best == best && (kOp == kCummax ? x[at] >= best : x[at] <= best)))
          found = i;
        y[at] = x[found * a.inner];
        a.indices[start + at] = found;
      }
    }
  });
}

template <class T>
void logcumsumexp_grad(const LogcumsumexpGradArgs* args, const Run* run) {
  const LogcumsumexpGradArgs a = *args;
  each(run, a.outer * a.inner, [=] __device__(int64_t line) {
    const int64_t start = line / a.inner * a.n * a.inner + line % a.inner;
    const T *g = static_cast<const T*>(a.g) + start, *x = static_cast<const T*>(a.x) + start,
            *y = static_cast<const T*>(a.y) + start;
    T* dx = static_cast<T*>(a.dx) + start;
    double rest = 0, next = 0;
    for (int64_t i = a.n - 1; i >= 0; --i) {
      const int64_t at = i * a.inner;
      const double now = static_cast<double>(y[at]), v = static_cast<double>(x[at]);
      rest = g[at] + (i == a.n - 1 ? 0 : rest * (now == next ? 1 : ::exp(now - next)));
      dx[at] = static_cast<T>(rest * (v == now ? 1 : ::exp(v - now)));
      next = now;
    }
  });
}

}  // namespace

#define MO_SCAN(op, name)                                       \
  table->scan[op][kF32] = {scan<op, float>, name "_f32_cuda"};  \
  table->scan[op][kF64] = {scan<op, double>, name "_f64_cuda"}; \
  if constexpr (op != kLogcumsumexp) table->scan[op][kI64] = {scan<op, int64_t>, name "_i64_cuda"};

void fill_scan(ScanKernels* table) {
  MO_SCAN(kCumsum, "cumsum")
  MO_SCAN(kCumprod, "cumprod")
  MO_SCAN(kCummax, "cummax")
  MO_SCAN(kCummin, "cummin")
  MO_SCAN(kLogcumsumexp, "logcumsumexp")
  MO_CUDA_FLOATS(logcumsumexp_grad, logcumsumexp_grad, "logcumsumexp_grad")
}

}  // namespace markone::cuda
