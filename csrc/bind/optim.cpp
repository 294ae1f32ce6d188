// Fused optimiser steps over all parameters.
#include "ops/optim.h"

#include "bind/common.h"

namespace markone::bind {

void bind_optim(py::module_& m) {
  using Arrays = std::vector<Array>;
  m.def(
      "sgd_step",
      [](const Arrays& params, const Arrays& grads, const Arrays& buffers, const Array& lr, const Array& step,
         double momentum, double dampening, double weight_decay, bool nesterov, bool maximize) {
        sgd_step(params, grads, buffers, {lr, step}, {momentum, dampening, weight_decay, nesterov, maximize});
      },
      py::arg("params"), py::arg("grads"), py::arg("buffers"), py::arg("lr"), py::arg("step"),
      py::arg("momentum"), py::arg("dampening"), py::arg("weight_decay"), py::arg("nesterov"),
      py::arg("maximize"));
  m.def(
      "adam_step",
      [](const Arrays& params, const Arrays& grads, const Arrays& exp_avg, const Arrays& exp_avg_sq,
         const Arrays& max_exp_avg_sq, const Array& lr, const Array& step, double beta1, double beta2,
         double eps, double weight_decay, bool decoupled, bool maximize) {
        adam_step(params, grads, exp_avg, exp_avg_sq, max_exp_avg_sq, {lr, step},
                  {beta1, beta2, eps, weight_decay, decoupled, maximize});
      },
      py::arg("params"), py::arg("grads"), py::arg("exp_avg"), py::arg("exp_avg_sq"),
      py::arg("max_exp_avg_sq"), py::arg("lr"), py::arg("step"), py::arg("beta1"), py::arg("beta2"),
      py::arg("eps"), py::arg("weight_decay"), py::arg("decoupled"), py::arg("maximize"));
}

}  // namespace markone::bind
