// Indexing by integer arrays, concatenation, and counting.
#include "ops/index.h"

#include <set>

#include "bind/common.h"

namespace markone::bind {
namespace {

using Indices = std::vector<std::optional<Array>>;

std::vector<Array> arrays_of(const Indices& indices) {
  std::vector<Array> out;
  for (const auto& i : indices) out.push_back(i ? *i : Array());
  return out;
}

IndexWrite write_of(const char* op, const std::string& reduce) {
  constexpr const char* kNames[kWriteCount] = {"put", "sum", "prod", "amax", "amin"};
  for (int i = 0; i < kWriteCount; ++i) {
    if (reduce == kNames[i]) return static_cast<IndexWrite>(i);
  }
  fail(ErrorKind::kValue, op, "reduce is '", reduce, "', wants put, sum, prod, amax or amin");
}

// Python's strings are the caller's; a recorded call needs its own.
const char* kept(const std::string& text) {
  static std::set<std::string> all;
  return all.insert(text).first->c_str();
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
        index_write_into(x, arrays_of(indices), values, accumulate ? kWriteAdd : kWritePut);
      },
      py::arg("x"), py::arg("indices"), py::arg("values"), py::arg("accumulate"));
  m.def(
      "index_reduce_into",
      [](const Array& x, const Indices& indices, const Array& values, const std::string& reduce) {
        index_write_into(x, arrays_of(indices), values, write_of("index_reduce_", reduce));
      },
      py::arg("x"), py::arg("indices"), py::arg("values"), py::arg("reduce"),
      "x[indices] combined with the values by put, sum, prod, amax or amin, in the order of the indices.");
  m.def("gather", &gather, py::arg("x"), py::arg("dim"), py::arg("index"));
  m.def(
      "scatter_into",
      [](const Array& x, int64_t dim, const Array& index, const Array& src, bool accumulate) {
        scatter_into(x, dim, index, src, accumulate ? kWriteAdd : kWritePut);
      },
      py::arg("x"), py::arg("dim"), py::arg("index"), py::arg("src"), py::arg("accumulate"));
  m.def(
      "scatter_reduce_into",
      [](const Array& x, int64_t dim, const Array& index, const Array& src, const std::string& reduce) {
        scatter_into(x, dim, index, src, write_of("scatter_reduce_", reduce));
      },
      py::arg("x"), py::arg("dim"), py::arg("index"), py::arg("src"), py::arg("reduce"),
      "x at the places of index along dim combined with src by put, sum, prod, amax or amin.");
  m.def("nonzero", &nonzero, py::arg("x"), "The coordinates of what is not zero: int64 [count, ndim].");
  m.def(
      "check_range",
      [](const std::string& op, const std::string& wanted, const Array& x, double low, double high,
         bool nan) { check_range(kept(op), kept(wanted), x, low, high, nan); },
      py::arg("op"), py::arg("wanted"), py::arg("x"), py::arg("low"), py::arg("high"), py::arg("nan"),
      "Raises 'op: wanted, got ...' where low <= x <= high does not hold.");
  m.def("cat", &cat, py::arg("arrays"), py::arg("dim"));
  m.def("arange", &arange, py::arg("start"), py::arg("step"), py::arg("count"), py::arg("dtype"));
}

}  // namespace markone::bind
