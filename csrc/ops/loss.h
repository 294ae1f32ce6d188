// Losses of each element, and connectionist temporal classification.
#pragma once
#include <array>
#include <string>
#include <utility>

#include "contract/loss.h"
#include "core/array.h"

namespace markone {

// What loss.def says of an entry.
struct LossFormula {
  const char* name;
  int operands;
  const char *value, *derivative[3];
};
extern const LossFormula kLossFormulas[kLossCount];

// x, y and, where the loss has three operands, w: of one shape and floating type. reduction: "none", "mean"
// or "sum". p is the loss's own number.
Array loss(LossOp op, const Array& x, const Array& y, const Array& w, double p, const std::string& reduction);
// The gradients that are wanted, the others empty; g has the result's shape.
std::array<Array, 3> loss_grad(LossOp op, const Array& g, const Array& x, const Array& y, const Array& w,
                               double p, const std::string& reduction, const std::array<bool, 3>& wanted);

// x: log-probabilities [T, N, C], float32 or float64; targets: int64 [N, S], or one after the other; lengths:
// int64 [N]. The losses [N], infinite where no alignment fits, and what the gradient needs (empty unless
// `save`). IndexError for a length or label that is out of range.
std::pair<Array, Array> ctc(const Array& x, const Array& targets, const Array& input_lengths,
                            const Array& target_lengths, int64_t blank, bool save);
Array ctc_grad(const Array& g, const Array& x, const Array& targets, const Array& input_lengths,
               const Array& target_lengths, int64_t blank, const Array& loss, const Array& saved);

}  // namespace markone
