// Softmax and cross-entropy along the middle dimension of a contiguous [outer, n, inner] array.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

struct SoftmaxArgs {
  int64_t outer, n, inner;
  const void* x;
  void* y;
};

// The gradient of x from that of the result, g, and the result, y.
struct SoftmaxGradArgs {
  int64_t outer, n, inner;
  const void* g;
  const void* y;
  void* dx;
};

enum LossReduction : int64_t { kLossNone, kLossMean, kLossSum };

// Rows are numbered outer * inner + position. Row r, with target t, weight w and smoothing e:
//   loss = (1 - e) * w[t] * -logp[t] + e / n * sum(w[c] * -logp[c] over c), 0 where t is ignore_index
// A target outside [0, n) that is not ignore_index is reported.
struct CrossEntropyArgs {
  int64_t outer, n, inner;
  int64_t ignore_index;
  double smoothing;
  LossReduction reduction;  // mean divides by the sum of w[t] over the rows that count
  const void* x;
  const int64_t* target;  // [outer, inner]
  const void* weight;     // [n], or null: all 1
  void* loss;             // [outer, inner], or one element
  // [2 * rows + 1]: each row's maximum, each row's log of the sum of exp(x - maximum), the sum of w[t].
  void* saved;
};
// Scratch: 3 * rows elements.

struct CrossEntropyGradArgs {
  int64_t outer, n, inner;
  int64_t ignore_index;
  double smoothing;
  LossReduction reduction;
  const void* g;  // [outer, inner], or one element
  const void* x;
  const int64_t* target;
  const void* weight;
  const void* saved;
  void* dx;
};

// The negative log likelihood takes the same arguments, of which x holds log-probabilities, smoothing is left
// alone, and `saved` has one element: the sum of w[t]. loss = w[t] * -x[t], 0 where t is ignore_index; the
// gradient is 0 but at the target. Scratch: 16 bytes for each kNllRows rows.
enum : int64_t { kNllRows = 4096 };

struct SoftmaxKernels {
  Entry<SoftmaxArgs> softmax[kDTypeCount];
  Entry<SoftmaxArgs> log_softmax[kDTypeCount];
  Entry<SoftmaxGradArgs> softmax_grad[kDTypeCount];
  Entry<SoftmaxGradArgs> log_softmax_grad[kDTypeCount];
  Entry<CrossEntropyArgs> cross_entropy[kDTypeCount];
  Entry<CrossEntropyGradArgs> cross_entropy_grad[kDTypeCount];
  Entry<CrossEntropyArgs> nll[kDTypeCount];
  Entry<CrossEntropyGradArgs> nll_grad[kDTypeCount];
};

}  // namespace markone
