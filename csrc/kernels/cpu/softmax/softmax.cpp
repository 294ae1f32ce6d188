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
          sum_row<C>(n, [&](int64_t i, int64_t left) { return exp_low(load_lanes<V>(x + i, left) - m); })));
      each_in_row<C>(n, [&](int64_t i, int64_t left) {
        store_lanes((load_lanes<V>(x + i, left) - m) - shift, y + i, left);
      });
    } else {
      const V total(sum_row<C>(n, [&](int64_t i, int64_t left) {
        const V e = exp_low(load_lanes<V>(x + i, left) - m);
        store_lanes(e, y + i, left);
        return e;
      }));
      each_in_row<C>(
          n, [&](int64_t i, int64_t left) { store_lanes(load_lanes<V>(y + i, left) / total, y + i, left); });
    }
  }
  static void columns(const C* from, C* to, int64_t n, int64_t stride, int64_t width) {
    alignas(64) C tile[kTileRows * kColumns], top[kColumns], total[kColumns];
    const Columns<const C> x = Columns<const C>{from, n, stride, width}.gathered(tile);
    const Columns<C> y{to, n, stride, width};
    // Where the exponentials wait for their sum.
    const Columns<C> e = n <= kTileRows ? Columns<C>{tile, n, kColumns, width} : y;
    x.max(top);
    x.sum(total, [&](int64_t i, int64_t c, int64_t left) {
      const V power = exp_low(x.load(i, c, left) - load_lanes<V>(top + c, left));
      if constexpr (!kLog) e.store(power, i, c, left);
      return power;
    });
    if constexpr (kLog)
      each_in_row<C>(width, [&](int64_t c, int64_t left) {
        store_lanes(log(load_lanes<V>(total + c, left)), total + c, left);
      });
    y.each([&](int64_t i, int64_t c, int64_t left) {
      const V shift = load_lanes<V>(total + c, left);
      y.store(kLog ? (x.load(i, c, left) - load_lanes<V>(top + c, left)) - shift : e.load(i, c, left) / shift,
              i, c, left);
    });
  }
  static void task(void* context, int64_t task, int) {
    const auto& s = *static_cast<const Softmax*>(context);
    const C* x = static_cast<const C*>(s.a->x);
    C* y = static_cast<C*>(s.a->y);
    s.cut.visit(task, [&](int64_t start, int64_t, int64_t width) {
      if (width == 0)
        row(x + start, y + start, s.cut.n);
      else
        columns(x + start, y + start, s.cut.n, s.cut.inner, width);
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
  static MO_INLINE V result(V g, V y, V total) { return kLog ? g - exp_low(y) * total : y * (g - total); }

  static void row(const C* g, const C* y, C* dx, int64_t n) {
    const V total(sum_row<C>(n, [&](int64_t i, int64_t left) {
      return term(load_lanes<V>(g + i, left), load_lanes<V>(y + i, left));
    }));
    each_in_row<C>(n, [&](int64_t i, int64_t left) {
      store_lanes(result(load_lanes<V>(g + i, left), load_lanes<V>(y + i, left), total), dx + i, left);
    });
  }
  static void columns(const C* g_, const C* y_, C* dx_, int64_t n, int64_t stride, int64_t width) {
    alignas(64) C tile[2][kTileRows * kColumns], total[kColumns];
    const Columns<const C> g = Columns<const C>{g_, n, stride, width}.gathered(tile[0]);
    const Columns<const C> y = Columns<const C>{y_, n, stride, width}.gathered(tile[1]);
    const Columns<C> dx{dx_, n, stride, width};
    g.sum(total,
          [&](int64_t i, int64_t c, int64_t left) { return term(g.load(i, c, left), y.load(i, c, left)); });
    dx.each([&](int64_t i, int64_t c, int64_t left) {
      dx.store(result(g.load(i, c, left), y.load(i, c, left), load_lanes<V>(total + c, left)), i, c, left);
    });
  }
  static void task(void* context, int64_t task, int) {
    const auto& s = *static_cast<const SoftmaxGrad*>(context);
    const C *g = static_cast<const C*>(s.a->g), *y = static_cast<const C*>(s.a->y);
    C* dx = static_cast<C*>(s.a->dx);
    s.cut.visit(task, [&](int64_t start, int64_t, int64_t width) {
      if (width == 0)
        row(g + start, y + start, dx + start, s.cut.n);
      else
        columns(g + start, y + start, dx + start, s.cut.n, s.cut.inner, width);
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
