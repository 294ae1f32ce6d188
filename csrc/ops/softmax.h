// Softmax, its logarithm and cross-entropy, with PyTorch's semantics.
#pragma once
#include <string>
#include <utility>

#include "core/array.h"

namespace markone {

// Along `dim` of a floating x of any shape; the result has x's type.
Array softmax(const Array& x, int64_t dim, bool log);
// The gradient of x from that of the result, g, and the result, y.
Array softmax_grad(const Array& g, const Array& y, int64_t dim, bool log);

struct CrossEntropyOptions {
  int64_t ignore_index = -100;
  double label_smoothing = 0;
  std::string reduction = "mean";  // "none", "mean" or "sum"
};
// x: logits [N, C, *] or [C]; target: int64 labels [N, *] or 0-d; weight: [C] of x's type, or empty. The
// loss, of x's type: [N, *], or 0-d where it is reduced. Second, what the gradient needs: one array, opaque.
// A label outside [0, C) that is not ignore_index raises IndexError.
std::pair<Array, Array> cross_entropy(const Array& x, const Array& target, const Array& weight,
                                      const CrossEntropyOptions& options);
Array cross_entropy_grad(const Array& g, const Array& x, const Array& target, const Array& weight,
                         const CrossEntropyOptions& options, const Array& saved);

// The same of log-probabilities x; label_smoothing is left alone.
std::pair<Array, Array> nll(const Array& x, const Array& target, const Array& weight,
                            const CrossEntropyOptions& options);
Array nll_grad(const Array& g, const Array& x, const Array& target, const Array& weight,
               const CrossEntropyOptions& options, const Array& saved);

}  // namespace markone
