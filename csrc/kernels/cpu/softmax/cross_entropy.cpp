// Cross-entropy of logits and class labels, and its gradient.
#include "contract/softmax.h"
#include "kernels/cpu/softmax/rows.h"

MO_ISA_BEGIN

constexpr int64_t kRowsTask = 1024;

// The sum of the weights of all classes, what label smoothing needs.
template <class C>
MO_INLINE double sum_weights(const C* weight, int64_t n) {
  if (!weight) return static_cast<double>(n);
  double total = 0;
  for (int64_t c = 0; c < n; ++c) total += weight[c];
  return total;
}

template <class C>
struct CrossEntropy {
  using V = Vec<C>;
  const CrossEntropyArgs* a;
  const Run* run;
  Cut cut;
  const C *x, *weight;
  C *maxima, *logs;               // in saved
  C *smooth, *loss, *row_weight;  // smooth: sum over c of w[c] * (maximum - x[c])
  double all_weights;

  // Each row's maximum, log-sum and, for label smoothing, weighted sum of logits.
  static void stats_task(void* context, int64_t task, int) {
    const auto& s = *static_cast<const CrossEntropy*>(context);
    const int64_t n = s.cut.n, stride = s.cut.inner;
    const C* w = s.weight;
    s.cut.visit(task, [&](int64_t start, int64_t r, int64_t width) {
      const C* x = s.x + start;
      if (width == 0) {
        const C top = max_row(x, n);
        const V m(top);
        s.maxima[r] = top;
        s.logs[r] =
            log_of(sum_row<C>(n, [&](int64_t i, int64_t k) { return exp_low(load_lanes<V>(x + i, k) - m); }));
        if (s.a->smoothing > 0)
          s.smooth[r] = sum_row<C>(n, [&](int64_t i, int64_t k) {
            const V d = m - load_lanes<V>(x + i, k);
            return w ? load_lanes<V>(w + i, k) * d : d;
          });
        return;
      }
      alignas(64) C tile[kTileRows * kColumns];
      const Columns<const C> columns = Columns<const C>{x, n, stride, width}.gathered(tile);
      const C* top = s.maxima + r;
      C* logs = s.logs + r;
      columns.max(s.maxima + r);
      columns.sum(logs, [&](int64_t i, int64_t c, int64_t k) {
        return exp_low(columns.load(i, c, k) - load_lanes<V>(top + c, k));
      });
      each_in_row<C>(
          width, [&](int64_t c, int64_t k) { store_lanes(log(load_lanes<V>(logs + c, k)), logs + c, k); });
      if (s.a->smoothing > 0)
        columns.sum(s.smooth + r, [&](int64_t i, int64_t c, int64_t k) {
          const V d = load_lanes<V>(top + c, k) - columns.load(i, c, k);
          return w ? V(w[i]) * d : d;
        });
    });
  }
  static void loss_task(void* context, int64_t task, int) {
    const auto& s = *static_cast<const CrossEntropy*>(context);
    const CrossEntropyArgs& a = *s.a;
    const int64_t rows = a.outer * a.inner;
    const int64_t last = (task + 1) * kRowsTask < rows ? (task + 1) * kRowsTask : rows;
    for (int64_t r = task * kRowsTask; r < last; ++r) {
      const int64_t t = a.target[r];
      s.loss[r] = 0;
      s.row_weight[r] = 0;
      if (t == a.ignore_index) continue;
      if (t < 0 || t >= a.n) {
        s.run->report(s.run, r, t, 0, a.n);
        continue;
      }
      const double m = s.maxima[r], log_sum = s.logs[r], w = s.weight ? s.weight[t] : C(1);
      const C* x = s.x + r / a.inner * a.n * a.inner + r % a.inner;
      double loss = (1 - a.smoothing) * w * (m - x[t * a.inner] + log_sum);
      if (a.smoothing > 0) loss += a.smoothing / a.n * (s.smooth[r] + log_sum * s.all_weights);
      s.loss[r] = static_cast<C>(loss);
      s.row_weight[r] = static_cast<C>(w);
    }
  }

  static void kernel(const CrossEntropyArgs* args, const Run* run) {
    const int64_t rows = args->outer * args->inner;
    CrossEntropy s{args, run, Cut(args->outer, args->n, args->inner), {}, {}, {}, {}, {}, {}, {}, {}};
    s.x = static_cast<const C*>(args->x);
    s.weight = static_cast<const C*>(args->weight);
    s.maxima = static_cast<C*>(args->saved);
    s.logs = s.maxima + rows;
    C* total = s.logs + rows;
    s.smooth = static_cast<C*>(run->scratch);
    s.row_weight = s.smooth + rows;
    C* out = static_cast<C*>(args->loss);
    s.loss = args->reduction == kLossNone ? out : s.row_weight + rows;
    s.all_weights = sum_weights(s.weight, args->n);
    run->parallel(run, s.cut.tasks, stats_task, &s);
    run->parallel(run, (rows + kRowsTask - 1) / kRowsTask, loss_task, &s);
    const C *loss = s.loss, *row_weight = s.row_weight;
    *total = sum_row<C>(rows, [&](int64_t i, int64_t left) { return load_lanes<V>(row_weight + i, left); });
    if (args->reduction == kLossNone) return;
    const C sum = sum_row<C>(rows, [&](int64_t i, int64_t left) { return load_lanes<V>(loss + i, left); });
    *out = args->reduction == kLossMean ? sum / *total : sum;
  }
};

template <class C>
struct CrossEntropyGrad {
  using V = Vec<C>;
  const CrossEntropyGradArgs* a;
  const Run* run;
  Cut cut;
  const C *x, *weight, *g, *saved;
  C* dx;
  double all_weights;

  // What row r's gradient is made of: p * row[c] - w[c] * each, and at the target minus `target`.
  struct Parts {
    C row, each, target;
    int64_t label;  // -1 where the row does not count
  };
  Parts parts(int64_t r) const {
    const int64_t t = a->target[r];
    if (t == a->ignore_index) return {0, 0, 0, -1};
    if (t < 0 || t >= a->n) {
      run->report(run, r, t, 0, a->n);
      return {0, 0, 0, -1};
    }
    const double w = weight ? weight[t] : C(1), e = a->smoothing;
    const double up = a->reduction == kLossNone ? g[r]
                      : a->reduction == kLossMean
                          ? static_cast<double>(g[0]) / saved[2 * cut.outer * cut.inner]
                          : g[0];
    return {static_cast<C>(up * ((1 - e) * w + e / a->n * all_weights)), static_cast<C>(up * e / a->n),
            static_cast<C>(up * (1 - e) * w), t};
  }
  static MO_INLINE V result(V x, V m, V log_sum, V row, V each, V w) {
    return where(row == V(0), V(0), row * exp_low((x - m) - log_sum)) - each * w;
  }

  static void task(void* context, int64_t task, int) {
    const auto& s = *static_cast<const CrossEntropyGrad*>(context);
    const int64_t n = s.cut.n, stride = s.cut.inner;
    const C *w = s.weight, *maxima = s.saved, *logs = s.saved + s.cut.outer * stride;
    s.cut.visit(task, [&](int64_t start, int64_t r, int64_t width) {
      const C* x = s.x + start;
      C* dx = s.dx + start;
      if (width == 0) {
        const Parts p = s.parts(r);
        const V m(maxima[r]), log_sum(logs[r]), row(p.row), each(p.each);
        each_in_row<C>(n, [&](int64_t i, int64_t k) {
          const V wi = w ? load_lanes<V>(w + i, k) : V(1);
          store_lanes(result(load_lanes<V>(x + i, k), m, log_sum, row, each, wi), dx + i, k);
        });
        if (p.label >= 0) dx[p.label] -= p.target;
        return;
      }
      Parts p[kColumns];
      alignas(64) C rows[kColumns] = {}, eaches[kColumns] = {};
      for (int64_t k = 0; k < width; ++k) {
        p[k] = s.parts(r + k);
        rows[k] = p[k].row;
        eaches[k] = p[k].each;
      }
      const Columns<const C> from{x, n, stride, width};
      const Columns<C> to{dx, n, stride, width};
      to.each([&](int64_t i, int64_t c, int64_t k) {
        to.store(result(from.load(i, c, k), load_lanes<V>(maxima + r + c, k), load_lanes<V>(logs + r + c, k),
                        load_lanes<V>(rows + c, k), load_lanes<V>(eaches + c, k), w ? V(w[i]) : V(1)),
                 i, c, k);
      });
      for (int64_t k = 0; k < width; ++k) {
        if (p[k].label >= 0) dx[p[k].label * stride + k] -= p[k].target;
      }
    });
  }
  static void kernel(const CrossEntropyGradArgs* args, const Run* run) {
    CrossEntropyGrad s{args, run, Cut(args->outer, args->n, args->inner), {}, {}, {}, {}, {}, {}};
    s.x = static_cast<const C*>(args->x);
    s.weight = static_cast<const C*>(args->weight);
    s.g = static_cast<const C*>(args->g);
    s.saved = static_cast<const C*>(args->saved);
    s.dx = static_cast<C*>(args->dx);
    s.all_weights = sum_weights(s.weight, args->n);
    run->parallel(run, s.cut.tasks, task, &s);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_cross_entropy(SoftmaxKernels* table) {
  table->cross_entropy[kF32] = {CrossEntropy<float>::kernel, MO_KERNEL_NAME("cross_entropy_f32")};
  table->cross_entropy[kF64] = {CrossEntropy<double>::kernel, MO_KERNEL_NAME("cross_entropy_f64")};
  table->cross_entropy_grad[kF32] = {CrossEntropyGrad<float>::kernel,
                                     MO_KERNEL_NAME("cross_entropy_grad_f32")};
  table->cross_entropy_grad[kF64] = {CrossEntropyGrad<double>::kernel,
                                     MO_KERNEL_NAME("cross_entropy_grad_f64")};
}

}  // namespace markone::MARKONE_ISA
