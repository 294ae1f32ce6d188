// Softmax and cross-entropy, in plain loops over double.
#include "contract/softmax.h"

#include <math.h>

namespace markone::ref {
namespace {

// The maximum of a row and the log of the sum of exp(x - maximum).
struct Stats {
  double max, log_sum;
};
template <class T>
Stats stats(const T* x, int64_t n, int64_t stride) {
  double max = x[0], sum = 0;
  for (int64_t i = 1; i < n; ++i) {
    const double v = x[i * stride];
    max = v != v || v > max ? v : max;
  }
  for (int64_t i = 0; i < n; ++i) sum += exp(x[i * stride] - max);
  return {max, log(sum)};
}

template <bool kLog, class T>
void softmax(const SoftmaxArgs* a, const Run*) {
  for (int64_t r = 0; r < a->outer * a->inner; ++r) {
    const int64_t start = r / a->inner * a->n * a->inner + r % a->inner;
    const T* x = static_cast<const T*>(a->x) + start;
    T* y = static_cast<T*>(a->y) + start;
    const Stats s = stats(x, a->n, a->inner);
    for (int64_t i = 0; i < a->n; ++i) {
      const double v = x[i * a->inner] - s.max - s.log_sum;
      y[i * a->inner] = static_cast<T>(kLog ? v : exp(v));
    }
  }
}

template <bool kLog, class T>
void softmax_grad(const SoftmaxGradArgs* a, const Run*) {
  for (int64_t r = 0; r < a->outer * a->inner; ++r) {
    const int64_t start = r / a->inner * a->n * a->inner + r % a->inner;
    const T *g = static_cast<const T*>(a->g) + start, *y = static_cast<const T*>(a->y) + start;
    T* dx = static_cast<T*>(a->dx) + start;
    double total = 0;
    for (int64_t i = 0; i < a->n; ++i) {
      const int64_t at = i * a->inner;
      total += kLog ? static_cast<double>(g[at]) : static_cast<double>(g[at]) * y[at];
    }
    for (int64_t i = 0; i < a->n; ++i) {
      const int64_t at = i * a->inner;
      dx[at] =
          static_cast<T>(kLog ? g[at] - exp(static_cast<double>(y[at])) * total : y[at] * (g[at] - total));
    }
  }
}

template <class T>
void cross_entropy(const CrossEntropyArgs* a, const Run* run) {
  const int64_t rows = a->outer * a->inner;
  const T* weight = static_cast<const T*>(a->weight);
  T *saved = static_cast<T*>(a->saved), *out = static_cast<T*>(a->loss);
  double sum = 0, total = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const T* x = static_cast<const T*>(a->x) + r / a->inner * a->n * a->inner + r % a->inner;
    const Stats s = stats(x, a->n, a->inner);
    saved[r] = static_cast<T>(s.max);
    saved[rows + r] = static_cast<T>(s.log_sum);
    if (a->reduction == kLossNone) out[r] = 0;
    const int64_t t = a->target[r];
    if (t == a->ignore_index) continue;
    if (t < 0 || t >= a->n) {
      run->report(run, r, t, 0, a->n);
      continue;
    }
    const double w = weight ? weight[t] : T(1);
    double loss = (1 - a->smoothing) * w * (s.max + s.log_sum - x[t * a->inner]);
    for (int64_t c = 0; a->smoothing > 0 && c < a->n; ++c)
      loss += a->smoothing / a->n * (weight ? weight[c] : T(1)) * (s.max + s.log_sum - x[c * a->inner]);
    if (a->reduction == kLossNone) out[r] = static_cast<T>(loss);
    sum += loss;
    total += w;
  }
  saved[2 * rows] = static_cast<T>(total);
  if (a->reduction != kLossNone) *out = static_cast<T>(a->reduction == kLossMean ? sum / total : sum);
}

template <class T>
void cross_entropy_grad(const CrossEntropyGradArgs* a, const Run* run) {
  const int64_t rows = a->outer * a->inner;
  const T *weight = static_cast<const T*>(a->weight), *g = static_cast<const T*>(a->g),
          *saved = static_cast<const T*>(a->saved);
  double all_weights = 0;
  for (int64_t c = 0; c < a->n; ++c) all_weights += weight ? weight[c] : T(1);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t start = r / a->inner * a->n * a->inner + r % a->inner, t = a->target[r];
    const T* x = static_cast<const T*>(a->x) + start;
    T* dx = static_cast<T*>(a->dx) + start;
    const bool outside = t < 0 || t >= a->n;
    if (t != a->ignore_index && outside) run->report(run, r, t, 0, a->n);
    if (t == a->ignore_index || outside) {
      for (int64_t c = 0; c < a->n; ++c) dx[c * a->inner] = 0;
      continue;
    }
    const double up = a->reduction == kLossNone   ? g[r]
                      : a->reduction == kLossMean ? g[0] / static_cast<double>(saved[2 * rows])
                                                  : g[0];
    const double all = (1 - a->smoothing) * (weight ? weight[t] : T(1)) + a->smoothing / a->n * all_weights;
    for (int64_t c = 0; c < a->n; ++c) {
      const double w = weight ? weight[c] : T(1),
                   p = exp(static_cast<double>(x[c * a->inner]) - saved[r] - saved[rows + r]);
      dx[c * a->inner] =
          static_cast<T>(up * (all * p - (c == t ? (1 - a->smoothing) * w : 0) - a->smoothing / a->n * w));
    }
  }
}

template <class T>
void nll(const CrossEntropyArgs* a, const Run* run) {
  const T* weight = static_cast<const T*>(a->weight);
  T* out = static_cast<T*>(a->loss);
  double sum = 0, total = 0;
  for (int64_t r = 0; r < a->outer * a->inner; ++r) {
    if (a->reduction == kLossNone) out[r] = 0;
    const int64_t t = a->target[r];
    if (t == a->ignore_index) continue;
    if (t < 0 || t >= a->n) {
      run->report(run, r, t, 0, a->n);
      continue;
    }
    const double w = weight ? weight[t] : T(1);
    const double loss = -w * static_cast<const T*>(a->x)[(r / a->inner * a->n + t) * a->inner + r % a->inner];
    if (a->reduction == kLossNone) out[r] = static_cast<T>(loss);
    sum += loss;
    total += w;
  }
  *static_cast<T*>(a->saved) = static_cast<T>(total);
  if (a->reduction != kLossNone) *out = static_cast<T>(a->reduction == kLossMean ? sum / total : sum);
}

template <class T>
void nll_grad(const CrossEntropyGradArgs* a, const Run* run) {
  const T *weight = static_cast<const T*>(a->weight), *g = static_cast<const T*>(a->g);
  const double total = *static_cast<const T*>(a->saved);
  T* dx = static_cast<T*>(a->dx);
  for (int64_t i = 0; i < a->outer * a->n * a->inner; ++i) dx[i] = 0;
  for (int64_t r = 0; r < a->outer * a->inner; ++r) {
    const int64_t t = a->target[r];
    if (t == a->ignore_index) continue;
    if (t < 0 || t >= a->n) {
      run->report(run, r, t, 0, a->n);
      continue;
    }
    const double up = a->reduction == kLossNone ? g[r] : a->reduction == kLossMean ? g[0] / total : g[0];
    dx[(r / a->inner * a->n + t) * a->inner + r % a->inner] =
        static_cast<T>(-up * (weight ? weight[t] : T(1)));
  }
}

}  // namespace

void fill_softmax(SoftmaxKernels* table) {
  table->softmax[kF32] = {softmax<false, float>, "softmax_f32_ref"};
  table->softmax[kF64] = {softmax<false, double>, "softmax_f64_ref"};
  table->log_softmax[kF32] = {softmax<true, float>, "log_softmax_f32_ref"};
  table->log_softmax[kF64] = {softmax<true, double>, "log_softmax_f64_ref"};
  table->softmax_grad[kF32] = {softmax_grad<false, float>, "softmax_grad_f32_ref"};
  table->softmax_grad[kF64] = {softmax_grad<false, double>, "softmax_grad_f64_ref"};
  table->log_softmax_grad[kF32] = {softmax_grad<true, float>, "log_softmax_grad_f32_ref"};
  table->log_softmax_grad[kF64] = {softmax_grad<true, double>, "log_softmax_grad_f64_ref"};
  table->cross_entropy[kF32] = {cross_entropy<float>, "cross_entropy_f32_ref"};
  table->cross_entropy[kF64] = {cross_entropy<double>, "cross_entropy_f64_ref"};
  table->cross_entropy_grad[kF32] = {cross_entropy_grad<float>, "cross_entropy_grad_f32_ref"};
  table->cross_entropy_grad[kF64] = {cross_entropy_grad<double>, "cross_entropy_grad_f64_ref"};
  table->nll[kF32] = {nll<float>, "nll_f32_ref"};
  table->nll[kF64] = {nll<double>, "nll_f64_ref"};
  table->nll_grad[kF32] = {nll_grad<float>, "nll_grad_f32_ref"};
  table->nll_grad[kF64] = {nll_grad<double>, "nll_grad_f64_ref"};
}

}  // namespace markone::ref
