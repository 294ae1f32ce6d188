// Softmax and cross-entropy.
#include "ops/softmax.h"

#include "bind/common.h"

namespace markone::bind {

void bind_softmax(py::module_& m) {
  m.def(
      "softmax", [](const Array& x, int64_t dim) { return softmax(x, dim, false); }, py::arg("x"),
      py::arg("dim"));
  m.def(
      "log_softmax", [](const Array& x, int64_t dim) { return softmax(x, dim, true); }, py::arg("x"),
      py::arg("dim"));
  m.def(
      "softmax_grad",
      [](const Array& g, const Array& y, int64_t dim) { return softmax_grad(g, y, dim, false); },
      py::arg("g"), py::arg("y"), py::arg("dim"));
  m.def(
      "log_softmax_grad",
      [](const Array& g, const Array& y, int64_t dim) { return softmax_grad(g, y, dim, true); }, py::arg("g"),
      py::arg("y"), py::arg("dim"));
  m.def(
      "cross_entropy",
      [](const Array& x, const Array& target, const Array* weight, int64_t ignore_index,
         double label_smoothing, const std::string& reduction) {
        return cross_entropy(x, target, weight ? *weight : Array(),
                             {ignore_index, label_smoothing, reduction});
      },
      py::arg("x"), py::arg("target"), py::arg("weight") = py::none(), py::arg("ignore_index") = -100,
      py::arg("label_smoothing") = 0.0, py::arg("reduction") = "mean",
      "The loss, and the array that cross_entropy_grad takes as lse.");
  m.def(
      "cross_entropy_grad",
      [](const Array& g, const Array& x, const Array& target, const Array* weight, int64_t ignore_index,
         double label_smoothing, const std::string& reduction, const Array& lse) {
        return cross_entropy_grad(g, x, target, weight ? *weight : Array(),
                                  {ignore_index, label_smoothing, reduction}, lse);
      },
      py::arg("g"), py::arg("x"), py::arg("target"), py::arg("weight"), py::arg("ignore_index"),
      py::arg("label_smoothing"), py::arg("reduction"), py::arg("lse"));
  m.def(
      "nll",
      [](const Array& x, const Array& target, const Array* weight, int64_t ignore_index,
         const std::string& reduction) {
        return nll(x, target, or_empty(weight), {ignore_index, 0, reduction});
      },
      py::arg("x"), py::arg("target"), py::arg("weight"), py::arg("ignore_index"), py::arg("reduction"),
      "The loss, and the array that nll_grad takes as saved.");
  m.def(
      "nll_grad",
      [](const Array& g, const Array& x, const Array& target, const Array* weight, int64_t ignore_index,
         const std::string& reduction, const Array& saved) {
        return nll_grad(g, x, target, or_empty(weight), {ignore_index, 0, reduction}, saved);
      },
      py::arg("g"), py::arg("x"), py::arg("target"), py::arg("weight"), py::arg("ignore_index"),
      py::arg("reduction"), py::arg("saved"));
}

}  // namespace markone::bind
