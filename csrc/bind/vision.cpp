// Resampling, sampling at given places, and boxes.
#include "ops/vision.h"

#include "bind/common.h"

namespace markone::bind {

void bind_vision(py::module_& m) {
  m.def("resample", &resample, py::arg("x"), py::arg("size"), py::arg("factors"), py::arg("mode"),
        py::arg("align_corners") = false, py::arg("antialias") = false);
  m.def("resample_grad", &resample_grad, py::arg("g"), py::arg("input_shape"), py::arg("factors"),
        py::arg("mode"), py::arg("align_corners") = false, py::arg("antialias") = false);
  m.def("grid_sample", &grid_sample, py::arg("x"), py::arg("grid"), py::arg("mode") = "bilinear",
        py::arg("padding_mode") = "zeros", py::arg("align_corners") = false);
  m.def("grid_sample_input_grad", &grid_sample_input_grad, py::arg("g"), py::arg("grid"),
        py::arg("input_shape"), py::arg("mode") = "bilinear", py::arg("padding_mode") = "zeros",
        py::arg("align_corners") = false);
  m.def("grid_sample_grid_grad", &grid_sample_grid_grad, py::arg("g"), py::arg("x"), py::arg("grid"),
        py::arg("mode") = "bilinear", py::arg("padding_mode") = "zeros", py::arg("align_corners") = false);
  m.def(
      "pad",
      [](const Array& x, const std::string& mode, const Dims& sides, const Operand& value) {
        MO_CHECK_TYPE(value.kind != Operand::kArray, "pad", "the value must be a number");
        return pad(x, mode, sides, value.scalar);
      },
      py::arg("x"), py::arg("mode"), py::arg("sides"), py::arg("value") = 0.0);
  m.def(
      "nms",
      [](const Array& boxes, const Array& order, const std::optional<Array>& groups, double threshold) {
        return nms(boxes, order, groups.value_or(Array()), threshold);
      },
      py::arg("boxes"), py::arg("order"), py::arg("groups"), py::arg("threshold"),
      "Which boxes are kept, in the order given.");
  m.def(
      "roi_align",
      [](const Array& x, const Array& boxes, const Dims& output_size, double scale, int64_t sampling_ratio,
         bool aligned) { return roi_align(x, boxes, {output_size, scale, sampling_ratio, aligned}); },
      py::arg("x"), py::arg("boxes"), py::arg("output_size"), py::arg("scale") = 1.0,
      py::arg("sampling_ratio") = -1, py::arg("aligned") = false);
  m.def(
      "roi_align_grad",
      [](const Array& g, const Array& boxes, const Dims& input_shape, const Dims& output_size, double scale,
         int64_t sampling_ratio, bool aligned) {
        return roi_align_grad(g, boxes, input_shape, {output_size, scale, sampling_ratio, aligned});
      },
      py::arg("g"), py::arg("boxes"), py::arg("input_shape"), py::arg("output_size"), py::arg("scale") = 1.0,
      py::arg("sampling_ratio") = -1, py::arg("aligned") = false);
  m.def(
      "roi_pool",
      [](const Array& x, const Array& boxes, const Dims& output_size, double scale) {
        return roi_pool(x, boxes, {output_size, scale});
      },
      py::arg("x"), py::arg("boxes"), py::arg("output_size"), py::arg("scale") = 1.0);
  m.def("roi_pool_grad", &roi_pool_grad, py::arg("g"), py::arg("boxes"), py::arg("indices"),
        py::arg("input_shape"));
}

}  // namespace markone::bind
