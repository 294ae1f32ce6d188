// Losses in plain loops over double.
#include "contract/loss.h"

#include <math.h>

#include "kernels/common/scalar.h"

namespace markone::ref {
namespace {

MO_SCALAR double exp(double x) { return ::exp(x); }
MO_SCALAR double log(double x) { return ::log(x); }
MO_SCALAR double log1p(double x) { return ::log1p(x); }
MO_SCALAR double abs(double x) { return ::fabs(x); }
MO_SCALAR double sign(double x) { return x > 0 ? 1.0 : x < 0 ? -1.0 : x; }
MO_SCALAR double square(double x) { return x * x; }
MO_SCALAR double exp_low(double x) { return ::exp(x); }
MO_SCALAR double log1p_unit(double x) { return ::log1p(x); }
MO_SCALAR double sigmoid(double x) { return 1.0 / (1.0 + ::exp(-x)); }
MO_SCALAR double where(bool c, double a, double b) { return c ? a : b; }

#define MO_LOSS(name, operands, value, dx, dy, dw)                                                        \
  struct Loss_##name {                                                                                    \
    static double of([[maybe_unused]] double x, [[maybe_unused]] double y, [[maybe_unused]] double w,     \
                     [[maybe_unused]] double p) {                                                         \
      return value;                                                                                       \
    }                                                                                                     \
    static double grad(int by, [[maybe_unused]] double x, [[maybe_unused]] double y,                      \
                       [[maybe_unused]] double w, [[maybe_unused]] double g, [[maybe_unused]] double p) { \
      return by == 0 ? (dx) : by == 1 ? (dy) : (dw);                                                      \
    }                                                                                                     \
  };
#include "kernels/common/loss.def"

template <class T>
double at(const void* p, int64_t i) {
  return p ? static_cast<double>(Widen<T>::of(static_cast<const T*>(p)[i])) : 0.0;
}

template <class F, class T>
void loss(const LossArgs* a, const Run*) {
  double total = 0;
  for (int64_t i = 0; i < a->n; ++i) {
    const double value = F::of(at<T>(a->x, i), at<T>(a->y, i), at<T>(a->w, i), a->p);
    if (a->reduction == kLossNone) static_cast<T*>(a->loss)[i] = cast_one<T>(value);
    total += value;
  }
  if (a->reduction == kLossMean) total /= static_cast<double>(a->n);
  if (a->reduction != kLossNone) *static_cast<T*>(a->loss) = cast_one<T>(total);
}

template <class F, class T>
void loss_grad(const LossGradArgs* a, const Run*) {
  for (int64_t i = 0; i < a->n; ++i) {
    double g = at<T>(a->g, a->reduction == kLossNone ? i : 0);
    if (a->reduction == kLossMean) g /= static_cast<double>(a->n);
    for (int k = 0; k < 3; ++k) {
      if (!a->out[k]) continue;
      const double value = F::grad(k, at<T>(a->x, i), at<T>(a->y, i), at<T>(a->w, i), g, a->p);
      static_cast<T*>(a->out[k])[i] = cast_one<T>(value);
    }
  }
}

template <class F, class T>
void fill(LossKernels* table, LossOp op, DType dtype) {
  table->loss[op][dtype] = {loss<F, T>, "loss_ref"};
  table->loss_grad[op][dtype] = {loss_grad<F, T>, "loss_grad_ref"};
}

// -- CTC. The logarithm of zero is finite, so that differences of two have no NaN.

constexpr double kNever = -1e30;

double log_add(double a, double b) {
  const double m = a > b ? a : b;
  return m + ::log(::exp(a - m) + ::exp(b - m));
}

// A sample's problem: how long it is, and the class of each position.
struct Sample {
  const CtcArgs* a;
  int64_t index, steps, labels;
  const int64_t* target;

  Sample(const CtcArgs* args, const Run* run, int64_t i) : a(args), index(i), target(args->targets) {
    int64_t start = a->packed ? 0 : i * a->labels;
    if (a->packed) {
      for (int64_t k = 0; k < i; ++k) start += length(run, k);
    }
    labels = length(run, i);
    const int64_t left = a->labels - start;
    if (a->packed && (labels > left || (i == a->count - 1 && labels < left)))
      run->report(run, i, labels, left, left + 1);
    if (a->packed && labels > left) labels = left > 0 ? left : 0;
    target += start;
    steps = a->input_lengths[i];
    if (steps < 0 || steps > a->steps) {
      run->report(run, i, steps, 0, a->steps + 1);
      steps = 0;
    }
    for (int64_t k = 0; k < labels; ++k) {
      if (target[k] < 0 || target[k] >= a->classes) run->report(run, start + k, target[k], 0, a->classes);
    }
  }
  int64_t length(const Run* run, int64_t i) const {
    const int64_t n = a->target_lengths[i];
    if (n >= 0 && n <= a->labels) return n;
    run->report(run, i, n, 0, a->labels + 1);
    return 0;
  }
  int64_t width() const { return 2 * labels + 1; }
  int64_t place(int64_t s) const {
    if (s % 2 == 0) return a->blank;
    const int64_t label = target[s / 2];
    return label < 0 || label >= a->classes ? a->blank : label;
  }
  bool leaps(int64_t s) const { return s >= 2 && place(s) != a->blank && place(s) != place(s - 2); }
  template <class T>
  double score(int64_t t, int64_t s) const {
    const double x = static_cast<const T*>(a->x)[(t * a->count + index) * a->classes + place(s)];
    return x < kNever ? kNever : x;
  }
  int64_t alpha(int64_t t, int64_t s) const { return (index * a->steps + t) * a->row + s; }
};

// scratch: two rows.
template <class T>
void ctc(const CtcArgs* a, const Run* run) {
  double* before = static_cast<double*>(run->scratch);
  double* now = before + a->row;
  for (int64_t i = 0; i < a->count; ++i) {
    const Sample sample(a, run, i);
    const int64_t n = sample.width();
    for (int64_t s = 0; s < n; ++s) before[s] = s == 0 ? 0 : kNever;
    for (int64_t t = 0; t < sample.steps; ++t) {
      for (int64_t s = 0; s < n; ++s) {
        double ways = before[s];
        if (s >= 1) ways = log_add(ways, before[s - 1]);
        if (sample.leaps(s)) ways = log_add(ways, before[s - 2]);
        now[s] = ways + sample.score<T>(t, s);
        if (a->alpha) static_cast<T*>(a->alpha)[sample.alpha(t, s)] = static_cast<T>(now[s]);
      }
      double* const swapped = before;
      before = now;
      now = swapped;
    }
    const double total = n > 1 ? log_add(before[n - 1], before[n - 2]) : before[0];
    static_cast<T*>(a->loss)[i] = static_cast<T>(total < 0.1 * kNever ? INFINITY : -total);
  }
}

template <class T>
void ctc_grad(const CtcGradArgs* grad, const Run* run) {
  const CtcArgs* a = &grad->forward;
  T* dx = static_cast<T*>(grad->dx);
  for (int64_t i = 0; i < a->steps * a->count * a->classes; ++i) dx[i] = 0;
  double* after = static_cast<double*>(run->scratch);
  double* now = after + a->row;
  for (int64_t i = 0; i < a->count; ++i) {
    const Sample sample(a, run, i);
    const double loss = static_cast<const T*>(a->loss)[i], g = static_cast<const T*>(grad->g)[i];
    const int64_t n = sample.width();
    if (loss == INFINITY) continue;
    for (int64_t t = sample.steps - 1; t >= 0; --t) {
      T* row = dx + (t * a->count + i) * a->classes;
      for (int64_t s = 0; s < n; ++s) {
        double ways = kNever;
        if (t == sample.steps - 1) {
          ways = s >= n - 2 ? 0 : kNever;
        } else {
          ways = after[s];
          if (s + 1 < n) ways = log_add(ways, after[s + 1]);
          if (s + 2 < n && sample.leaps(s + 2)) ways = log_add(ways, after[s + 2]);
        }
        now[s] = ways + sample.score<T>(t, s);
        const double alpha = static_cast<const T*>(a->alpha)[sample.alpha(t, s)];
        const double share = ::exp(alpha + now[s] - sample.score<T>(t, s) + loss);
        row[sample.place(s)] = static_cast<T>(row[sample.place(s)] - g * share);
      }
      double* const swapped = after;
      after = now;
      now = swapped;
    }
  }
}

}  // namespace

void fill_loss(LossKernels* table) {
#define MO_LOSS(name, ...)                              \
  fill<Loss_##name, float>(table, kLoss_##name, kF32);  \
  fill<Loss_##name, double>(table, kLoss_##name, kF64); \
  fill<Loss_##name, BF16>(table, kLoss_##name, kBF16);  \
  fill<Loss_##name, F16>(table, kLoss_##name, kF16);
#include "kernels/common/loss.def"
  table->ctc[kF32] = {ctc<float>, "ctc_f32_ref"};
  table->ctc[kF64] = {ctc<double>, "ctc_f64_ref"};
  table->ctc_grad[kF32] = {ctc_grad<float>, "ctc_grad_f32_ref"};
  table->ctc_grad[kF64] = {ctc_grad<double>, "ctc_grad_f64_ref"};
}

}  // namespace markone::ref
