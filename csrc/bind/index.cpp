// Indexing by integer arrays, concatenation, and counting.
#include "ops/index.h"

#include <set>

#include "bind/operation.h"

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

// ---- cat and stack as whole operations ----

// A list or tuple of Tensors; false for anything else.
struct Parts {
  std::vector<Array> arrays;
  py::tuple edges;
  bool recorded = false;

  bool load(PyObject* list) {
    if (!PyList_CheckExact(list) && !PyTuple_CheckExact(list)) return false;
    const TensorLayout& layout = tensor_layout();
    const auto size = static_cast<size_t>(PySequence_Fast_GET_SIZE(list));
    edges = py::tuple(size);
    const bool grad = Modes::now().grad == Py_True;
    for (size_t i = 0; i < size; ++i) {
      // A view that follows its base runs Python, which may change the list.
      if (static_cast<size_t>(PySequence_Fast_GET_SIZE(list)) != size) return false;
      const auto part =
          py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(list, static_cast<Py_ssize_t>(i)));
      if (!layout.is_tensor(part.ptr())) return false;
      auto edge = py::reinterpret_steal<py::object>(grad ? edge_of(part.ptr()) : py::none().release().ptr());
      if (!edge) throw py::error_already_set();
      recorded = recorded || !edge.is_none();
      edges[i] = std::move(edge);
      const Array* array = layout.array_of(part.ptr());
      if (!array || (i > 0 && array->ndim() != arrays[0].ndim())) return false;
      arrays.push_back(*array);
    }
    return size > 0;
  }
};

// `dim` of a call (list) or (list, dim); false where it is no plain integer.
bool plain_dim(PyObject* const* args, size_t count, int64_t* dim) {
  *dim = 0;
  if (count == 1) return true;
  if (count != 2 || !PyLong_CheckExact(args[1])) return false;
  int overflow = 0;
  *dim = PyLong_AsLongLongAndOverflow(args[1], &overflow);
  return overflow == 0;
}

py::object joined(const Operation& self, PyObject* const* args, size_t count, const Array& out, Parts& parts,
                  const py::object& ctx) {
  py::object node;
  if (parts.recorded) {
    node = make_node(py::reinterpret_borrow<py::object>(self.node_op), parts.edges, py::tuple(), ctx);
  }
  return finished(py::cast(out), node, self.name, args, count);
}

py::object cat_form(const Operation& self, PyObject* const* args, size_t count) {
  Parts parts;
  int64_t dim;
  if (!plain_dim(args, count, &dim) || !parts.load(args[0]) || parts.arrays[0].ndim() == 0) return {};
  const int d = wrap_dim("cat", dim, parts.arrays[0].ndim());
  const Array out = cat(parts.arrays, d);
  py::object ctx;
  if (parts.recorded) {
    py::list lengths, types;
    for (const Array& a : parts.arrays) {
      lengths.append(a.size(d));
      types.append(a.dtype());
    }
    ctx = py::make_tuple(d, lengths, types);
  }
  return joined(self, args, count, out, parts, ctx);
}

py::object stack_form(const Operation& self, PyObject* const* args, size_t count) {
  Parts parts;
  int64_t dim;
  if (!plain_dim(args, count, &dim) || !parts.load(args[0])) return {};
  const int d = wrap_dim("stack", dim, parts.arrays[0].ndim() + 1);
  py::list types;
  const Dims shape = parts.arrays[0].shape();
  for (Array& a : parts.arrays) {
    MO_CHECK_KIND(ErrorKind::kRuntime, a.shape() == shape, "stack", "shapes ", shape, " and ", a.shape(),
                  " differ");
    if (parts.recorded) types.append(a.dtype());
    a = a.unsqueeze(d);
  }
  return joined(self, args, count, cat(parts.arrays, d), parts, py::make_tuple(d, types));
}

}  // namespace

void bind_index(py::module_& m) {
  m.def(
      "index",
      [](const Array& x, const Indices& indices, bool wraps) { return index(x, arrays_of(indices), wraps); },
      py::arg("x"), py::arg("indices"), py::arg("wraps") = true,
      "x[indices] as NumPy: for each leading dimension an int64 Array, or None for a full slice. Here and "
      "below a negative index counts from the end where `wraps` is set, and else is outside.");
  m.def(
      "index_put_into",
      [](const Array& x, const Indices& indices, const Array& values, bool accumulate) {
        index_write_into(x, arrays_of(indices), values, accumulate ? kWriteAdd : kWritePut);
      },
      py::arg("x"), py::arg("indices"), py::arg("values"), py::arg("accumulate"));
  m.def(
      "index_reduce_into",
      [](const Array& x, const Indices& indices, const Array& values, const std::string& reduce, bool wraps) {
        index_write_into(x, arrays_of(indices), values, write_of("index_reduce_", reduce), wraps);
      },
      py::arg("x"), py::arg("indices"), py::arg("values"), py::arg("reduce"), py::arg("wraps") = true,
      "x[indices] combined with the values by put, sum, prod, amax or amin, in the order of the indices.");
  m.def("gather", &gather, py::arg("x"), py::arg("dim"), py::arg("index"), py::arg("wraps") = true);
  m.def(
      "scatter_into",
      [](const Array& x, int64_t dim, const Array& index, const Array& src, bool accumulate) {
        scatter_into(x, dim, index, src, accumulate ? kWriteAdd : kWritePut, true);
      },
      py::arg("x"), py::arg("dim"), py::arg("index"), py::arg("src"), py::arg("accumulate"));
  m.def(
      "scatter_reduce_into",
      [](const Array& x, int64_t dim, const Array& index, const Array& src, const std::string& reduce,
         bool wraps) { scatter_into(x, dim, index, src, write_of("scatter_reduce_", reduce), wraps); },
      py::arg("x"), py::arg("dim"), py::arg("index"), py::arg("src"), py::arg("reduce"),
      py::arg("wraps") = true,
      "x at the places of index along dim combined with src by put, sum, prod, amax or amin.");
  m.def("nonzero", &nonzero, py::arg("x"), "The coordinates of what is not zero: int64 [count, ndim].");
  m.def(
      "check_range",
      [](const std::string& op, const std::string& wanted, const Array& x, double low, double high,
         bool nan) { check_range(kept(op), kept(wanted), x, low, high, nan); },
      py::arg("op"), py::arg("wanted"), py::arg("x"), py::arg("low"), py::arg("high"), py::arg("nan"),
      "Raises 'op: wanted, got ...' where low <= x <= high does not hold.");
  m.def(
      "join_operation",
      [](const py::object& function, bool stacks, const py::object& node) {
        Operation* made;
        const py::object out = make_operation(function, &made);
        made->name = stacks ? "stack" : "cat";
        made->form = stacks ? stack_form : cat_form;
        made->node_op = py::object(node).release().ptr();
        return out;
      },
      py::arg("function"), py::arg("stacks"), py::arg("node"),
      "cat or stack as an operation on a list of Tensors; `function` gets every other call.");
  m.def("cat", &cat, py::arg("arrays"), py::arg("dim"));
  m.def("arange", &arange, py::arg("start"), py::arg("step"), py::arg("count"), py::arg("dtype"));
}

}  // namespace markone::bind
