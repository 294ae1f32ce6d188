// Convolution, its transpose and its gradients; unfold and fold.
#include "ops/conv.h"

#include "bind/common.h"

namespace markone::bind {
void bind_conv(py::module_& m) {
  m.def("set_winograd", &set_winograd, py::arg("tile"),
        "3x3 convolutions may use Winograd's filtering with tiles of 4x4 or 2x2 outputs; 0 switches it off.");
  m.def("winograd", &winograd, "The largest tile that is allowed: 4, 2, or 0 where it is off.");
  const auto stride = py::arg("stride") = Dims{1}, padding = py::arg("padding") = Dims{0},
             dilation = py::arg("dilation") = Dims{1};
  const auto groups = py::arg("groups") = 1;
  m.def(
      "conv",
      [](const Array& x, const Array& weight, const Array* bias, const Dims& stride, const Dims& padding,
         const Dims& dilation,
         int64_t groups) { return conv(x, weight, or_empty(bias), {stride, padding, dilation, groups}); },
      py::arg("x"), py::arg("weight"), py::arg("bias").none(true) = py::none(), stride, padding, dilation,
      groups);
  m.def(
      "conv_transpose",
      [](const Array& x, const Array& weight, const Array* bias, const Dims& stride, const Dims& padding,
         const Dims& dilation, int64_t groups, const Dims& output_padding) {
        return conv_transpose(x, weight, or_empty(bias), {stride, padding, dilation, groups}, output_padding);
      },
      py::arg("x"), py::arg("weight"), py::arg("bias").none(true) = py::none(), stride, padding, dilation,
      groups, py::arg("output_padding") = Dims{0});
  m.def(
      "conv_input_grad",
      [](const Array& g, const Array& weight, const Dims& input_shape, const Dims& stride,
         const Dims& padding, const Dims& dilation, int64_t groups) {
        return conv_input_grad(g, weight, input_shape, {stride, padding, dilation, groups});
      },
      py::arg("g"), py::arg("weight"), py::arg("input_shape"), stride, padding, dilation, groups);
  m.def(
      "conv_weight_grad",
      [](const Array& g, const Array& x, const Dims& weight_shape, const Dims& stride, const Dims& padding,
         const Dims& dilation, int64_t groups) {
        return conv_weight_grad(g, x, weight_shape, {stride, padding, dilation, groups});
      },
      py::arg("g"), py::arg("x"), py::arg("weight_shape"), stride, padding, dilation, groups);
  m.def(
      "unfold",
      [](const Array& x, const Dims& kernel_size, const Dims& stride, const Dims& padding,
         const Dims& dilation) { return unfold(x, kernel_size, {stride, padding, dilation}); },
      py::arg("x"), py::arg("kernel_size"), stride, padding, dilation);
  m.def(
      "fold",
      [](const Array& columns, const Dims& output_size, const Dims& kernel_size, const Dims& stride,
         const Dims& padding, const Dims& dilation) {
        return fold(columns, output_size, kernel_size, {stride, padding, dilation});
      },
      py::arg("columns"), py::arg("output_size"), py::arg("kernel_size"), stride, padding, dilation);
}

}  // namespace markone::bind
