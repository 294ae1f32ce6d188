// What each optimiser does to a vector of elements. `prepare` works out, once a call and in double, what all
// elements share; `apply` gets the gradient (sign and decay done) and changes the parameter and the state.
#pragma once
#include <math.h>

#include "contract/optim.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

struct Step {
  const OptimArgs* args;
  const OptimItem* items;
  const int64_t* chunk_ends;
  double lr;
  int64_t count;        // 1 at the first step
  double rate;          // the factor of the update, negative
  double keep;          // the factor of the parameter where its decay is decoupled, and in asgd
  double inverse_root;  // 1 / sqrt(1 - beta2^count)
  double part;          // nadam: the factor of the gradient; asgd: how much of the parameter is averaged in
  bool yes;             // sgd, rprop: the first step; radam: the variance is known well enough
};

// The options of this call.
MO_INLINE OptimArgs options_now(const OptimArgs& args) {
  OptimArgs now = args;
  if (args.moving) *reinterpret_cast<double*>(reinterpret_cast<char*>(&now) + args.moving_at) = *args.moving;
  return now;
}

// x to a whole power by squaring, in a fixed order.
MO_INLINE double power(double x, int64_t n) {
  double out = 1.0;
  for (; n > 0; n >>= 1, x *= x) out *= n & 1 ? x : 1.0;
  return out;
}

// The moving average of x, taken from its nearer end, which is the more exact.
template <class V>
MO_INLINE V average(V before, V x, double beta) {
  const V away = x - before;
  return beta > 0.5 ? fma(V(1.0 - beta), away, before) : fma(V(-beta), away, x);
}
template <class V>
MO_INLINE V average_square(V before, V x, double beta) {
  return fma(V(1.0 - beta) * x, x, V(beta) * before);
}
// NaN in either goes through.
template <class V>
MO_INLINE V larger(V a, V b) {
  return where(a > b, a, where(a == a, b, a));
}
template <class V>
MO_INLINE V sign_of(V x) {
  return where(x > V(0.0), V(1.0), where(x < V(0.0), V(-1.0), x));
}

struct Sgd {
  static MO_INLINE void prepare(Step* s) {
    s->rate = -s->lr;
    s->yes = s->count == 1;
    if (s->args->momentum == 0) --s->count;  // the count is of the buffer's steps
  }
  template <class V>
  static MO_INLINE void apply(const Step& s, V g, V& p, V* state) {
    if (s.args->momentum != 0) {
      const V momentum = s.args->momentum, fresh = 1.0 - s.args->dampening;
      state[0] = s.yes ? g : fma(momentum, state[0], fresh * g);
      g = s.args->nesterov != 0 ? fma(momentum, state[0], g) : state[0];
    }
    p = fma(V(s.rate), g, p);
  }
};

struct Adam {
  static MO_INLINE void prepare(Step* s) {
    s->rate = -(s->lr / (1.0 - power(s->args->beta1, s->count)));
    s->inverse_root = 1.0 / __builtin_sqrt(1.0 - power(s->args->beta2, s->count));
  }
  template <class V>
  static MO_INLINE void apply(const Step& s, V g, V& p, V* state) {
    state[0] = average(state[0], g, s.args->beta1);
    state[1] = average_square(state[1], g, s.args->beta2);
    V bound = state[1];
    if (s.args->amsgrad != 0) bound = state[2] = larger(bound, state[2]);
    p = fma(V(s.rate), state[0] / fma(sqrt(bound), V(s.inverse_root), V(s.args->eps)), p);
  }
};

struct RMSprop {
  static MO_INLINE void prepare(Step* s) { s->rate = -s->lr; }
  template <class V>
  static MO_INLINE void apply(const Step& s, V g, V& p, V* state) {
    V bound = state[0] = average_square(state[0], g, s.args->alpha);
    if (s.args->centered != 0) {
      state[2] = average(state[2], g, s.args->alpha);
      bound = fma(-state[2], state[2], bound);
    }
    V change = g / (sqrt(bound) + V(s.args->eps));
    if (s.args->momentum != 0) change = state[1] = fma(V(s.args->momentum), state[1], change);
    p = fma(V(s.rate), change, p);
  }
};

struct Adagrad {
  static MO_INLINE void prepare(Step* s) {
    s->rate = -(s->lr / (1.0 + static_cast<double>(s->count - 1) * s->args->lr_decay));
  }
  template <class V>
  static MO_INLINE void apply(const Step& s, V g, V& p, V* state) {
    state[0] = fma(g, g, state[0]);
    p = fma(V(s.rate), g / (sqrt(state[0]) + V(s.args->eps)), p);
  }
};

struct Adadelta {
  static MO_INLINE void prepare(Step* s) { s->rate = -s->lr; }
  template <class V>
  static MO_INLINE void apply(const Step& s, V g, V& p, V* state) {
    const V eps = s.args->eps;
    state[0] = average_square(state[0], g, s.args->alpha);
    const V change = sqrt(state[1] + eps) / sqrt(state[0] + eps) * g;
    state[1] = average_square(state[1], change, s.args->alpha);
    p = fma(V(s.rate), change, p);
  }
};

struct Adamax {
  static MO_INLINE void prepare(Step* s) { s->rate = -(s->lr / (1.0 - power(s->args->beta1, s->count))); }
  template <class V>
  static MO_INLINE void apply(const Step& s, V g, V& p, V* state) {
    state[0] = average(state[0], g, s.args->beta1);
    state[1] = larger(V(s.args->beta2) * state[1], abs(g) + V(s.args->eps));
    p = fma(V(s.rate), state[0] / state[1], p);
  }
};

struct NAdam {
  static MO_INLINE double momentum(const Step& s, int64_t count) {
    return s.args->beta1 * (1.0 - 0.5 * ::pow(0.96, static_cast<double>(count) * s.args->momentum_decay));
  }
  static MO_INLINE void prepare(Step* s) {
    const double mu = momentum(*s, s->count), next = momentum(*s, s->count + 1);
    const double product = (s->count == 1 ? 1.0 : *s->args->carried[0]) * mu;
    s->rate = -s->lr * next / (1.0 - product * next);
    s->part = -s->lr * (1.0 - mu) / (1.0 - product);
    s->inverse_root = 1.0 / __builtin_sqrt(1.0 - power(s->args->beta2, s->count));
    *s->args->carried[0] = product;
  }
  template <class V>
  static MO_INLINE void apply(const Step& s, V g, V& p, V* state) {
    state[0] = average(state[0], g, s.args->beta1);
    state[1] = average_square(state[1], g, s.args->beta2);
    const V scale = fma(sqrt(state[1]), V(s.inverse_root), V(s.args->eps));
    p = p + fma(V(s.rate), state[0], V(s.part) * g) / scale;
  }
};

struct RAdam {
  static MO_INLINE void prepare(Step* s) {
    const double beta2 = s->args->beta2, longest = 2.0 / (1.0 - beta2) - 1.0;
    const double fallen = power(beta2, s->count), correction = 1.0 - fallen;
    const double length = longest - 2.0 * static_cast<double>(s->count) * fallen / correction;
    s->rate = -(s->lr / (1.0 - power(s->args->beta1, s->count)));
    s->yes = length > 5.0;
    if (s->yes) {
      const double known = (length - 4.0) * (length - 2.0) * longest;
      s->rate *= __builtin_sqrt(known / ((longest - 4.0) * (longest - 2.0) * length) * correction);
    }
  }
  template <class V>
  static MO_INLINE void apply(const Step& s, V g, V& p, V* state) {
    state[0] = average(state[0], g, s.args->beta1);
    state[1] = average_square(state[1], g, s.args->beta2);
    const V change = s.yes ? state[0] / (sqrt(state[1]) + V(s.args->eps)) : state[0];
    p = fma(V(s.rate), change, p);
  }
};

struct Asgd {
  static MO_INLINE void prepare(Step* s) {
    const OptimArgs& args = *s->args;
    const double eta = s->count == 1 ? s->lr : *args.carried[0], t = static_cast<double>(s->count);
    s->part = s->count == 1 ? 1.0 : *args.carried[1];
    s->rate = -eta;
    s->keep = 1.0 - args.lambd * eta;
    *args.carried[0] = s->lr / ::pow(1.0 + args.lambd * s->lr * t, args.alpha);
    *args.carried[1] = 1.0 / (t - args.t0 > 1.0 ? t - args.t0 : 1.0);
  }
  template <class V>
  static MO_INLINE void apply(const Step& s, V g, V& p, V* state) {
    p = fma(V(s.rate), g, p * V(s.keep));
    state[0] = s.part == 1.0 ? p : fma(V(s.part), p - state[0], state[0]);
  }
};

struct Rprop {
  static MO_INLINE void prepare(Step* s) { s->yes = s->count == 1; }
  template <class V>
  static MO_INLINE void apply(const Step& s, V g, V& p, V* state) {
    const OptimArgs& args = *s.args;
    const V zero = 0.0, low = args.step_min, high = args.step_max;
    const V turn = s.yes ? zero * g : sign_of(g * state[0]);
    const V factor = where(turn > zero, V(args.eta_plus), where(turn == zero, V(1.0), turn));
    V size = (s.yes ? V(s.lr) : state[1]) * where(turn < zero, V(args.eta_minus), factor);
    size = where(size < low, low, where(size > high, high, size));
    g = where(turn < zero, zero, g);
    state[0] = g;
    state[1] = size;
    p = fma(-sign_of(g), size, p);
  }
};

MO_ISA_END
