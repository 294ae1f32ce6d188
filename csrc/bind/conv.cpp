// 2-d convolution and its two gradients.
#include "ops/conv.h"

#include "bind/common.h"

namespace markone::bind {

void bind_conv(py::module_& m) {
  m.def(
      "conv2d",
      [](const Array& x, const Array& weight, const Array* bias, const Dims& stride, const Dims& padding,
         const Dims& dilation, int64_t groups) {
        return conv2d(x, weight, bias ? *bias : Array(), {stride, padding, dilation, groups});
      },
      py::arg("x"), py::arg("weight"), py::arg("bias").none(true) = py::none(), py::arg("stride") = Dims{1},
      py::arg("padding") = Dims{0}, py::arg("dilation") = Dims{1}, py::arg("groups") = 1);
  m.def(
      "conv2d_input_grad",
      [](const Array& g, const Array& weight, const Dims& input_shape, const Dims& stride,
         const Dims& padding, const Dims& dilation, int64_t groups) {
        return conv2d_input_grad(g, weight, input_shape, {stride, padding, dilation, groups});
      },
      py::arg("g"), py::arg("weight"), py::arg("input_shape"), py::arg("stride") = Dims{1},
      py::arg("padding") = Dims{0}, py::arg("dilation") = Dims{1}, py::arg("groups") = 1);
  m.def(
      "conv2d_weight_grad",
      [](const Array& g, const Array& x, const Dims& weight_shape, const Dims& stride, const Dims& padding,
         const Dims& dilation, int64_t groups) {
        return conv2d_weight_grad(g, x, weight_shape, {stride, padding, dilation, groups});
      },
      py::arg("g"), py::arg("x"), py::arg("weight_shape"), py::arg("stride") = Dims{1},
      py::arg("padding") = Dims{0}, py::arg("dilation") = Dims{1}, py::arg("groups") = 1);
}

}  // namespace markone::bind
