// Running sums and their like, one element after the other in double.
#include "contract/scan.h"

#include <math.h>

#include "kernels/common/scalar.h"

namespace markone::ref {
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
T narrowed(double x) {
  return static_cast<T>(x);
}
template <class T>
T narrowed(Int x) {
  return x.v;
}

template <int kOp, class T>
void scan(const ScanArgs* a, const Run*) {
  using W = typename Wide<T>::type;
  for (int64_t line = 0; line < a->outer * a->inner; ++line) {
    const int64_t start = line / a->inner * a->n * a->inner + line % a->inner;
    const T* x = static_cast<const T*>(a->x) + start;
    T* y = static_cast<T*>(a->y) + start;
    W total = kOp == kCumprod ? W(1) : W(0);
    int64_t found = 0;
    double top = -INFINITY, sum = 0;
    for (int64_t k = 0; k < a->n; ++k) {
      const int64_t i = a->reverse ? a->n - 1 - k : k, at = i * a->inner;
      if constexpr (kOp == kCumsum) {
        total = total + W(x[at]);
        y[at] = narrowed<T>(total);
      } else if constexpr (kOp == kCumprod) {
        total = total * W(x[at]);
        y[at] = narrowed<T>(total);
      } else if constexpr (kOp == kLogcumsumexp) {
        const double v = static_cast<double>(x[at]);
        const double larger = v != v || v > top ? v : top;
        sum = sum * exp(top == larger ? 0 : top - larger) + exp(v == larger ? 0 : v - larger);
        top = larger;
        y[at] = static_cast<T>(top + log(sum));
      } else {
        const T best = x[found * a->inner];
        if (k == 0 || x[at] != x[at] || (best == best && (kOp == kCummax ? x[at] >= best : x[at] <= best)))
          found = i;
        y[at] = x[found * a->inner];
        a->indices[start + at] = found;
      }
    }
  }
}

template <class T>
void logcumsumexp_grad(const LogcumsumexpGradArgs* a, const Run*) {
  for (int64_t line = 0; line < a->outer * a->inner; ++line) {
    const int64_t start = line / a->inner * a->n * a->inner + line % a->inner;
    const T *g = static_cast<const T*>(a->g) + start, *x = static_cast<const T*>(a->x) + start,
            *y = static_cast<const T*>(a->y) + start;
    T* dx = static_cast<T*>(a->dx) + start;
    double rest = 0, next = 0;
    for (int64_t i = a->n - 1; i >= 0; --i) {
      const int64_t at = i * a->inner;
      const double now = static_cast<double>(y[at]), v = static_cast<double>(x[at]);
      rest = g[at] + (i == a->n - 1 ? 0 : rest * (now == next ? 1 : exp(now - next)));
      dx[at] = static_cast<T>(rest * (v == now ? 1 : exp(v - now)));
      next = now;
    }
  }
}

}  // namespace

#define MO_SCAN(op, name)                                      \
  table->scan[op][kF32] = {scan<op, float>, name "_f32_ref"};  \
  table->scan[op][kF64] = {scan<op, double>, name "_f64_ref"}; \
  if constexpr (op != kLogcumsumexp) table->scan[op][kI64] = {scan<op, int64_t>, name "_i64_ref"};

void fill_scan(ScanKernels* table) {
  MO_SCAN(kCumsum, "cumsum")
  MO_SCAN(kCumprod, "cumprod")
  MO_SCAN(kCummax, "cummax")
  MO_SCAN(kCummin, "cummin")
  MO_SCAN(kLogcumsumexp, "logcumsumexp")
  table->logcumsumexp_grad[kF32] = {logcumsumexp_grad<float>, "logcumsumexp_grad_f32_ref"};
  table->logcumsumexp_grad[kF64] = {logcumsumexp_grad<double>, "logcumsumexp_grad_f64_ref"};
}

}  // namespace markone::ref
