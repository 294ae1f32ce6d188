// Fused optimiser steps over all parameters in one call.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

enum OptimRule : int32_t {
#define MO_OPTIM(name, Rule) kOptim_##name,
#include "kernels/common/optim.def"
  kOptimCount,
};

// One parameter. Every array is contiguous, of n elements of `dtype` (float32 or float64); param and the
// state are updated in place and overlap nothing else. A state that the options ask for none of is null.
//   sgd       momentum_buffer (momentum)
//   adam      exp_avg, exp_avg_sq, max_exp_avg_sq (amsgrad)
//   rmsprop   square_avg, momentum_buffer (momentum), grad_avg (centered)
//   adagrad   sum
//   adadelta  square_avg, acc_delta
//   adamax    exp_avg, exp_inf
//   nadam     exp_avg, exp_avg_sq
//   radam     exp_avg, exp_avg_sq
//   asgd      ax
//   rprop     prev, step_size
constexpr int kOptimStates = 3;
struct OptimItem {
  void* param;
  const void* grad;
  void* state[kOptimStates];
  int64_t n;
  int32_t dtype;
  int32_t unused;
};

// How many elements a chunk holds; no chunk spans two parameters. Fixed, so that threads change nothing.
constexpr int64_t kOptimChunk = 16384;

// `items` follow the struct in memory; `chunk_ends` has for each item how many chunks it and those before it
// have. What changes between calls is in one-element arrays: lr, step, and what a rule carries from step to
// step (nadam: mu_product; asgd: eta, mu). The kernel adds 1 to *step when it has read it; sgd does so only
// with momentum, for which step 0 sets the buffer. What is carried means nothing before step 1.
struct OptimArgs {
  const double* lr;
  int64_t* step;
  double* carried[2];
  // Where not null: the option so many bytes into this struct has this value instead.
  const double* moving;
  int64_t moving_at;
  int64_t count;
  int64_t chunks;
  // Options; a rule reads its own. Those that are yes or no are 1 or 0.
  double maximize, weight_decay;
  double decoupled;  // the decay multiplies the parameter, as in AdamW
  double eps;
  double momentum, dampening, nesterov;
  double beta1, beta2, amsgrad, momentum_decay;
  double alpha;  // rmsprop and adadelta (rho): of the moving average; asgd: power of eta's fall
  double centered;
  double lr_decay;
  double lambd, t0;
  double eta_minus, eta_plus, step_min, step_max;
};

// Where an item is: items(args)[k] is at this many bytes from the start of the struct plus k times its size;
// the chunk ends (int64) come after the last item.
constexpr int64_t kOptimItemsAt = sizeof(OptimArgs);
static_assert(sizeof(OptimArgs) % 8 == 0 && sizeof(OptimItem) % 8 == 0);

struct OptimKernels {
  Entry<OptimArgs> optim[kOptimCount];
};

}  // namespace markone
