// Connectionist temporal classification: one block goes through the samples, its threads through the
// positions of a step.
#include "contract/loss.h"
#include "kernels/cuda/device/each.cuh"
#include "kernels/cuda/device/scalar.cuh"

namespace markone::cuda {
namespace {

// The logarithm of zero is finite, so that differences of two have no NaN.
constexpr double kNever = -1e30;

__device__ double log_add(double a, double b) {
  const double m = a > b ? a : b;
  return m + ::log(::exp(a - m) + ::exp(b - m));
}

// A sample's problem: how long it is, and the class of each position. Where `says` is set, what is bad is
// reported.
struct Sample {
  const CtcArgs& a;
  int64_t index, steps, labels;
  const int64_t* target;

  __device__ Sample(const CtcArgs& args, const Reporter& report, int64_t i, bool says)
      : a(args), index(i), target(args.targets) {
    int64_t start = a.packed ? 0 : i * a.labels;
    for (int64_t k = 0; a.packed && k < i; ++k) start += length(report, k, false);
    labels = length(report, i, says);
    const int64_t left = a.labels - start;
    if (says && a.packed && (labels > left || (i == a.count - 1 && labels < left)))
      report(i, labels, left, left + 1);
    if (a.packed && labels > left) labels = left > 0 ? left : 0;
    target += start;
    steps = a.input_lengths[i];
    if (steps < 0 || steps > a.steps) {
      if (says) report(i, steps, 0, a.steps + 1);
      steps = 0;
    }
    for (int64_t k = 0; says && k < labels; ++k) {
      if (target[k] < 0 || target[k] >= a.classes) report(start + k, target[k], 0, a.classes);
    }
  }
  __device__ int64_t length(const Reporter& report, int64_t i, bool says) const {
    const int64_t n = a.target_lengths[i];
    if (n >= 0 && n <= a.labels) return n;
    if (says) report(i, n, 0, a.labels + 1);
    return 0;
  }
  __device__ int64_t width() const { return 2 * labels + 1; }
  __device__ int64_t place(int64_t s) const {
    if (s % 2 == 0) return a.blank;
    const int64_t label = target[s / 2];
    return label < 0 || label >= a.classes ? a.blank : label;
  }
  __device__ bool leaps(int64_t s) const { return s >= 2 && place(s) != a.blank && place(s) != place(s - 2); }
  template <class T>
  __device__ double score(int64_t t, int64_t s) const {
    const double x = static_cast<const T*>(a.x)[(t * a.count + index) * a.classes + place(s)];
    return x < kNever ? kNever : x;
  }
  __device__ int64_t alpha(int64_t t, int64_t s) const { return (index * a.steps + t) * a.row + s; }
};

template <class T>
struct Ctc {
  CtcArgs a;
  Reporter report;
  double* scratch;
  template <class Team>
  __device__ void line(int64_t) const {
    for (int64_t i = 0; i < a.count; ++i) {
      double *before = scratch, *now = scratch + a.row;
      const Sample sample(a, report, i, Team::rank() == 0);
      const int64_t n = sample.width();
      for (int64_t s = Team::rank(); s < n; s += Team::kSize) before[s] = s == 0 ? 0 : kNever;
      Team::meet();
      for (int64_t t = 0; t < sample.steps; ++t) {
        for (int64_t s = Team::rank(); s < n; s += Team::kSize) {
          double ways = before[s];
          if (s >= 1) ways = log_add(ways, before[s - 1]);
          if (sample.leaps(s)) ways = log_add(ways, before[s - 2]);
          now[s] = ways + sample.score<T>(t, s);
          if (a.alpha) static_cast<T*>(a.alpha)[sample.alpha(t, s)] = static_cast<T>(now[s]);
        }
        Team::meet();
        double* const swapped = before;
        before = now;
        now = swapped;
      }
      if (Team::rank() == 0) {
        const double total = n > 1 ? log_add(before[n - 1], before[n - 2]) : before[0];
        static_cast<T*>(a.loss)[i] = static_cast<T>(total < 0.1 * kNever ? __builtin_inf() : -total);
      }
      Team::meet();
    }
  }
};

template <class T>
struct CtcGrad {
  CtcGradArgs grad;
  Reporter report;
  double* scratch;
  template <class Team>
  __device__ void line(int64_t) const {
    const CtcArgs& a = grad.forward;
    T* dx = static_cast<T*>(grad.dx);
    for (int64_t i = 0; i < a.count; ++i) {
      double *after = scratch, *now = scratch + a.row, *share = scratch + 2 * a.row;
      const Sample sample(a, report, i, Team::rank() == 0);
      const double loss = static_cast<const T*>(a.loss)[i], g = static_cast<const T*>(grad.g)[i];
      const int64_t n = sample.width();
      if (loss == __builtin_inf()) continue;
      for (int64_t t = sample.steps - 1; t >= 0; --t) {
        for (int64_t s = Team::rank(); s < n; s += Team::kSize) {
          double ways = s >= n - 2 ? 0 : kNever;
          if (t != sample.steps - 1) {
            ways = after[s];
            if (s + 1 < n) ways = log_add(ways, after[s + 1]);
            if (s + 2 < n && sample.leaps(s + 2)) ways = log_add(ways, after[s + 2]);
          }
          const double score = sample.score<T>(t, s);
          now[s] = ways + score;
          share[s] = ::exp(static_cast<const T*>(a.alpha)[sample.alpha(t, s)] + ways + loss);
        }
        Team::meet();
        // Positions of one class add up in their order.
        if (Team::rank() == 0) {
          T* row = dx + (t * a.count + i) * a.classes;
          for (int64_t s = 0; s < n; ++s)
            row[sample.place(s)] = static_cast<T>(row[sample.place(s)] - g * share[s]);
        }
        Team::meet();
        double* const swapped = after;
        after = now;
        now = swapped;
      }
    }
  }
};

template <class T>
void ctc(const CtcArgs* args, const Run* run) {
  each_line(run, 1, INT64_MAX, 1, Ctc<T>{*args, reporter(run), static_cast<double*>(run->scratch)});
}
template <class T>
void ctc_grad(const CtcGradArgs* args, const Run* run) {
  T* dx = static_cast<T*>(args->dx);
  each(run, args->forward.steps * args->forward.count * args->forward.classes,
       [=] __device__(int64_t i) { dx[i] = T(0); });
  each_line(run, 1, INT64_MAX, 1, CtcGrad<T>{*args, reporter(run), static_cast<double*>(run->scratch)});
}

}  // namespace

void fill_ctc(LossKernels* table) {
  MO_CUDA_FLOATS(ctc, ctc, "ctc")
  MO_CUDA_FLOATS(ctc_grad, ctc_grad, "ctc_grad")
}

}  // namespace markone::cuda
