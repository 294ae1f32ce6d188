// What each optimiser's rule keeps and which options it has.
#pragma once
#include <string>
#include <vector>

#include "contract/optim.h"

namespace markone {

struct OptimOption {
  const char* name;
  double OptimArgs::* field;
  double low, high;
  bool below;  // high itself is out
};

// An array of the parameter's shape; where `option` is set, only if that is not 0.
struct OptimStateRow {
  const char* name;
  double OptimArgs::* option;
};

struct OptimRuleRow {
  const char* name;
  const char* op;
  OptimRule rule;
  double flops;  // an element
  std::vector<OptimStateRow> states;
  std::vector<const char*> carried;
  std::vector<OptimOption> options;
};

// Raises ValueError where there is no such rule.
const OptimRuleRow& optim_rule(const std::string& name);

}  // namespace markone
