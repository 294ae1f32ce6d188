// The negative log likelihood: one element a row.
#include "contract/softmax.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

constexpr int64_t kNllElements = 16384;  // of the gradient, that one task takes, about

// Where row r's target is in x; -1 where it does not count.
template <class Args>
MO_INLINE int64_t place_of(const Args& a, const Run* run, int64_t r) {
  const int64_t t = a.target[r];
  if (t == a.ignore_index) return -1;
  if (t < 0 || t >= a.n) {
    run->report(run, r, t, 0, a.n);
    return -1;
  }
  if (a.inner == 1) return r * a.n + t;
  return (r / a.inner * a.n + t) * a.inner + r % a.inner;
}

template <class T>
struct Nll {
  const CrossEntropyArgs* a;
  const Run* run;
  double* partial;  // of each task: the sum of its losses, and of its weights

  static void task(void* context, int64_t task, int) {
    const Nll& s = *static_cast<const Nll*>(context);
    const CrossEntropyArgs& a = *s.a;
    const T *x = static_cast<const T*>(a.x), *weight = static_cast<const T*>(a.weight);
    T* out = a.reduction == kLossNone ? static_cast<T*>(a.loss) : nullptr;
    const int64_t rows = a.outer * a.inner, end = (task + 1) * kNllRows < rows ? (task + 1) * kNllRows : rows;
    double sum = 0, total = 0;
    for (int64_t r = task * kNllRows; r < end; ++r) {
      const int64_t at = place_of(a, s.run, r);
      const T w = at < 0 ? T(0) : weight ? weight[a.target[r]] : T(1);
      const T loss = at < 0 ? T(0) : -x[at] * w;
      if (out) out[r] = loss;
      sum += static_cast<double>(loss);
      total += static_cast<double>(w);
    }
    s.partial[2 * task] = sum;
    s.partial[2 * task + 1] = total;
  }
  static void kernel(const CrossEntropyArgs* args, const Run* run) {
    Nll s{args, run, static_cast<double*>(run->scratch)};
    const int64_t tasks = (args->outer * args->inner + kNllRows - 1) / kNllRows;
    run->parallel(run, tasks, task, &s);
    double sum = 0, total = 0;
    for (int64_t t = 0; t < tasks; ++t) {
      sum += s.partial[2 * t];
      total += s.partial[2 * t + 1];
    }
    *static_cast<T*>(args->saved) = static_cast<T>(total);
    if (args->reduction != kLossNone)
      *static_cast<T*>(args->loss) = static_cast<T>(args->reduction == kLossMean ? sum / total : sum);
  }
};

template <class T>
struct NllGrad {
  const CrossEntropyGradArgs* a;
  const Run* run;
  int64_t per_task;  // of the outer dimension

  static void task(void* context, int64_t task, int) {
    const NllGrad& s = *static_cast<const NllGrad*>(context);
    const CrossEntropyGradArgs& a = *s.a;
    const T *g = static_cast<const T*>(a.g), *weight = static_cast<const T*>(a.weight);
    T* dx = static_cast<T*>(a.dx);
    const int64_t begin = task * s.per_task,
                  last = begin + s.per_task < a.outer ? begin + s.per_task : a.outer;
    for (int64_t i = begin * a.n * a.inner; i < last * a.n * a.inner; ++i) dx[i] = 0;
    T up = 0;
    if (a.reduction != kLossNone)
      up = a.reduction == kLossMean ? g[0] / *static_cast<const T*>(a.saved) : g[0];
    for (int64_t r = begin * a.inner; r < last * a.inner; ++r) {
      const int64_t at = place_of(a, s.run, r);
      if (at < 0) continue;
      dx[at] = -(a.reduction == kLossNone ? g[r] : up) * (weight ? weight[a.target[r]] : T(1));
    }
  }
  static void kernel(const CrossEntropyGradArgs* args, const Run* run) {
    const int64_t cost = args->n * args->inner;
    NllGrad s{args, run, cost < kNllElements ? kNllElements / (cost > 0 ? cost : 1) : 1};
    run->parallel(run, (args->outer + s.per_task - 1) / s.per_task, task, &s);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_nll(SoftmaxKernels* table) {
  table->nll[kF32] = {Nll<float>::kernel, MO_KERNEL_NAME("nll_f32")};
  table->nll[kF64] = {Nll<double>::kernel, MO_KERNEL_NAME("nll_f64")};
  table->nll_grad[kF32] = {NllGrad<float>::kernel, MO_KERNEL_NAME("nll_grad_f32")};
  table->nll_grad[kF64] = {NllGrad<double>::kernel, MO_KERNEL_NAME("nll_grad_f64")};
}

}  // namespace markone::MARKONE_ISA
