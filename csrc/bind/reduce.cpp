// Reductions: one binding an entry of kernels/common/reduce.def, and those with arguments of their own.
#include "ops/reduce.h"

#include "bind/common.h"

namespace markone::bind {

void bind_reduce(py::module_& m) {
  for (int i = 0; i < kReduceCount; ++i) {
    const auto op = static_cast<ReduceOp>(i);
    if (op == kReduce_var) continue;
    m.def(
        name_of(op),
        [op](const Array& x, const Dims& dims, bool keepdim) { return reduce(op, x, dims, keepdim); },
        py::arg("x"), py::arg("dims") = Dims(), py::arg("keepdim") = false);
  }
  m.def("var", &var, py::arg("x"), py::arg("dims") = Dims(), py::arg("correction") = 1.0,
        py::arg("keepdim") = false);
  m.def(
      "argmax",
      [](const Array& x, std::optional<int64_t> dim, bool keepdim) {
        return arg_reduce(true, x, dim, keepdim);
      },
      py::arg("x"), py::arg("dim") = py::none(), py::arg("keepdim") = false);
  m.def(
      "argmin",
      [](const Array& x, std::optional<int64_t> dim, bool keepdim) {
        return arg_reduce(false, x, dim, keepdim);
      },
      py::arg("x"), py::arg("dim") = py::none(), py::arg("keepdim") = false);
}

}  // namespace markone::bind
