// Fused optimiser steps: a few parameters a launch, then one thread for the numbers that are carried on.
#include "contract/optim.h"
#include "kernels/cuda/device/each.cuh"
#include "kernels/cuda/device/scalar.cuh"

namespace markone::cuda {
namespace {

// One element: its gradient (sign and L2 penalty done), and what the rule changes.
struct Element {
  double g, p;
  double state[kOptimStates];
};

// The options, and the numbers of this call.
struct Step : OptimArgs {
  double rate, t;    // the learning rate; 1 at the first step
  double before[2];  // what was carried
  __device__ double correct(double beta) const { return 1.0 - ::pow(beta, t); }
};
__device__ Step step_of(const OptimArgs& args) {
  Step s;
  static_cast<OptimArgs&>(s) = args;
  if (args.moving) *reinterpret_cast<double*>(reinterpret_cast<char*>(&s) + args.moving_at) = *args.moving;
  s.rate = *args.lr;
  s.t = static_cast<double>(*args.step + 1);
  for (int k = 0; k < 2; ++k) s.before[k] = args.carried[k] ? *args.carried[k] : 0;
  return s;
}

// NaN in either goes through.
__device__ double larger(double a, double b) { return a > b || a != a ? a : b; }
__device__ double sign_of(double x) { return x > 0 ? 1.0 : x < 0 ? -1.0 : x; }
__device__ void moments(const Step& s, Element& e) {
  e.state[0] = s.beta1 * e.state[0] + (1.0 - s.beta1) * e.g;
  e.state[1] = s.beta2 * e.state[1] + (1.0 - s.beta2) * e.g * e.g;
}
// The momentum of step t, and the product of those so far.
__device__ double nadam_mu(const Step& s, double t) {
  return s.beta1 * (1.0 - 0.5 * ::pow(0.96, t * s.momentum_decay));
}
__device__ double nadam_product(const Step& s) { return (s.t == 1 ? 1.0 : s.before[0]) * nadam_mu(s, s.t); }

struct Rule_sgd {
  static __device__ void step(const Step& s, Element& e) {
    double& b = e.state[0];
    if (s.momentum != 0) b = s.t == 1 ? e.g : s.momentum * b + (1.0 - s.dampening) * e.g;
    e.p -= s.rate * (s.momentum == 0 ? e.g : s.nesterov != 0 ? e.g + s.momentum * b : b);
  }
};
struct Rule_adam {
  static __device__ void step(const Step& s, Element& e) {
    moments(s, e);
    if (s.amsgrad != 0) e.state[2] = larger(e.state[1], e.state[2]);
    const double bound = e.state[s.amsgrad != 0 ? 2 : 1] / s.correct(s.beta2);
    e.p -= s.rate / s.correct(s.beta1) * e.state[0] / (::sqrt(bound) + s.eps);
  }
};
struct Rule_rmsprop {
  static __device__ void step(const Step& s, Element& e) {
    double &v = e.state[0], &buffer = e.state[1], &mean = e.state[2];
    v = s.alpha * v + (1.0 - s.alpha) * e.g * e.g;
    if (s.centered != 0) mean = s.alpha * mean + (1.0 - s.alpha) * e.g;
    const double scaled = e.g / (::sqrt(s.centered != 0 ? v - mean * mean : v) + s.eps);
    if (s.momentum != 0) buffer = s.momentum * buffer + scaled;
    e.p -= s.rate * (s.momentum != 0 ? buffer : scaled);
  }
};
struct Rule_adagrad {
  static __device__ void step(const Step& s, Element& e) {
    e.state[0] += e.g * e.g;
    e.p -= s.rate / (1.0 + (s.t - 1.0) * s.lr_decay) * e.g / (::sqrt(e.state[0]) + s.eps);
  }
};
struct Rule_adadelta {
  static __device__ void step(const Step& s, Element& e) {
    double &v = e.state[0], &moved = e.state[1];
    v = s.alpha * v + (1.0 - s.alpha) * e.g * e.g;
    const double change = ::sqrt(moved + s.eps) / ::sqrt(v + s.eps) * e.g;
    moved = s.alpha * moved + (1.0 - s.alpha) * change * change;
    e.p -= s.rate * change;
  }
};
struct Rule_adamax {
  static __device__ void step(const Step& s, Element& e) {
    e.state[0] = s.beta1 * e.state[0] + (1.0 - s.beta1) * e.g;
    e.state[1] = larger(s.beta2 * e.state[1], ::fabs(e.g) + s.eps);
    e.p -= s.rate / s.correct(s.beta1) * e.state[0] / e.state[1];
  }
};
struct Rule_nadam {
  static __device__ void step(const Step& s, Element& e) {
    moments(s, e);
    const double product = nadam_product(s), next = nadam_mu(s, s.t + 1.0);
    const double scale = ::sqrt(e.state[1] / s.correct(s.beta2)) + s.eps;
    e.p -= s.rate * (1.0 - nadam_mu(s, s.t)) / (1.0 - product) * e.g / scale;
    e.p -= s.rate * next / (1.0 - product * next) * e.state[0] / scale;
  }
};
struct Rule_radam {
  static __device__ void step(const Step& s, Element& e) {
    moments(s, e);
    const double longest = 2.0 / (1.0 - s.beta2) - 1.0, correction = s.correct(s.beta2);
    const double length = longest - 2.0 * s.t * ::pow(s.beta2, s.t) / correction;
    double change = e.state[0] / s.correct(s.beta1);
    if (length > 5.0) {
      change *=
          ::sqrt((length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length)) *
          ::sqrt(correction) / (::sqrt(e.state[1]) + s.eps);
    }
    e.p -= s.rate * change;
  }
};
struct Rule_asgd {
  static __device__ void step(const Step& s, Element& e) {
    const double eta = s.t == 1 ? s.rate : s.before[0], mu = s.t == 1 ? 1.0 : s.before[1];
    e.p = e.p * (1.0 - s.lambd * eta) - eta * e.g;
    e.state[0] = mu == 1 ? e.p : e.state[0] + mu * (e.p - e.state[0]);
  }
};
struct Rule_rprop {
  static __device__ void step(const Step& s, Element& e) {
    double &before = e.state[0], &size = e.state[1];
    if (s.t == 1) size = s.rate, before = 0;
    const double turn = sign_of(e.g * before);
    size *= turn > 0 ? s.eta_plus : turn < 0 ? s.eta_minus : turn == 0 ? 1.0 : turn;
    if (size < s.step_min) size = s.step_min;
    if (size > s.step_max) size = s.step_max;
    before = turn < 0 ? 0.0 : e.g;
    e.p -= sign_of(before) * size;
  }
};

// The launch's own copy of so many items; a kernel's arguments have 4 KB.
constexpr int kItems = 32;
struct Items {
  OptimItem of[kItems];
  int64_t ends[kItems];  // elements of this and those before it
  int count;
};

template <class Rule, class T>
__device__ void step_one(const Step& s, const OptimItem& item, int64_t i) {
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
  Rule::step(s, e);
  static_cast<T*>(item.param)[i] = static_cast<T>(e.p);
  for (int k = 0; k < kOptimStates; ++k) {
    if (item.state[k]) static_cast<T*>(item.state[k])[i] = static_cast<T>(e.state[k]);
  }
}

template <OptimRule kRule, class Rule>
void step(const OptimArgs* args, const Run* run) {
  const OptimArgs options = *args;
  const auto* all = reinterpret_cast<const OptimItem*>(reinterpret_cast<const char*>(args) + kOptimItemsAt);
  for (int64_t first = 0; first < args->count; first += kItems) {
    Items items{};
    int64_t total = 0;
    for (int64_t k = first; k < args->count && k < first + kItems; ++k) {
      total += all[k].n;
      items.ends[items.count] = total;
      items.of[items.count++] = all[k];
    }
    each(run, total, [=] __device__(int64_t e) {
      const Step s = step_of(options);
      int k = 0;
      while (e >= items.ends[k]) ++k;
      const OptimItem& item = items.of[k];
      const int64_t i = k == 0 ? e : e - items.ends[k - 1];
      if (item.dtype == kF64) {
        step_one<Rule, double>(s, item, i);
      } else {
        step_one<Rule, float>(s, item, i);
      }
    });
  }
  each(run, 1, [=] __device__(int64_t) {
    const Step s = step_of(options);
    if (kRule == kOptim_nadam) *options.carried[0] = nadam_product(s);
    if (kRule == kOptim_asgd) {
      *options.carried[0] = s.rate / ::pow(1.0 + s.lambd * s.rate * s.t, s.alpha);
      *options.carried[1] = 1.0 / (s.t - s.t0 > 1.0 ? s.t - s.t0 : 1.0);
    }
    if (kRule != kOptim_sgd || s.momentum != 0) *options.step += 1;
  });
}

}  // namespace

void fill_optim(OptimKernels* table) {
#define MO_OPTIM(name, Class) \
  table->optim[kOptim_##name] = {step<kOptim_##name, Rule_##name>, #name "_step_cuda"};
#include "kernels/common/optim.def"
}

}  // namespace markone::cuda
