// Optimiser steps over all parameters in one kernel call, with PyTorch's arithmetic.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/array.h"

namespace markone {

// What changes between calls, one element each.
struct OptimNumbers {
  Array lr;                    // float64
  Array step;                  // int64: steps taken before this one; the kernel adds 1
  std::vector<Array> carried;  // float64, by rule: nadam's mu_product; asgd's eta and mu
  // The option of this name is read from here, float64; what the options say counts as yes or no only.
  std::string moving_name = {};
  Array moving = {};
};

// `rule` is a name of kernels/common/optim.def. `state` has one list for each array that the rule may keep,
// in its order, empty where the options ask for none. An option that is not given is 0.
void optim_step(const std::string& rule, const std::vector<Array>& params, const std::vector<Array>& grads,
                const std::vector<std::vector<Array>>& state, const OptimNumbers& numbers,
                const std::map<std::string, double>& options);

}  // namespace markone
