// Optimiser steps over all parameters in one kernel call, with PyTorch's arithmetic.
#pragma once
#include <vector>

#include "core/array.h"

namespace markone {

struct OptimState {
  Array lr;    // float64 [1]
  Array step;  // int64 [1]: steps taken before this one; the kernel adds 1
};

struct SgdOptions {
  double momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false, maximize = false;
};
// `buffers` is empty without momentum. The first step (step 0) sets a buffer to the gradient.
void sgd_step(const std::vector<Array>& params, const std::vector<Array>& grads,
              const std::vector<Array>& buffers, const OptimState& state, const SgdOptions& options);

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool decoupled = false, maximize = false;
};
// `largest` is empty without AMSGrad.
void adam_step(const std::vector<Array>& params, const std::vector<Array>& grads,
               const std::vector<Array>& means, const std::vector<Array>& squares,
               const std::vector<Array>& largest, const OptimState& state, const AdamOptions& options);

}  // namespace markone
