// Softmax and cross-entropy: a team of threads a row; sums in double.
#include "contract/softmax.h"
#include "kernels/cuda/device/each.cuh"
#include "kernels/cuda/device/scalar.cuh"

namespace markone::cuda {
namespace {

MO_SCALAR int64_t start_of(int64_t row, int64_t n, int64_t inner) {
  return row / inner * n * inner + row % inner;
}

// The maximum of a row and the log of the sum of exp(x - maximum). NaN wins the maximum.
template <class Team, class T>
__device__ void stats(const T* x, int64_t n, int64_t stride, T* max, double* log_sum) {
  T top = x[0];
  for (int64_t i = Team::rank(); i < n; i += Team::kSize) {
    const T v = x[i * stride];
    top = v != v || v > top ? v : top;
  }
  top = Team::combine(top, [](T a, T b) { return b != b || b > a ? b : a; });
  double sum = 0;
  for (int64_t i = Team::rank(); i < n; i += Team::kSize) sum += exp(Real<T>(x[i * stride] - top)).v;
  *log_sum = ::log(Team::sum(sum));
  *max = top;
}

template <bool kLog, class T>
struct Softmax {
  SoftmaxArgs a;
  template <class Team>
  __device__ void line(int64_t row) const {
    const int64_t start = start_of(row, a.n, a.inner);
    const T* x = static_cast<const T*>(a.x) + start;
    T* y = static_cast<T*>(a.y) + start;
    T max;
    double log_sum;
    stats<Team>(x, a.n, a.inner, &max, &log_sum);
    for (int64_t i = Team::rank(); i < a.n; i += Team::kSize) {
      const double v = static_cast<double>(x[i * a.inner]) - max - log_sum;
      y[i * a.inner] = kLog ? static_cast<T>(v) : exp(Real<T>(static_cast<T>(v))).v;
    }
  }
};
template <bool kLog, class T>
struct SoftmaxGrad {
  SoftmaxGradArgs a;
  template <class Team>
  __device__ void line(int64_t row) const {
    const int64_t start = start_of(row, a.n, a.inner);
    const T *g = static_cast<const T*>(a.g) + start, *y = static_cast<const T*>(a.y) + start;
    T* dx = static_cast<T*>(a.dx) + start;
    double total = 0;
    for (int64_t i = Team::rank(); i < a.n; i += Team::kSize) {
      const int64_t at = i * a.inner;
      total += kLog ? static_cast<double>(g[at]) : static_cast<double>(g[at]) * y[at];
    }
    total = Team::sum(total);
    for (int64_t i = Team::rank(); i < a.n; i += Team::kSize) {
      const int64_t at = i * a.inner;
      dx[at] = static_cast<T>(kLog ? g[at] - exp(Real<T>(y[at])).v * total : y[at] * (g[at] - total));
    }
  }
};

template <class F, class Args>
void rows(const Args* args, const Run* run) {
  each_line(run, args->outer * args->inner, args->n, args->inner, F{*args});
}
template <class T>
void softmax(const SoftmaxArgs* args, const Run* run) {
  rows<Softmax<false, T>>(args, run);
}
template <class T>
void log_softmax(const SoftmaxArgs* args, const Run* run) {
  rows<Softmax<true, T>>(args, run);
}
template <class T>
void softmax_grad(const SoftmaxGradArgs* args, const Run* run) {
  rows<SoftmaxGrad<false, T>>(args, run);
}
template <class T>
void log_softmax_grad(const SoftmaxGradArgs* args, const Run* run) {
  rows<SoftmaxGrad<true, T>>(args, run);
}

// ---- cross-entropy and the negative log likelihood ----

template <class T, class Args>
__device__ double weight_of(const Args& a, int64_t c) {
  return a.weight ? static_cast<double>(static_cast<const T*>(a.weight)[c]) : 1.0;
}
// Whether the row counts; a bad target is reported.
template <class Args>
__device__ bool counts(const Args& a, const Reporter& report, int64_t row, bool says) {
  const int64_t t = a.target[row];
  if (t == a.ignore_index) return false;
  if (t >= 0 && t < a.n) return true;
  if (says) report(row, t, 0, a.n);
  return false;
}

// A row's loss goes to part[row], or to the result where nothing is summed.
template <class T>
struct CrossEntropy {
  CrossEntropyArgs a;
  Reporter report;
  T* part;
  template <class Team>
  __device__ void line(int64_t row) const {
    const T* x = static_cast<const T*>(a.x) + start_of(row, a.n, a.inner);
    T* saved = static_cast<T*>(a.saved);
    T max;
    double log_sum;
    stats<Team>(x, a.n, a.inner, &max, &log_sum);
    double loss = 0;
    const bool counted = counts(a, report, row, Team::rank() == 0);
    if (counted && a.smoothing > 0) {
      for (int64_t c = Team::rank(); c < a.n; c += Team::kSize)
        loss += weight_of<T>(a, c) * (max + log_sum - x[c * a.inner]);
      loss = Team::sum(loss) * (a.smoothing / static_cast<double>(a.n));
    }
    if (Team::rank() != 0) return;
    if (counted) {
      const int64_t t = a.target[row];
      loss += (1 - a.smoothing) * weight_of<T>(a, t) * (max + log_sum - x[t * a.inner]);
    }
    saved[row] = max;
    saved[a.outer * a.inner + row] = static_cast<T>(log_sum);
    part[row] = static_cast<T>(loss);
  }
};

// The sums of the rows' losses and weights, by one team.
template <class T>
struct LossSum {
  CrossEntropyArgs a;
  const T* part;  // null: the rows' own
  T* total;
  template <class Team>
  __device__ void line(int64_t) const {
    double sum = 0, weights = 0;
    for (int64_t r = Team::rank(); r < a.outer * a.inner; r += Team::kSize) {
      const int64_t t = a.target[r];
      sum += part[r];
      if (t != a.ignore_index && t >= 0 && t < a.n) weights += weight_of<T>(a, t);
    }
    sum = Team::sum(sum);
    weights = Team::sum(weights);
    if (Team::rank() != 0) return;
    *total = static_cast<T>(weights);
    if (a.reduction != kLossNone)
      *static_cast<T*>(a.loss) = static_cast<T>(a.reduction == kLossMean ? sum / weights : sum);
  }
};

template <class T>
void cross_entropy(const CrossEntropyArgs* args, const Run* run) {
  const int64_t rows = args->outer * args->inner;
  T* part = static_cast<T*>(args->reduction == kLossNone ? args->loss : run->scratch);
  each_line(run, rows, args->n, args->inner, CrossEntropy<T>{*args, reporter(run), part});
  each_line(run, 1, INT64_MAX, 1, LossSum<T>{*args, part, static_cast<T*>(args->saved) + 2 * rows});
}

template <class T>
struct CrossEntropyGrad {
  CrossEntropyGradArgs a;
  Reporter report;
  template <class Team>
  __device__ void line(int64_t row) const {
    const int64_t rows = a.outer * a.inner, start = start_of(row, a.n, a.inner), t = a.target[row];
    const T *x = static_cast<const T*>(a.x) + start, *g = static_cast<const T*>(a.g),
            *saved = static_cast<const T*>(a.saved);
    T* dx = static_cast<T*>(a.dx) + start;
    if (!counts(a, report, row, Team::rank() == 0)) {
      for (int64_t c = Team::rank(); c < a.n; c += Team::kSize) dx[c * a.inner] = 0;
      return;
    }
    double weights = static_cast<double>(a.n);
    if (a.weight && a.smoothing > 0) {
      weights = 0;
      for (int64_t c = Team::rank(); c < a.n; c += Team::kSize) weights += weight_of<T>(a, c);
      weights = Team::sum(weights);
    }
    const double up = a.reduction == kLossNone   ? g[row]
                      : a.reduction == kLossMean ? g[0] / static_cast<double>(saved[2 * rows])
                                                 : g[0];
    const double share = a.smoothing / static_cast<double>(a.n);
    const double all = (1 - a.smoothing) * weight_of<T>(a, t) + share * weights;
    const double under = static_cast<double>(saved[row]) + saved[rows + row];
    for (int64_t c = Team::rank(); c < a.n; c += Team::kSize) {
      const double w = weight_of<T>(a, c), p = exp(Real<T>(static_cast<T>(x[c * a.inner] - under))).v;
      dx[c * a.inner] = static_cast<T>(up * (all * p - (c == t ? (1 - a.smoothing) * w : 0) - share * w));
    }
  }
};
template <class T>
void cross_entropy_grad(const CrossEntropyGradArgs* args, const Run* run) {
  each_line(run, args->outer * args->inner, args->n, args->inner, CrossEntropyGrad<T>{*args, reporter(run)});
}

// The rows' losses are made again for the sum: reading one number a row costs less than keeping them.
template <class T>
struct NllSum {
  CrossEntropyArgs a;
  template <class Team>
  __device__ void line(int64_t) const {
    double sum = 0, weights = 0;
    for (int64_t r = Team::rank(); r < a.outer * a.inner; r += Team::kSize) {
      const int64_t t = a.target[r];
      if (t == a.ignore_index || t < 0 || t >= a.n) continue;
      const double w = weight_of<T>(a, t);
      sum -= w * static_cast<const T*>(a.x)[start_of(r, a.n, a.inner) + t * a.inner];
      weights += w;
    }
    sum = Team::sum(sum);
    weights = Team::sum(weights);
    if (Team::rank() != 0) return;
    *static_cast<T*>(a.saved) = static_cast<T>(weights);
    if (a.reduction != kLossNone)
      *static_cast<T*>(a.loss) = static_cast<T>(a.reduction == kLossMean ? sum / weights : sum);
  }
};
template <class T>
void nll(const CrossEntropyArgs* args, const Run* run) {
  const CrossEntropyArgs a = *args;
  const Reporter report = reporter(run);
  each(run, a.outer * a.inner, [=] __device__(int64_t r) {
    const bool counted = counts(a, report, r, true);
    if (a.reduction != kLossNone) return;
    const int64_t t = a.target[r];
    static_cast<T*>(a.loss)[r] =
        counted ? static_cast<T>(-weight_of<T>(a, t) *
                                 static_cast<const T*>(a.x)[start_of(r, a.n, a.inner) + t * a.inner])
                : T(0);
  });
  each_line(run, 1, INT64_MAX, 1, NllSum<T>{a});
}
template <class T>
void nll_grad(const CrossEntropyGradArgs* args, const Run* run) {
  const CrossEntropyGradArgs a = *args;
  const Reporter report = reporter(run);
  each(run, a.outer * a.n * a.inner, [=] __device__(int64_t i) {
    const int64_t c = i / a.inner % a.n, r = i / (a.inner * a.n) * a.inner + i % a.inner;
    const T* g = static_cast<const T*>(a.g);
    const bool counted = counts(a, report, r, c == 0) && a.target[r] == c;
    double value = 0;
    if (counted) {
      const double up = a.reduction == kLossNone ? g[r]
                        : a.reduction == kLossMean
                            ? g[0] / static_cast<double>(*static_cast<const T*>(a.saved))
                            : g[0];
      value = -up * weight_of<T>(a, c);
    }
    static_cast<T*>(a.dx)[i] = static_cast<T>(value);
  });
}

}  // namespace

void fill_softmax(SoftmaxKernels* table) {
  MO_CUDA_FLOATS(softmax, softmax, "softmax")
  MO_CUDA_FLOATS(log_softmax, log_softmax, "log_softmax")
  MO_CUDA_FLOATS(softmax_grad, softmax_grad, "softmax_grad")
  MO_CUDA_FLOATS(log_softmax_grad, log_softmax_grad, "log_softmax_grad")
  MO_CUDA_FLOATS(cross_entropy, cross_entropy, "cross_entropy")
  MO_CUDA_FLOATS(cross_entropy_grad, cross_entropy_grad, "cross_entropy_grad")
  MO_CUDA_FLOATS(nll, nll, "nll")
  MO_CUDA_FLOATS(nll_grad, nll_grad, "nll_grad")
}

}  // namespace markone::cuda
