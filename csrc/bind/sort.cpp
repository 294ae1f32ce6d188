// Sorting and binary search.
#include "ops/sort.h"

#include "bind/common.h"

namespace markone::bind {

void bind_sort(py::module_& m) {
  m.def(
      "sort",
      [](const Array& x, int64_t dim, bool descending) { return sort("sort", x, dim, descending, 0, -1); },
      py::arg("x"), py::arg("dim"), py::arg("descending"),
      "(values, int64 indices) of the stable order along dim; NaN is the largest.");
  m.def(
      "topk",
      [](const Array& x, int64_t k, int64_t dim, bool largest) {
        return sort("topk", x, dim, largest, 0, std::max<int64_t>(k, 0));
      },
      py::arg("x"), py::arg("k"), py::arg("dim"), py::arg("largest"),
      "The k first of the order along dim: (values, int64 indices).");
  m.def(
      "kthvalue",
      [](const Array& x, int64_t k, int64_t dim) {
        MO_CHECK(k > 0, "kthvalue", "k is ", k, ", wants at least 1");
        return sort("kthvalue", x, dim, false, k - 1, k);
      },
      py::arg("x"), py::arg("k"), py::arg("dim"),
      "The k-th smallest (from 1) along dim, which stays with size 1: (values, int64 indices).");
  m.def(
      "searchsorted",
      [](const Array& seq, const Array& values, const std::optional<Array>& sorter, bool right) {
        return searchsorted(seq, values, sorter ? *sorter : Array(), right);
      },
      py::arg("seq"), py::arg("values"), py::arg("sorter"), py::arg("right"),
      "How many of the sorted last dimension of seq lie before each value.");
}

}  // namespace markone::bind
