// Indexing by integer arrays, concatenation, and counting.
#include "ops/index.h"

#include "bind/common.h"

namespace markone::bind {
namespace {

using Indices = std::vector<std::optional<Array>>;

std::vector<Array> arrays_of(const Indices& indices) {
  std::vector<Array> out;
  for (const auto& i : indices) out.push_back(i ? *i : Array());
  return out;
}

}  // namespace

void bind_index(py::module_& m) {
  m.def(
      "index", [](const Array& x, const Indices& indices) { return index(x, arrays_of(indices)); },
      py::arg("x"), py::arg("indices"),
      "x[indices] as NumPy: for each leading dimension an int64 Array, or None for a full slice.");
  m.def(
      "index_put_into",
      [](const Array& x, const Indices& indices, const Array& values, bool accumulate) {
        index_put_into(x, arrays_of(indices), values, accumulate);
      },
      py::arg("x"), py::arg("indices"), py::arg("values"), py::arg("accumulate"));
  m.def("gather", &gather, py::arg("x"), py::arg("dim"), py::arg("index"));
  m.def("scatter_into", &scatter_into, py::arg("x"), py::arg("dim"), py::arg("index"), py::arg("src"),
        py::arg("accumulate"));
  m.def("nonzero", &nonzero, py::arg("x"), "The coordinates of what is not zero: int64 [count, ndim].");
  m.def("cat", &cat, py::arg("arrays"), py::arg("dim"));
  m.def("arange", &arange, py::arg("start"), py::arg("step"), py::arg("count"), py::arg("dtype"));
}

}  // namespace markone::bind
