// Resizing of images.
#include "ops/vision.h"

#include "bind/common.h"

namespace markone::bind {

void bind_vision(py::module_& m) {
  m.def("resize_bilinear", &resize_bilinear, py::arg("x"), py::arg("size"), py::arg("align_corners") = false);
  m.def("resize_bilinear_grad", &resize_bilinear_grad, py::arg("g"), py::arg("input_shape"),
        py::arg("align_corners") = false);
}

}  // namespace markone::bind
