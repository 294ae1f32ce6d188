// Softmax, its logarithm, and their gradients.
#include "contract/softmax.h"

#include "kernels/cpu/softmax/rows.h"

MO_ISA_BEGIN

template <bool kLog, class C>
struct Softmax {
  using V = Vec<C>;
  const SoftmaxArgs* a;
  Cut cut;

  static void row(const C* x, C* y, int64_t n) {
    const V m(max_row(x, n));
    if constexpr (kLog) {
      const V shift(log_of(
          sum_row<C>(n, [&](int64_t i, int64_t left) { return exp(load_lanes<V>(x + i, left) - m); })));
      each_in_row<C>(n, [&](int64_t i, int64_t left) {
        store_lanes((load_lanes<V>(x + i, left) - m) - shift, y + i, left);
      });
    } else {
      const V total(sum_row<C>(n, [&](int64_t i, int64_t left) {
        const V e = exp(load_lanes<V>(x + i, left) - m);
        store_lanes(e, y + i, left);
        return e;
      }));
      each_in_row<C>(
          n, [&](int64_t i, int64_t left) { store_lanes(load_lanes<V>(y + i, left) / total, y + i, left); });
    }
  }
  static void column(const C* x, C* y, int64_t n, int64_t stride, int64_t left) {
    const V m = max_column<V>(x, n, stride, left);
    const V total = sum_column<V>(n, [&](int64_t i) {
      const V e = exp(load_lanes<V>(x + i * stride, left) - m);
      if constexpr (!kLog) store_lanes(e, y + i * stride, left);
      return e;
    });
    const V shift = kLog ? log(total) : total;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at = i * stride;
      if constexpr (kLog)
        store_lanes((load_lanes<V>(x + at, left) - m) - shift, y + at, left);
      else
        store_lanes(load_lanes<V>(y + at, left) / shift, y + at, left);
    }
  }
  static void task(void* context, int64_t task, int) {
    const auto& s = *static_cast<const Softmax*>(context);
    const C* x = static_cast<const C*>(s.a->x);
    C* y = static_cast<C*>(s.a->y);
    s.cut.template visit<V>(task, [&](int64_t start, int64_t, int64_t left) {
      if (left == 0)
        row(x + start, y + start, s.cut.n);
      else
        column(x + start, y + start, s.cut.n, s.cut.inner, left);
    });
  }
  static void kernel(const SoftmaxArgs* args, const Run* run) {
    Softmax s{args, Cut(args->outer, args->n, args->inner)};
    run->parallel(run, s.cut.tasks, task, &s);
  }
};

template <bool kLog, class C>
struct SoftmaxGrad {
  using V = Vec<C>;
  const SoftmaxGradArgs* a;
  Cut cut;

  static MO_INLINE V term(V g, V y) { return kLog ? g : g * y; }
  static MO_INLINE V result(V g, V y, V total) { return kLog ? g - exp(y) * total : y * (g - total); }

  static void row(const C* g, const C* y, C* dx, int64_t n) {
    const V total(sum_row<C>(n, [&](int64_t i, int64_t left) {
      return term(load_lanes<V>(g + i, left), load_lanes<V>(y + i, left));
    }));
    each_in_row<C>(n, [&](int64_t i, int64_t left) {
      store_lanes(result(load_lanes<V>(g + i, left), load_lanes<V>(y + i, left), total), dx + i, left);
    });
  }
  static void column(const C* g, const C* y, C* dx, int64_t n, int64_t stride, int64_t left) {
    const V total = sum_column<V>(n, [&](int64_t i) {
      return term(load_lanes<V>(g + i * stride, left), load_lanes<V>(y + i * stride, left));
    });
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at = i * stride;
      store_lanes(result(load_lanes<V>(g + at, left), load_lanes<V>(y + at, left), total), dx + at, left);
    }
  }
  static void task(void* context, int64_t task, int) {
    const auto& s = *static_cast<const SoftmaxGrad*>(context);
    const C *g = static_cast<const C*>(s.a->g), *y = static_cast<const C*>(s.a->y);
    C* dx = static_cast<C*>(s.a->dx);
    s.cut.template visit<V>(task, [&](int64_t start, int64_t, int64_t left) {
      if (left == 0)
        row(g + start, y + start, dx + start, s.cut.n);
      else
        column(g + start, y + start, dx + start, s.cut.n, s.cut.inner, left);
    });
  }
  static void kernel(const SoftmaxGradArgs* args, const Run* run) {
    SoftmaxGrad s{args, Cut(args->outer, args->n, args->inner)};
    run->parallel(run, s.cut.tasks, task, &s);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_cross_entropy(SoftmaxKernels* table);
void fill_nll(SoftmaxKernels* table);

void fill_softmax(SoftmaxKernels* table) {
  table->softmax[kF32] = {Softmax<false, float>::kernel, MO_KERNEL_NAME("softmax_f32")};
  table->softmax[kF64] = {Softmax<false, double>::kernel, MO_KERNEL_NAME("softmax_f64")};
  table->log_softmax[kF32] = {Softmax<true, float>::kernel, MO_KERNEL_NAME("log_softmax_f32")};
  table->log_softmax[kF64] = {Softmax<true, double>::kernel, MO_KERNEL_NAME("log_softmax_f64")};
  table->softmax_grad[kF32] = {SoftmaxGrad<false, float>::kernel, MO_KERNEL_NAME("softmax_grad_f32")};
  table->softmax_grad[kF64] = {SoftmaxGrad<false, double>::kernel, MO_KERNEL_NAME("softmax_grad_f64")};
  table->log_softmax_grad[kF32] = {SoftmaxGrad<true, float>::kernel, MO_KERNEL_NAME("log_softmax_grad_f32")};
  table->log_softmax_grad[kF64] = {SoftmaxGrad<true, double>::kernel, MO_KERNEL_NAME("log_softmax_grad_f64")};
  fill_cross_entropy(table);
  fill_nll(table);
}

}  // namespace markone::MARKONE_ISA
