// Losses of each element: one pass over the input and the target, forward and backward.
#include "contract/loss.h"

#include "kernels/cpu/vec_math.h"
#include "kernels/cpu/vec_order.h"

MO_ISA_BEGIN

// out[i] of n <= kChunk elements, from x, y, w and, in a gradient, g.
using LossBlock = void (*)(void* out, const void* x, const void* y, const void* w, const void* g, double p,
                           int64_t n);

template <class F, class C>
void loss_block(void* out_, const void* x_, const void* y_, const void* w_, const void* g_, double p_,
                int64_t n) {
  using V = Vec<C>;
  auto* out = static_cast<C*>(out_);
  auto *x = static_cast<const C*>(x_), *y = static_cast<const C*>(y_), *w = static_cast<const C*>(w_),
       *g = static_cast<const C*>(g_);
  const V p(p_);
  int64_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) {
    F::of(V::load(x + i), V::load(y + i), V::load(w + i), V::load(g + i), p).store(out + i);
  }
  if (const int64_t m = n - i) {
    F::of(V::load(x + i, m), V::load(y + i, m), V::load(w + i, m), V::load(g + i, m), p).store(out + i, m);
  }
}

#define MO_LOSS_FORMULA(name, formula)                                                      \
  struct name {                                                                             \
    template <class X>                                                                      \
    static MO_INLINE X of([[maybe_unused]] X x, [[maybe_unused]] X y, [[maybe_unused]] X w, \
                          [[maybe_unused]] X g, [[maybe_unused]] X p) {                     \
      return X(formula);                                                                    \
    }                                                                                       \
  };
#define MO_LOSS(name, operands, value, dx, dy, dw) \
  MO_LOSS_FORMULA(Value_##name, value)             \
  MO_LOSS_FORMULA(ByX_##name, dx)                  \
  MO_LOSS_FORMULA(ByY_##name, dy)                  \
  MO_LOSS_FORMULA(ByW_##name, dw)
#include "kernels/common/loss.def"

// n elements from `at` on, as they are or widened into a buffer.
template <class T, class C>
MO_INLINE const C* block_of(const void* p, int64_t at, int64_t n, C* buffer) {
  const T* from = static_cast<const T*>(p) + at;
  if constexpr (__is_same(T, C)) {
    return from;
  } else {
    for (int64_t i = 0; i < n; ++i) buffer[i] = cast_one<C>(from[i]);
    return buffer;
  }
}
// Where n results from `at` on are made: in their place, or in a buffer that store_block narrows.
template <class T, class C>
MO_INLINE C* place_of_block(void* p, int64_t at, C* buffer) {
  if constexpr (__is_same(T, C)) {
    return static_cast<T*>(p) + at;
  } else {
    return buffer;
  }
}
template <class T, class C>
MO_INLINE void store_block(void* p, int64_t at, int64_t n, const C* buffer) {
  if constexpr (!__is_same(T, C)) {
    for (int64_t i = 0; i < n; ++i) static_cast<T*>(p)[at + i] = cast_one<T>(buffer[i]);
  }
}

struct LossContext {
  const void* args;
  LossBlock block[3];
  double* partial;
};

MO_INLINE int64_t blocks_of(int64_t n) { return n / kReduceBlock + (n % kReduceBlock != 0); }
MO_INLINE int64_t end_of(int64_t block, int64_t n) {
  return n - block * kReduceBlock < kReduceBlock ? n : (block + 1) * kReduceBlock;
}

template <class T, class C>
void loss_task(void* context, int64_t block, int) {
  const auto& c = *static_cast<const LossContext*>(context);
  const auto& a = *static_cast<const LossArgs*>(c.args);
  alignas(64) C buffer[4][kChunk];
  double total = 0;
  const int64_t end = end_of(block, a.n);
  for (int64_t i = block * kReduceBlock; i < end; i += kChunk) {
    const int64_t n = end - i < kChunk ? end - i : kChunk;
    const C* x = block_of<T, C>(a.x, i, n, buffer[0]);
    const C* y = block_of<T, C>(a.y, i, n, buffer[1]);
    const C* w = a.w ? block_of<T, C>(a.w, i, n, buffer[2]) : x;
    if (a.reduction == kLossNone) {
      C* out = place_of_block<T, C>(a.loss, i, buffer[3]);
      c.block[0](out, x, y, w, x, a.p, n);
      store_block<T, C>(a.loss, i, n, out);
    } else {
      c.block[0](buffer[3], x, y, w, x, a.p, n);
      const double value = reduce_chunk<Reduce_sum, C>(buffer[3], n, C(0));
      total = i == block * kReduceBlock ? value : total + value;
    }
  }
  if (a.reduction != kLossNone) c.partial[block] = total;
}

template <class T, class C>
void loss_all(const LossArgs* args, const Run* run, LossBlock value) {
  LossContext context = {args, {value, nullptr, nullptr}, static_cast<double*>(run->scratch)};
  const int64_t blocks = blocks_of(args->n);
  run->parallel(run, blocks, loss_task<T, C>, &context);
  if (args->reduction == kLossNone) return;
  double total = blocks > 0 ? context.partial[0] : 0.0;
  for (int64_t b = 1; b < blocks; ++b) total += context.partial[b];
  if (args->reduction == kLossMean) total /= static_cast<double>(args->n);
  *static_cast<T*>(args->loss) = cast_one<T>(total);
}

template <class T, class C>
void grad_task(void* context, int64_t block, int) {
  const auto& c = *static_cast<const LossContext*>(context);
  const auto& a = *static_cast<const LossGradArgs*>(c.args);
  alignas(64) C buffer[5][kChunk];
  if (a.reduction != kLossNone) {
    double one = static_cast<double>(cast_one<C>(*static_cast<const T*>(a.g)));
    if (a.reduction == kLossMean) one /= static_cast<double>(a.n);
    for (int64_t i = 0; i < kChunk; ++i) buffer[3][i] = static_cast<C>(one);
  }
  const int64_t end = end_of(block, a.n);
  for (int64_t i = block * kReduceBlock; i < end; i += kChunk) {
    const int64_t n = end - i < kChunk ? end - i : kChunk;
    const C* x = block_of<T, C>(a.x, i, n, buffer[0]);
    const C* y = block_of<T, C>(a.y, i, n, buffer[1]);
    const C* w = a.w ? block_of<T, C>(a.w, i, n, buffer[2]) : x;
    const C* g = a.reduction == kLossNone ? block_of<T, C>(a.g, i, n, buffer[3]) : buffer[3];
    for (int k = 0; k < 3; ++k) {
      if (!a.out[k]) continue;
      C* out = place_of_block<T, C>(a.out[k], i, buffer[4]);
      c.block[k](out, x, y, w, g, a.p, n);
      store_block<T, C>(a.out[k], i, n, out);
    }
  }
}

template <class T, class C>
void grad_all(const LossGradArgs* args, const Run* run, LossBlock by_x, LossBlock by_y, LossBlock by_w) {
  LossContext context = {args, {by_x, by_y, by_w}, nullptr};
  run->parallel(run, blocks_of(args->n), grad_task<T, C>, &context);
}

template <class Value, class T, class C>
void loss(const LossArgs* args, const Run* run) {
  loss_all<T, C>(args, run, loss_block<Value, C>);
}
template <class ByX, class ByY, class ByW, class T, class C>
void loss_grad(const LossGradArgs* args, const Run* run) {
  grad_all<T, C>(args, run, loss_block<ByX, C>, loss_block<ByY, C>, loss_block<ByW, C>);
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_ctc(LossKernels* table);

void fill_loss(LossKernels* table) {
#define MO_LOSS_TYPE(name, dtype, T, C, suffix)                                                 \
  table->loss[kLoss_##name][dtype] = {loss<Value_##name, T, C>, MO_KERNEL_NAME(#name suffix)};  \
  table->loss_grad[kLoss_##name][dtype] = {loss_grad<ByX_##name, ByY_##name, ByW_##name, T, C>, \
                                           MO_KERNEL_NAME(#name "_grad" suffix)};
#define MO_LOSS(name, ...)                         \
  MO_LOSS_TYPE(name, kF32, float, float, "_f32")   \
  MO_LOSS_TYPE(name, kF64, double, double, "_f64") \
  MO_LOSS_TYPE(name, kBF16, BF16, float, "_bf16")  \
  MO_LOSS_TYPE(name, kF16, F16, float, "_f16")
#include "kernels/common/loss.def"
  fill_ctc(table);
}

}  // namespace markone::MARKONE_ISA
