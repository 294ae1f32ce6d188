// Max and average pooling and their gradients.
#include "ops/pool.h"

#include "bind/common.h"

namespace markone::bind {

void bind_pool(py::module_& m) {
  const auto max_options = [](const Dims& kernel, const Dims& stride, const Dims& padding,
                              const Dims& dilation, bool ceil_mode) {
    return PoolOptions{kernel, stride, padding, dilation, ceil_mode, true, std::nullopt};
  };
  m.def(
      "max_pool2d",
      [max_options](const Array& x, const Dims& kernel, const Dims& stride, const Dims& padding,
                    const Dims& dilation, bool ceil_mode) {
        return max_pool2d(x, max_options(kernel, stride, padding, dilation, ceil_mode), true);
      },
      py::arg("x"), py::arg("kernel"), py::arg("stride") = Dims(), py::arg("padding") = Dims(),
      py::arg("dilation") = Dims(), py::arg("ceil_mode") = false,
      "The maxima, and the flat index of each in its plane (int64).");
  m.def(
      "max_pool2d_values",
      [max_options](const Array& x, const Dims& kernel, const Dims& stride, const Dims& padding,
                    const Dims& dilation, bool ceil_mode) {
        return max_pool2d(x, max_options(kernel, stride, padding, dilation, ceil_mode), false).first;
      },
      py::arg("x"), py::arg("kernel"), py::arg("stride") = Dims(), py::arg("padding") = Dims(),
      py::arg("dilation") = Dims(), py::arg("ceil_mode") = false);
  m.def("max_pool_grad", &max_pool_grad, py::arg("g"), py::arg("indices"), py::arg("input_shape"),
        py::arg("spatial") = 2,
        "The gradient of a pooling's input from the places that it picked, over its last `spatial` "
        "dimensions.");
  m.def(
      "avg_pool2d",
      [](const Array& x, const Dims& kernel, const Dims& stride, const Dims& padding, bool ceil_mode,
         bool count_include_pad, std::optional<int64_t> divisor_override) {
        return avg_pool2d(x, {kernel, stride, padding, {}, ceil_mode, count_include_pad, divisor_override});
      },
      py::arg("x"), py::arg("kernel"), py::arg("stride") = Dims(), py::arg("padding") = Dims(),
      py::arg("ceil_mode") = false, py::arg("count_include_pad") = true,
      py::arg("divisor_override") = py::none());
  m.def(
      "avg_pool2d_grad",
      [](const Array& g, const Dims& input_shape, const Dims& kernel, const Dims& stride, const Dims& padding,
         bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override) {
        return avg_pool2d_grad(g, input_shape,
                               {kernel, stride, padding, {}, ceil_mode, count_include_pad, divisor_override});
      },
      py::arg("g"), py::arg("input_shape"), py::arg("kernel"), py::arg("stride") = Dims(),
      py::arg("padding") = Dims(), py::arg("ceil_mode") = false, py::arg("count_include_pad") = true,
      py::arg("divisor_override") = py::none());
  m.def(
      "max_pool3d",
      [max_options](const Array& x, const Dims& kernel, const Dims& stride, const Dims& padding,
                    const Dims& dilation, bool ceil_mode) {
        return max_pool3d(x, max_options(kernel, stride, padding, dilation, ceil_mode));
      },
      py::arg("x"), py::arg("kernel"), py::arg("stride") = Dims(), py::arg("padding") = Dims(),
      py::arg("dilation") = Dims(), py::arg("ceil_mode") = false);
  m.def(
      "avg_pool3d",
      [](const Array& x, const Dims& kernel, const Dims& stride, const Dims& padding, bool ceil_mode,
         bool count_include_pad, std::optional<int64_t> divisor_override) {
        return avg_pool3d(x, {kernel, stride, padding, {}, ceil_mode, count_include_pad, divisor_override});
      },
      py::arg("x"), py::arg("kernel"), py::arg("stride") = Dims(), py::arg("padding") = Dims(),
      py::arg("ceil_mode") = false, py::arg("count_include_pad") = true,
      py::arg("divisor_override") = py::none());
  m.def(
      "avg_pool3d_grad",
      [](const Array& g, const Dims& input_shape, const Dims& kernel, const Dims& stride, const Dims& padding,
         bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override) {
        return avg_pool3d_grad(g, input_shape,
                               {kernel, stride, padding, {}, ceil_mode, count_include_pad, divisor_override});
      },
      py::arg("g"), py::arg("input_shape"), py::arg("kernel"), py::arg("stride") = Dims(),
      py::arg("padding") = Dims(), py::arg("ceil_mode") = false, py::arg("count_include_pad") = true,
      py::arg("divisor_override") = py::none());
  m.def("adaptive_max_pool", &adaptive_max_pool, py::arg("x"), py::arg("output_size"));
  m.def("adaptive_avg_pool", &adaptive_avg_pool, py::arg("x"), py::arg("output_size"));
  m.def("adaptive_avg_pool_grad", &adaptive_avg_pool_grad, py::arg("g"), py::arg("input_shape"),
        py::arg("spatial"));
  m.def("fractional_max_pool", &fractional_max_pool, py::arg("x"), py::arg("kernel"), py::arg("output_size"),
        py::arg("samples"));
  m.def(
      "stochastic_pool2d",
      [max_options](const Array& x, const Array& samples, const Dims& kernel, const Dims& stride,
                    const Dims& padding, bool ceil_mode) {
        return stochastic_pool2d(x, max_options(kernel, stride, padding, {}, ceil_mode), samples);
      },
      py::arg("x"), py::arg("samples"), py::arg("kernel"), py::arg("stride") = Dims(),
      py::arg("padding") = Dims(), py::arg("ceil_mode") = false);
}

}  // namespace markone::bind
