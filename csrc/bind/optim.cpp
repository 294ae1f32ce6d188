// Fused optimiser steps over all parameters.
#include "ops/optim.h"

#include <optional>

#include "bind/common.h"

namespace markone::bind {

void bind_optim(py::module_& m) {
  using Arrays = std::vector<Array>;
  m.def(
      "optim_step",
      [](const std::string& rule, const Arrays& params, const Arrays& grads, const std::vector<Arrays>& state,
         const Array& lr, const Array& step, const Arrays& carried,
         const std::map<std::string, double>& options, const std::string& moving,
         const std::optional<Array>& value) {
        optim_step(rule, params, grads, state, {lr, step, carried, moving, value.value_or(Array())}, options);
      },
      py::arg("rule"), py::arg("params"), py::arg("grads"), py::arg("state"), py::arg("lr"), py::arg("step"),
      py::arg("carried"), py::arg("options"), py::arg("moving") = "", py::arg("value") = py::none());
}

}  // namespace markone::bind
