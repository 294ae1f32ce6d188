// Normalisation.
#include "ops/norm.h"

#include "bind/common.h"

namespace markone::bind {
namespace {

// None in the place of an empty array.
py::tuple results(const Three& three) {
  const auto given = [](const Array& array) { return array ? py::cast(array) : py::object(py::none()); };
  return py::make_tuple(given(std::get<0>(three)), given(std::get<1>(three)), given(std::get<2>(three)));
}

}  // namespace

void bind_norm(py::module_& m) {
  m.def(
      "row_norm",
      [](const std::string& kind, const Array& x, const Dims& size, const Array* weight, const Array* bias,
         double eps) { return results(row_norm(kind, x, size, or_empty(weight), or_empty(bias), eps)); },
      py::arg("kind"), py::arg("x"), py::arg("size"), py::arg("weight"), py::arg("bias"), py::arg("eps"),
      "layer_norm or rms_norm over trailing dimensions, group_norm or instance_norm in groups: y, mean, "
      "scale.");
  m.def(
      "row_norm_grad",
      [](const std::string& kind, const Array& g, const Array& x, const Dims& size, const Array* weight,
         const Array& mean, const Array& scale, bool want_x, bool want_weight, bool want_bias) {
        return results(
            row_norm_grad(kind, g, x, size, or_empty(weight), mean, scale, want_x, want_weight, want_bias));
      },
      py::arg("kind"), py::arg("g"), py::arg("x"), py::arg("size"), py::arg("weight"), py::arg("mean"),
      py::arg("scale"), py::arg("want_x"), py::arg("want_weight"), py::arg("want_bias"));
  m.def(
      "batch_norm",
      [](const Array& x, const Array* weight, const Array* bias, const Array* running_mean,
         const Array* running_var, bool training, double momentum, double eps, const Array* tracked) {
        return results(batch_norm(x, or_empty(weight), or_empty(bias), or_empty(running_mean),
                                  or_empty(running_var), training, momentum, eps, or_empty(tracked)));
      },
      py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("running_mean"), py::arg("running_var"),
      py::arg("training"), py::arg("momentum"), py::arg("eps"), py::arg("tracked") = py::none(),
      "y, and the mean and 1 / sqrt(variance + eps) of each channel.");
  m.def(
      "batch_norm_grad",
      [](const Array& g, const Array& x, const Array* weight, const Array& mean, const Array& scale,
         bool training, bool want_x, bool want_weight, bool want_bias) {
        return results(
            batch_norm_grad(g, x, or_empty(weight), mean, scale, training, want_x, want_weight, want_bias));
      },
      py::arg("g"), py::arg("x"), py::arg("weight"), py::arg("mean"), py::arg("scale"), py::arg("training"),
      py::arg("want_x"), py::arg("want_weight"), py::arg("want_bias"));
  m.def("local_response_norm", &local_response_norm, py::arg("x"), py::arg("size"), py::arg("alpha"),
        py::arg("beta"), py::arg("k"));
  m.def("local_response_norm_grad", &local_response_norm_grad, py::arg("g"), py::arg("x"), py::arg("size"),
        py::arg("alpha"), py::arg("beta"), py::arg("k"));
}

}  // namespace markone::bind
