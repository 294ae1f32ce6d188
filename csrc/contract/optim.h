// Fused optimiser steps over all parameters in one call.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

// One parameter. Every array is contiguous, of n elements of `dtype` (float32 or float64); param, first,
// second and largest are updated in place and overlap nothing else.
struct OptimItem {
  void* param;
  const void* grad;
  void* first;    // momentum buffer, or Adam's mean of the gradient; null in SGD without momentum
  void* second;   // Adam's mean of the squared gradient
  void* largest;  // AMSGrad's maximum of it, or null
  int64_t n;
  int32_t dtype;
  int32_t unused;
};

// How many elements a chunk holds; no chunk spans two parameters. Fixed, so that threads change nothing.
constexpr int64_t kOptimChunk = 16384;

// `items` follow the struct in memory; `chunk_ends` has for each item how many chunks it and those before it
// have. lr and step are one-element arrays; the kernel adds 1 to *step when it has read it.
struct OptimArgs {
  const double* lr;
  int64_t* step;
  int64_t count;
  int64_t chunks;
  double beta1;  // SGD: momentum
  double beta2;  // SGD: dampening
  double eps;
  double weight_decay;
  int32_t nesterov;   // SGD
  int32_t decoupled;  // Adam: the decay multiplies the parameter (AdamW)
  int32_t maximize;
  int32_t unused;
};

// Where an item is: items(args)[k] is at this many bytes from the start of the struct plus k times its size;
// the chunk ends (int64) come after the last item.
constexpr int64_t kOptimItemsAt = sizeof(OptimArgs);
static_assert(sizeof(OptimArgs) % 8 == 0 && sizeof(OptimItem) % 8 == 0);

struct OptimKernels {
  Entry<OptimArgs> sgd_step;
  Entry<OptimArgs> adam_step;
};

}  // namespace markone
