// Fused optimiser steps in plain C++: one element at a time, in double.
#include "contract/optim.h"

#include <math.h>

namespace markone::ref {
namespace {

// One element: its gradient (sign and L2 penalty done), and what the rule changes.
struct Element {
  double g, p;
  double state[kOptimStates];
};

// The options of this call.
OptimArgs options_now(const OptimArgs& args) {
  OptimArgs now = args;
  if (args.moving) *reinterpret_cast<double*>(reinterpret_cast<char*>(&now) + args.moving_at) = *args.moving;
  return now;
}

struct Step : OptimArgs {
  double rate, t;    // the learning rate; 1 at the first step
  double before[2];  // what was carried
  double correct(double beta) const { return 1.0 - pow(beta, t); }
};

void sgd(const Step& s, Element& e) {
  double& b = e.state[0];
  if (s.momentum != 0) b = s.t == 1 ? e.g : s.momentum * b + (1.0 - s.dampening) * e.g;
  const double change = s.momentum == 0 ? e.g : s.nesterov != 0 ? e.g + s.momentum * b : b;
  e.p -= s.rate * change;
}

// NaN in either goes through.
double larger(double a, double b) { return a > b || a != a ? a : b; }

void moments(const Step& s, Element& e) {
  e.state[0] = s.beta1 * e.state[0] + (1.0 - s.beta1) * e.g;
  e.state[1] = s.beta2 * e.state[1] + (1.0 - s.beta2) * e.g * e.g;
}

void adam(const Step& s, Element& e) {
  moments(s, e);
  if (s.amsgrad != 0) e.state[2] = larger(e.state[1], e.state[2]);
  const double bound = e.state[s.amsgrad != 0 ? 2 : 1] / s.correct(s.beta2);
  e.p -= s.rate / s.correct(s.beta1) * e.state[0] / (sqrt(bound) + s.eps);
}

void rmsprop(const Step& s, Element& e) {
  double &v = e.state[0], &buffer = e.state[1], &mean = e.state[2];
  v = s.alpha * v + (1.0 - s.alpha) * e.g * e.g;
  if (s.centered != 0) mean = s.alpha * mean + (1.0 - s.alpha) * e.g;
  const double scaled = e.g / (sqrt(s.centered != 0 ? v - mean * mean : v) + s.eps);
  if (s.momentum != 0) buffer = s.momentum * buffer + scaled;
  e.p -= s.rate * (s.momentum != 0 ? buffer : scaled);
}

void adagrad(const Step& s, Element& e) {
  e.state[0] += e.g * e.g;
  e.p -= s.rate / (1.0 + (s.t - 1.0) * s.lr_decay) * e.g / (sqrt(e.state[0]) + s.eps);
}

void adadelta(const Step& s, Element& e) {
  double &v = e.state[0], &moved = e.state[1];
  v = s.alpha * v + (1.0 - s.alpha) * e.g * e.g;
  const double change = sqrt(moved + s.eps) / sqrt(v + s.eps) * e.g;
  moved = s.alpha * moved + (1.0 - s.alpha) * change * change;
  e.p -= s.rate * change;
}

void adamax(const Step& s, Element& e) {
  e.state[0] = s.beta1 * e.state[0] + (1.0 - s.beta1) * e.g;
  e.state[1] = larger(s.beta2 * e.state[1], fabs(e.g) + s.eps);
  e.p -= s.rate / s.correct(s.beta1) * e.state[0] / e.state[1];
}

// The momentum of step t, and the product of those so far.
double nadam_mu(const Step& s, double t) { return s.beta1 * (1.0 - 0.5 * pow(0.96, t * s.momentum_decay)); }
double nadam_product(const Step& s) { return (s.t == 1 ? 1.0 : s.before[0]) * nadam_mu(s, s.t); }

void nadam(const Step& s, Element& e) {
  moments(s, e);
  const double product = nadam_product(s), next = nadam_mu(s, s.t + 1.0);
  const double scale = sqrt(e.state[1] / s.correct(s.beta2)) + s.eps;
  e.p -= s.rate * (1.0 - nadam_mu(s, s.t)) / (1.0 - product) * e.g / scale;
  e.p -= s.rate * next / (1.0 - product * next) * e.state[0] / scale;
}

void radam(const Step& s, Element& e) {
  moments(s, e);
  const double longest = 2.0 / (1.0 - s.beta2) - 1.0, correction = s.correct(s.beta2);
  const double length = longest - 2.0 * s.t * pow(s.beta2, s.t) / correction;
  double change = e.state[0] / s.correct(s.beta1);
  if (length > 5.0) {
    change *= sqrt((length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length)) *
              sqrt(correction) / (sqrt(e.state[1]) + s.eps);
  }
  e.p -= s.rate * change;
}

void asgd(const Step& s, Element& e) {
  const double eta = s.t == 1 ? s.rate : s.before[0], mu = s.t == 1 ? 1.0 : s.before[1];
  e.p = e.p * (1.0 - s.lambd * eta) - eta * e.g;
  e.state[0] = mu == 1 ? e.p : e.state[0] + mu * (e.p - e.state[0]);
}

double sign(double x) { return x > 0 ? 1.0 : x < 0 ? -1.0 : x; }

void rprop(const Step& s, Element& e) {
  double &before = e.state[0], &size = e.state[1];
  if (s.t == 1) size = s.rate, before = 0;
  const double turn = sign(e.g * before);
  size *= turn > 0 ? s.eta_plus : turn < 0 ? s.eta_minus : turn == 0 ? 1.0 : turn;
  if (size < s.step_min) size = s.step_min;
  if (size > s.step_max) size = s.step_max;
  before = turn < 0 ? 0.0 : e.g;
  e.p -= sign(before) * size;
}

using Formula = void (*)(const Step&, Element&);

template <class T>
void run_item(const Step& s, const OptimItem& item, Formula formula) {
  for (int64_t i = 0; i < item.n; ++i) {
    Element e{static_cast<const T*>(item.grad)[i], static_cast<T*>(item.param)[i], {}};
    for (int k = 0; k < kOptimStates; ++k) {
      if (item.state[k]) e.state[k] = static_cast<T*>(item.state[k])[i];
    }
    if (s.maximize != 0) e.g = -e.g;
    if (s.decoupled != 0) {
      e.p *= 1.0 - s.rate * s.weight_decay;
    } else if (s.weight_decay != 0) {
      e.g += s.weight_decay * e.p;
    }
    formula(s, e);
    static_cast<T*>(item.param)[i] = static_cast<T>(e.p);
    for (int k = 0; k < kOptimStates; ++k) {
      if (item.state[k]) static_cast<T*>(item.state[k])[i] = static_cast<T>(e.state[k]);
    }
  }
}

template <OptimRule rule, Formula formula>
void step(const OptimArgs* args, const Run*) {
  Step s{options_now(*args), *args->lr, static_cast<double>(*args->step + 1), {}};
  for (int k = 0; k < 2; ++k) {
    if (args->carried[k]) s.before[k] = *args->carried[k];
  }
  const auto* items = reinterpret_cast<const OptimItem*>(reinterpret_cast<const char*>(args) + kOptimItemsAt);
  for (int64_t k = 0; k < args->count; ++k) {
    items[k].dtype == kF64 ? run_item<double>(s, items[k], formula) : run_item<float>(s, items[k], formula);
  }
  if (rule == kOptim_nadam) *args->carried[0] = nadam_product(s);
  if (rule == kOptim_asgd) {
    *args->carried[0] = s.rate / pow(1.0 + s.lambd * s.rate * s.t, s.alpha);
    *args->carried[1] = 1.0 / (s.t - s.t0 > 1.0 ? s.t - s.t0 : 1.0);
  }
  *args->step += rule != kOptim_sgd || s.momentum != 0;
}

}  // namespace

void fill_optim(OptimKernels* table) {
#define MO_OPTIM(name, Rule) table->optim[kOptim_##name] = {step<kOptim_##name, name>, #name "_step_ref"};
#include "kernels/common/optim.def"
}

}  // namespace markone::ref
