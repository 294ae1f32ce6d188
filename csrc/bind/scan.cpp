// Running sums and their like.
#include "ops/scan.h"

#include "bind/common.h"

namespace markone::bind {

void bind_scan(py::module_& m) {
  m.def("cumsum", &cumsum, py::arg("x"), py::arg("dim"), py::arg("reverse"));
  m.def("cumprod", &cumprod, py::arg("x"), py::arg("dim"));
  m.def("cummax", &cummax, py::arg("x"), py::arg("dim"));
  m.def("cummin", &cummin, py::arg("x"), py::arg("dim"));
  m.def("logcumsumexp", &logcumsumexp, py::arg("x"), py::arg("dim"));
  m.def("logcumsumexp_grad", &logcumsumexp_grad, py::arg("g"), py::arg("x"), py::arg("y"), py::arg("dim"));
}

}  // namespace markone::bind
