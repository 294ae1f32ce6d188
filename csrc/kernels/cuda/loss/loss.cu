// The losses of single elements: one kernel a formula and type; sums in double, block by block.
#include "contract/loss.h"
#include "contract/reduce.h"
#include "kernels/cuda/device/each.cuh"
#include "kernels/cuda/device/scalar.cuh"

namespace markone::cuda {
namespace {

#define MO_LOSS(name, operands, value, dx, dy, dw)                                                    \
  struct Loss_##name {                                                                                \
    template <class X>                                                                                \
    static MO_SCALAR X of([[maybe_unused]] X x, [[maybe_unused]] X y, [[maybe_unused]] X w,           \
                          [[maybe_unused]] X p) {                                                     \
      return X(value);                                                                                \
    }                                                                                                 \
    template <class X>                                                                                \
    static MO_SCALAR X grad(int by, [[maybe_unused]] X x, [[maybe_unused]] X y, [[maybe_unused]] X w, \
                            [[maybe_unused]] X g, [[maybe_unused]] X p) {                             \
      return by == 0 ? X(dx) : by == 1 ? X(dy) : X(dw);                                               \
    }                                                                                                 \
  };
#include "kernels/common/loss.def"

// What a type's elements are computed in.
template <class T>
struct ComputedIn {
  using type = Real<float>;
};
template <>
struct ComputedIn<double> {
  using type = Real<double>;
};

template <class T, class X>
MO_SCALAR X at(const void* p, int64_t i) {
  return p ? X(Widen<T>::of(static_cast<const T*>(p)[i])) : X(0.0);
}

template <class F, class T>
struct BlockSum {
  LossArgs a;
  double* part;
  template <class Team>
  __device__ void line(int64_t block) const {
    using X = typename ComputedIn<T>::type;
    const int64_t first = block * kReduceBlock,
                  last = first + kReduceBlock < a.n ? first + kReduceBlock : a.n;
    double sum = 0;
    for (int64_t i = first + Team::rank(); i < last; i += Team::kSize)
      sum += F::template of<X>(at<T, X>(a.x, i), at<T, X>(a.y, i), at<T, X>(a.w, i), X(a.p)).v;
    sum = Team::sum(sum);
    if (Team::rank() == 0) part[block] = sum;
  }
};

template <class F, class T>
void loss(const LossArgs* args, const Run* run) {
  using X = typename ComputedIn<T>::type;
  const LossArgs a = *args;
  if (a.reduction == kLossNone) {
    each(run, a.n, [=] __device__(int64_t i) {
      const X value = F::template of<X>(at<T, X>(a.x, i), at<T, X>(a.y, i), at<T, X>(a.w, i), X(a.p));
      static_cast<T*>(a.loss)[i] = cast_one<T>(value.v);
    });
    return;
  }
  const int64_t blocks = (a.n + kReduceBlock - 1) / kReduceBlock;
  double* part = static_cast<double*>(run->scratch);
  each_line(run, blocks, a.n, 1, BlockSum<F, T>{a, part});
  each(run, 1, [=] __device__(int64_t) {
    double total = 0;
    for (int64_t b = 0; b < blocks; ++b) total += part[b];
    if (a.reduction == kLossMean) total /= static_cast<double>(a.n);
    *static_cast<T*>(a.loss) = cast_one<T>(total);
  });
}

template <class F, class T>
void loss_grad(const LossGradArgs* args, const Run* run) {
  using X = typename ComputedIn<T>::type;
  const LossGradArgs a = *args;
  each(run, a.n, [=] __device__(int64_t i) {
    X g = at<T, X>(a.g, a.reduction == kLossNone ? i : 0);
    if (a.reduction == kLossMean) g = g / X(static_cast<double>(a.n));
    const X x = at<T, X>(a.x, i), y = at<T, X>(a.y, i), w = at<T, X>(a.w, i);
    for (int k = 0; k < 3; ++k) {
      if (a.out[k]) static_cast<T*>(a.out[k])[i] = cast_one<T>(F::template grad<X>(k, x, y, w, g, X(a.p)).v);
    }
  });
}

template <class F, class T>
void fill(LossKernels* table, LossOp op, DType dtype, const char* name, const char* grad) {
  table->loss[op][dtype] = {loss<F, T>, name};
  table->loss_grad[op][dtype] = {loss_grad<F, T>, grad};
}

}  // namespace

void fill_ctc(LossKernels* table);

void fill_loss(LossKernels* table) {
#define MO_TYPE(name, dtype, T, suffix) \
  fill<Loss_##name, T>(table, kLoss_##name, dtype, #name suffix, #name "_grad" suffix);
#define MO_LOSS(name, ...)                 \
  MO_TYPE(name, kF32, float, "_f32_cuda")  \
  MO_TYPE(name, kF64, double, "_f64_cuda") \
  MO_TYPE(name, kBF16, BF16, "_bf16_cuda") \
  MO_TYPE(name, kF16, F16, "_f16_cuda")
#include "kernels/common/loss.def"
  fill_ctc(table);
}

}  // namespace markone::cuda
