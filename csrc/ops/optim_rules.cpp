#include "ops/optim_rules.h"

#include <limits>

#include "core/error.h"

namespace markone {
namespace {

using A = OptimArgs;
constexpr double kAny = std::numeric_limits<double>::infinity();

const OptimOption kMaximize{"maximize", &A::maximize, 0, 1, false};
const OptimOption kDecay{"weight_decay", &A::weight_decay, 0, kAny, false};
const OptimOption kDecoupled{"decoupled", &A::decoupled, 0, 1, false};
const OptimOption kEps{"eps", &A::eps, 0, kAny, false};
const OptimOption kMomentum{"momentum", &A::momentum, 0, kAny, false};
const OptimOption kBeta1{"beta1", &A::beta1, 0, 1, true};
const OptimOption kBeta2{"beta2", &A::beta2, 0, 1, true};

const OptimRuleRow kRows[] = {
    {"sgd",
     "sgd_step",
     kOptim_sgd,
     8,
     {{"momentum_buffer", &A::momentum}},
     {},
     {kMaximize,
      kDecay,
      kMomentum,
      {"dampening", &A::dampening, -kAny, kAny, false},
      {"nesterov", &A::nesterov, 0, 1, false}}},
    {"adam",
     "adam_step",
     kOptim_adam,
     18,
     {{"exp_avg", nullptr}, {"exp_avg_sq", nullptr}, {"max_exp_avg_sq", &A::amsgrad}},
     {},
     {kMaximize, kDecay, kDecoupled, kEps, kBeta1, kBeta2, {"amsgrad", &A::amsgrad, 0, 1, false}}},
    {"rmsprop",
     "rmsprop_step",
     kOptim_rmsprop,
     16,
     {{"square_avg", nullptr}, {"momentum_buffer", &A::momentum}, {"grad_avg", &A::centered}},
     {},
     {kMaximize,
      kDecay,
      kEps,
      kMomentum,
      {"alpha", &A::alpha, 0, kAny, false},
      {"centered", &A::centered, 0, 1, false}}},
    {"adagrad",
     "adagrad_step",
     kOptim_adagrad,
     8,
     {{"sum", nullptr}},
     {},
     {kMaximize, kDecay, kEps, {"lr_decay", &A::lr_decay, 0, kAny, false}}},
    {"adadelta",
     "adadelta_step",
     kOptim_adadelta,
     16,
     {{"square_avg", nullptr}, {"acc_delta", nullptr}},
     {},
     {kMaximize, kDecay, kEps, {"rho", &A::alpha, 0, 1, false}}},
    {"adamax",
     "adamax_step",
     kOptim_adamax,
     12,
     {{"exp_avg", nullptr}, {"exp_inf", nullptr}},
     {},
     {kMaximize, kDecay, kEps, kBeta1, kBeta2}},
    {"nadam",
     "nadam_step",
     kOptim_nadam,
     18,
     {{"exp_avg", nullptr}, {"exp_avg_sq", nullptr}},
     {"mu_product"},
     {kMaximize,
      kDecay,
      kDecoupled,
      kEps,
      kBeta1,
      kBeta2,
      {"momentum_decay", &A::momentum_decay, 0, kAny, false}}},
    {"radam",
     "radam_step",
     kOptim_radam,
     16,
     {{"exp_avg", nullptr}, {"exp_avg_sq", nullptr}},
     {},
     {kMaximize, kDecay, kDecoupled, kEps, kBeta1, kBeta2}},
    {"asgd",
     "asgd_step",
     kOptim_asgd,
     8,
     {{"ax", nullptr}},
     {"eta", "mu"},
     {kMaximize,
      kDecay,
      {"lambd", &A::lambd, -kAny, kAny, false},
      {"alpha", &A::alpha, -kAny, kAny, false},
      {"t0", &A::t0, -kAny, kAny, false}}},
    {"rprop",
     "rprop_step",
     kOptim_rprop,
     8,
     {{"prev", nullptr}, {"step_size", nullptr}},
     {},
     {kMaximize,
      {"eta_minus", &A::eta_minus, 0, 1, true},
      {"eta_plus", &A::eta_plus, 1, kAny, false},
      {"step_min", &A::step_min, -kAny, kAny, false},
      {"step_max", &A::step_max, -kAny, kAny, false}}},
};
static_assert(sizeof(kRows) / sizeof(kRows[0]) == kOptimCount);

}  // namespace

const OptimRuleRow& optim_rule(const std::string& name) {
  for (const OptimRuleRow& row : kRows) {
    if (name == row.name) return row;
  }
  MO_CHECK(false, "optim_step", "there is no rule '", name, "'");
  return kRows[0];
}

}  // namespace markone
