// Fused optimiser steps over all parameters: each element of every array is read once and written once.
#include "kernels/cpu/optim/rules.h"

MO_ISA_BEGIN

// One vector of elements through its rule. `load` and `store` work on whole vectors or on the first lanes
// only.
template <class Rule, class V, class Load, class Store>
MO_INLINE void lanes(const Step& s, const OptimItem& item, int64_t i, Load load, Store store) {
  using T = typename V::Scalar;
  V p = load(static_cast<T*>(item.param) + i), g = load(static_cast<const T*>(item.grad) + i);
  V state[kOptimStates] = {V(0.0), V(0.0), V(0.0)};
  for (int k = 0; k < kOptimStates; ++k) {
    if (item.state[k]) state[k] = load(static_cast<T*>(item.state[k]) + i);
  }
  if (s.args->maximize != 0) g = -g;
  if (s.args->weight_decay != 0) {
    if (s.args->decoupled != 0) {
      p = p * V(s.keep);
    } else {
      g = fma(V(s.args->weight_decay), p, g);
    }
  }
  Rule::apply(s, g, p, state);
  store(p, static_cast<T*>(item.param) + i);
  for (int k = 0; k < kOptimStates; ++k) {
    if (item.state[k]) store(state[k], static_cast<T*>(item.state[k]) + i);
  }
}

template <class Rule, class V>
MO_INLINE void run_range(const Step& s, const OptimItem& item, int64_t begin, int64_t end) {
  using T = typename V::Scalar;
  int64_t i = begin;
  for (; i + V::kLanes <= end; i += V::kLanes) {
    lanes<Rule, V>(s, item, i, [](const T* p) { return V::load(p); }, [](V v, T* p) { v.store(p); });
  }
  if (i < end) {
    const int64_t n = end - i;
    lanes<Rule, V>(s, item, i, [n](const T* p) { return V::load(p, n); }, [n](V v, T* p) { v.store(p, n); });
  }
}

template <class Rule>
void run_chunk(void* context, int64_t chunk, int) {
  const Step s = *static_cast<const Step*>(context);
  // The first item whose chunks end after this one.
  int64_t low = 0, high = s.args->count - 1;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (s.chunk_ends[middle] > chunk) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  const OptimItem item = s.items[low];
  const int64_t begin = (chunk - (low ? s.chunk_ends[low - 1] : 0)) * kOptimChunk;
  const int64_t end = item.n - begin < kOptimChunk ? item.n : begin + kOptimChunk;
  if (item.dtype == kF64) {
    run_range<Rule, VecD>(s, item, begin, end);
  } else {
    run_range<Rule, VecF>(s, item, begin, end);
  }
}

template <class Rule>
void step(const OptimArgs* args, const Run* run) {
  const OptimArgs now = options_now(*args);
  Step s{};
  s.args = &now;
  s.items = reinterpret_cast<const OptimItem*>(reinterpret_cast<const char*>(args) + kOptimItemsAt);
  s.chunk_ends = reinterpret_cast<const int64_t*>(s.items + args->count);
  s.lr = *args->lr;
  s.count = *args->step + 1;
  s.keep = 1.0 - s.lr * now.weight_decay;
  Rule::prepare(&s);
  *args->step = s.count;
  run->parallel(run, args->chunks, run_chunk<Rule>, &s);
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_optim(OptimKernels* table) {
#define MO_OPTIM(name, Rule) table->optim[kOptim_##name] = {step<Rule>, MO_KERNEL_NAME(#name "_step")};
#include "kernels/common/optim.def"
}

}  // namespace markone::MARKONE_ISA
