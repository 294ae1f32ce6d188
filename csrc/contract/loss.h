// Losses: those of each element of an input and a target, and connectionist temporal classification.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"
#include "contract/softmax.h"

namespace markone {

// One enumerator, one kernel a type and instruction set, one binding and its gradients for each entry of the
// list.
enum LossOp : int32_t {
#define MO_LOSS(name, ...) kLoss_##name,
#include "kernels/common/loss.def"
  kLossCount
};

// The losses of n elements, one by one, or their sum, or that divided by n. Everything is contiguous and of
// one type. A sum follows the order of the reductions (contract/reduce.h), of losses that are not rounded to
// a 16-bit type first: scratch holds 8 bytes for each block of kReduceBlock.
struct LossArgs {
  int64_t n;
  LossReduction reduction;
  double p;       // the loss's own number: a limit, a margin
  const void* x;  // [n], the input
  const void* y;  // [n], the target
  const void* w;  // [n], what a third operand is; null where the formula has none
  void* loss;     // [n], or one element
};

struct LossGradArgs {
  int64_t n;
  LossReduction reduction;
  double p;
  const void* g;  // [n], or one element
  const void *x, *y, *w;
  void* out[3];  // [n] each, the gradients of x, y and w; null where one is not wanted
};

// Connectionist temporal classification. Sample i has input_lengths[i] steps and target_lengths[i] labels;
// the alignment's positions are b t1 b t2 b ... b, 2 * labels + 1 of them.
struct CtcArgs {
  int64_t steps, count, classes, blank;
  int64_t labels;                // the most that a target can have: the row of a padded target, or all labels
  int64_t packed;                // 1: targets lie one after the other, [labels]; 0: [count, labels]
  int64_t row;                   // positions in a row of alpha
  const void* x;                 // [steps, count, classes], log-probabilities
  const int64_t* targets;        // a label outside [0, classes) is reported
  const int64_t* input_lengths;  // [count], outside [0, steps] is reported
  const int64_t* target_lengths;  // [count], outside [0, labels] is reported
  void* loss;                     // [count]: -log of the probability; infinite where no alignment fits
  void* alpha;  // [count, steps, row]: log of the paths that are at a position by then; null: not wanted
};
struct CtcGradArgs {
  CtcArgs forward;  // loss and alpha as the forward pass left them
  const void* g;    // [count]
  void* dx;         // [steps, count, classes]
};
// Scratch: 8 bytes for each sample, then kCtcScratch * (row + kCtcSlack) * 8 bytes for each thread.
enum : int64_t { kCtcScratch = 5, kCtcSlack = 48 };

struct LossKernels {
  Entry<LossArgs> loss[kLossCount][kDTypeCount];
  Entry<LossGradArgs> loss_grad[kLossCount][kDTypeCount];
  Entry<CtcArgs> ctc[kDTypeCount];  // float32 and float64
  Entry<CtcGradArgs> ctc_grad[kDTypeCount];
};

}  // namespace markone
