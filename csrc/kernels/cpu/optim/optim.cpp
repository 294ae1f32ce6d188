// Fused optimiser steps over all parameters: each element of every array is read once and written once.
#include "contract/optim.h"

#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

// What every element shares, worked out once a call in double.
struct Step {
  const OptimArgs* args;
  const OptimItem* items;
  const int64_t* chunk_ends;
  bool first;                       // SGD: the momentum buffer starts as the gradient
  double rate;                      // the factor of the update, negative
  double keep;                      // AdamW: the factor of the parameter
  double inverse_sqrt_correction2;  // Adam
};

// x to a whole power by squaring, in a fixed order.
MO_INLINE double power(double x, int64_t n) {
  double out = 1.0;
  for (; n > 0; n >>= 1, x *= x) out *= n & 1 ? x : 1.0;
  return out;
}

template <class V>
struct Sgd {
  using T = typename V::Scalar;
  static MO_INLINE V gradient(const Step& step, V g, V p) {
    if (step.args->maximize) g = -g;
    if (step.args->weight_decay != 0) g = fma(V(step.args->weight_decay), p, g);
    return g;
  }
  // `load` and `store` work on whole vectors or on the first lanes only; the formula is the same.
  template <class Load, class Store>
  static MO_INLINE void lanes(const Step& step, const OptimItem& item, int64_t i, Load load, Store store) {
    T* param = static_cast<T*>(item.param) + i;
    const V p = load(param);
    V g = gradient(step, load(static_cast<const T*>(item.grad) + i), p);
    if (item.first) {
      T* buffer = static_cast<T*>(item.first) + i;
      const V momentum = step.args->beta1, fresh = 1.0 - step.args->beta2;
      const V b = step.first ? g : fma(momentum, load(buffer), fresh * g);
      store(b, buffer);
      g = step.args->nesterov ? fma(momentum, b, g) : b;
    }
    store(fma(V(step.rate), g, p), param);
  }
};

template <class V>
struct Adam {
  using T = typename V::Scalar;
  template <class Load, class Store>
  static MO_INLINE void lanes(const Step& step, const OptimItem& item, int64_t i, Load load, Store store) {
    const OptimArgs& args = *step.args;
    T *param = static_cast<T*>(item.param) + i, *mean = static_cast<T*>(item.first) + i;
    T* square = static_cast<T*>(item.second) + i;
    V p = load(param), g = load(static_cast<const T*>(item.grad) + i);
    if (args.maximize) g = -g;
    if (args.weight_decay != 0) {
      if (args.decoupled) {
        p = p * V(step.keep);
      } else {
        g = fma(V(args.weight_decay), p, g);
      }
    }
    // The moving average is taken from its nearer end, which is the more exact.
    const V before = load(mean), away = g - before;
    const V m = args.beta1 > 0.5 ? fma(V(1.0 - args.beta1), away, before) : fma(V(-args.beta1), away, g);
    const V v = fma(V(1.0 - args.beta2) * g, g, V(args.beta2) * load(square));
    store(m, mean);
    store(v, square);
    V bound = v;
    if (item.largest) {
      T* largest = static_cast<T*>(item.largest) + i;
      const V old = load(largest);
      bound = where(v > old, v, where(v == v, old, v));  // NaN in either goes through
      store(bound, largest);
    }
    const V scale = fma(sqrt(bound), V(step.inverse_sqrt_correction2), V(args.eps));
    store(fma(V(step.rate), m / scale, p), param);
  }
};

template <class Rule, class V>
MO_INLINE void run_range(const Step& step, const OptimItem& item, int64_t begin, int64_t end) {
  using T = typename V::Scalar;
  int64_t i = begin;
  for (; i + V::kLanes <= end; i += V::kLanes) {
    Rule::lanes(step, item, i, [](const T* p) { return V::load(p); }, [](V v, T* p) { v.store(p); });
  }
  if (i < end) {
    const int64_t n = end - i;
    Rule::lanes(step, item, i, [n](const T* p) { return V::load(p, n); }, [n](V v, T* p) { v.store(p, n); });
  }
}

template <template <class> class Rule>
void run_chunk(void* context, int64_t chunk, int) {
  const Step step = *static_cast<const Step*>(context);
  // The first item whose chunks end after this one.
  int64_t low = 0, high = step.args->count - 1;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (step.chunk_ends[middle] > chunk) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  const OptimItem item = step.items[low];
  const int64_t begin = (chunk - (low ? step.chunk_ends[low - 1] : 0)) * kOptimChunk;
  const int64_t end = item.n - begin < kOptimChunk ? item.n : begin + kOptimChunk;
  if (item.dtype == kF64) {
    run_range<Rule<VecD>, VecD>(step, item, begin, end);
  } else {
    run_range<Rule<VecF>, VecF>(step, item, begin, end);
  }
}

MO_INLINE Step step_of(const OptimArgs* args) {
  Step step{};
  step.args = args;
  step.items = reinterpret_cast<const OptimItem*>(reinterpret_cast<const char*>(args) + kOptimItemsAt);
  step.chunk_ends = reinterpret_cast<const int64_t*>(step.items + args->count);
  return step;
}

void sgd_step(const OptimArgs* args, const Run* run) {
  Step step = step_of(args);
  step.first = *args->step == 0;
  step.rate = -*args->lr;
  *args->step += 1;
  run->parallel(run, args->chunks, run_chunk<Sgd>, &step);
}

void adam_step(const OptimArgs* args, const Run* run) {
  Step step = step_of(args);
  const int64_t count = *args->step + 1;
  const double lr = *args->lr;
  step.rate = -(lr / (1.0 - power(args->beta1, count)));
  step.inverse_sqrt_correction2 = 1.0 / __builtin_sqrt(1.0 - power(args->beta2, count));
  step.keep = 1.0 - lr * args->weight_decay;
  *args->step = count;
  run->parallel(run, args->chunks, run_chunk<Adam>, &step);
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_optim(OptimKernels* table) {
  table->sgd_step = {sgd_step, MO_KERNEL_NAME("sgd_step")};
  table->adam_step = {adam_step, MO_KERNEL_NAME("adam_step")};
}

}  // namespace markone::MARKONE_ISA
