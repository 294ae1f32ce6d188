// Fused optimiser steps in plain C++: one element at a time, in double.
#include "contract/optim.h"

#include <math.h>

namespace markone::ref {
namespace {

const OptimItem* items_of(const OptimArgs* args) {
  return reinterpret_cast<const OptimItem*>(reinterpret_cast<const char*>(args) + kOptimItemsAt);
}

template <class T>
void sgd_item(const OptimArgs& args, const OptimItem& item, double lr, bool first_step) {
  T* param = static_cast<T*>(item.param);
  T* buffer = static_cast<T*>(item.first);
  for (int64_t i = 0; i < item.n; ++i) {
    double g = static_cast<const T*>(item.grad)[i];
    if (args.maximize) g = -g;
    if (args.weight_decay != 0) g += args.weight_decay * param[i];
    if (buffer) {
      const double b = first_step ? g : args.beta1 * buffer[i] + (1.0 - args.beta2) * g;
      buffer[i] = static_cast<T>(b);
      g = args.nesterov ? g + args.beta1 * b : b;
    }
    param[i] = static_cast<T>(param[i] - lr * g);
  }
}

template <class T>
void adam_item(const OptimArgs& args, const OptimItem& item, double lr, double step) {
  T* param = static_cast<T*>(item.param);
  T* mean = static_cast<T*>(item.first);
  T* square = static_cast<T*>(item.second);
  T* largest = static_cast<T*>(item.largest);
  const double correction1 = 1.0 - pow(args.beta1, step), correction2 = 1.0 - pow(args.beta2, step);
  for (int64_t i = 0; i < item.n; ++i) {
    double p = param[i], g = static_cast<const T*>(item.grad)[i];
    if (args.maximize) g = -g;
    if (args.weight_decay != 0 && args.decoupled) p *= 1.0 - lr * args.weight_decay;
    if (args.weight_decay != 0 && !args.decoupled) g += args.weight_decay * p;
    const double m = args.beta1 * mean[i] + (1.0 - args.beta1) * g;
    const double v = args.beta2 * square[i] + (1.0 - args.beta2) * g * g;
    mean[i] = static_cast<T>(m);
    square[i] = static_cast<T>(v);
    double bound = v;
    if (largest) {
      bound = v > largest[i] || v != v ? v : largest[i];  // NaN in either goes through
      largest[i] = static_cast<T>(bound);
    }
    param[i] = static_cast<T>(p - lr / correction1 * m / (sqrt(bound / correction2) + args.eps));
  }
}

void sgd_step(const OptimArgs* args, const Run*) {
  for (int64_t k = 0; k < args->count; ++k) {
    const OptimItem& item = items_of(args)[k];
    const bool first_step = *args->step == 0;
    item.dtype == kF64 ? sgd_item<double>(*args, item, *args->lr, first_step)
                       : sgd_item<float>(*args, item, *args->lr, first_step);
  }
  ++*args->step;
}

void adam_step(const OptimArgs* args, const Run*) {
  const double step = static_cast<double>(*args->step + 1);
  for (int64_t k = 0; k < args->count; ++k) {
    const OptimItem& item = items_of(args)[k];
    item.dtype == kF64 ? adam_item<double>(*args, item, *args->lr, step)
                       : adam_item<float>(*args, item, *args->lr, step);
  }
  ++*args->step;
}

}  // namespace

void fill_optim(OptimKernels* table) {
  table->sgd_step = {sgd_step, "sgd_step_ref"};
  table->adam_step = {adam_step, "adam_step_ref"};
}

}  // namespace markone::ref
