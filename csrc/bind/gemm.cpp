// Matrix multiplication.
#include "ops/gemm.h"

#include "bind/common.h"

namespace markone::bind {

void bind_gemm(py::module_& m) {
  m.def("matmul", &matmul, py::arg("a"), py::arg("b"));
  m.def("matmul_into", &matmul_into, py::arg("out"), py::arg("a"), py::arg("b"),
        py::arg("accumulate") = false);
  m.def(
      "linear",
      [](const Array& x, const Array& weight, const Array* bias) {
        return linear(x, weight, bias ? *bias : Array());
      },
      py::arg("x"), py::arg("weight"), py::arg("bias").none(true) = py::none());
}

}  // namespace markone::bind
