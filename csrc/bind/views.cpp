// Views as whole operations: the window, its place in the graph, and how it follows its base.
#include "bind/operation.h"

namespace markone::bind {
namespace {

// Steps from an array to a window on it: what `x[1, 2:5, None]` does to any array of x's shape.
class Cut {
 public:
  void select(int64_t dim, int64_t index) { steps_.push_back({'i', dim, index, 0, 0}); }
  void slice(int64_t dim, int64_t start, int64_t stop, int64_t step) {
    steps_.push_back({':', dim, start, stop, step});
  }
  void unsqueeze(int64_t dim) { steps_.push_back({'n', dim, 0, 0, 0}); }

  Array operator()(const Array& array) const {
    Array out = array;
    for (const Step& s : steps_) {
      out = s.kind == 'i'   ? out.select(s.dim, s.a)
            : s.kind == ':' ? out.slice(s.dim, s.a, s.b, s.step)
                            : out.unsqueeze(s.dim);
    }
    return out;
  }

 private:
  struct Step {
    char kind;
    int64_t dim, a, b, step;
  };
  std::vector<Step> steps_;
};

bool plain_int(PyObject* object, int64_t* value) {
  if (!PyLong_CheckExact(object)) return false;
  int overflow = 0;
  *value = PyLong_AsLongLongAndOverflow(object, &overflow);
  return overflow == 0;
}

// Integers given one by one or as one tuple or list; false for anything else.
bool plain_ints(PyObject* const* args, size_t count, Dims* out) {
  if (count == 1 && (PyTuple_CheckExact(args[0]) || PyList_CheckExact(args[0]))) {
    PyObject* const* items = PySequence_Fast_ITEMS(args[0]);
    const Py_ssize_t size = PySequence_Fast_GET_SIZE(args[0]);
    return (size != 1 || PyLong_CheckExact(items[0])) && plain_ints(items, static_cast<size_t>(size), out);
  }
  for (size_t i = 0; i < count; ++i) {
    int64_t value;
    if (!plain_int(args[i], &value)) return false;
    out->push_back(value);
  }
  return true;
}

// The result of a form: `array` is a view of args[0], which self(args[0], *again) cuts anew; ctx is what the
// node's gradient needs.
template <class Again, class Ctx>
py::object view_of(const Operation& self, PyObject* const* args, size_t count, const Array& array,
                   Again again, Ctx ctx) {
  PyObject* source = args[0];
  const bool grad = Modes::now().grad == Py_True;
  py::object node;
  if (grad) {
    const auto edge = py::reinterpret_steal<py::object>(edge_of(source));
    if (!edge) throw py::error_already_set();
    if (!edge.is_none()) {
      node = make_node(py::reinterpret_borrow<py::object>(self.node_op), py::make_tuple(edge), py::tuple(),
                       ctx());
    }
  }
  py::object out = finished(py::cast(array), node, self.name, args, count);
  if (grad) {
    mark_view(out.ptr(), source, const_cast<PyObject*>(reinterpret_cast<const PyObject*>(&self)), again());
  } else {
    mark_view(out.ptr(), source, nullptr, {});
  }
  return out;
}

// The array of a form's first argument; null where it is no tensor.
const Array* source_of(PyObject* const* args, size_t count) {
  return count > 0 && tensor_layout().is_tensor(args[0]) ? tensor_layout().array_of(args[0]) : nullptr;
}

py::object reshape_form(const Operation& self, PyObject* const* args, size_t count) {
  const Array* x = source_of(args, count);
  Dims wanted;
  if (!x || !plain_ints(args + 1, count - 1, &wanted)) return {};
  const Array out = x->try_reshape(self.name, wanted);
  if (!out) return {};
  return view_of(
      self, args, count, out, [&] { return py::make_tuple(out.shape()); },
      [&] { return py::cast(x->shape()); });
}

py::object permute_form(const Operation& self, PyObject* const* args, size_t count) {
  const Array* x = source_of(args, count);
  Dims order;
  if (!x || !plain_ints(args + 1, count - 1, &order)) return {};
  const Array out = x->permute(order);
  return view_of(
      self, args, count, out, [&] { return py::make_tuple(order); },
      [&] {
        Dims inverse = order;
        for (int i = 0; i < order.size(); ++i) {
          inverse[static_cast<int>(order[i] < 0 ? order[i] + order.size() : order[i])] = i;
        }
        return py::cast(inverse);
      });
}

py::object transpose_form(const Operation& self, PyObject* const* args, size_t count) {
  const Array* x = source_of(args, count);
  int64_t a, b;
  if (!x || count != 3 || x->ndim() == 0 || !plain_int(args[1], &a) || !plain_int(args[2], &b)) return {};
  const auto dims = [&] { return py::make_tuple(a, b); };
  return view_of(self, args, count, x->transpose(a, b), dims, dims);
}

py::object unsqueeze_form(const Operation& self, PyObject* const* args, size_t count) {
  const Array* x = source_of(args, count);
  int64_t dim;
  if (!x || count != 2 || !plain_int(args[1], &dim)) return {};
  return view_of(
      self, args, count, x->unsqueeze(dim), [&] { return py::make_tuple(dim); },
      [&] { return py::cast(x->shape()); });
}

bool plain_bound(PyObject* object, int64_t otherwise, int64_t* value) {
  *value = otherwise;
  return object == Py_None || plain_int(object, value);
}

// One entry of a key that has only integers, slices with a positive step, None and Ellipsis. `at` is the
// dimension of the view so far, `source` that of the tensor.
bool add_entry(PyObject* entry, const Array& x, int ellipsis_dims, int* at, int* source, Cut* cut) {
  int64_t index;
  if (entry == Py_None) {
    cut->unsqueeze((*at)++);
    return true;
  }
  if (entry == Py_Ellipsis) {
    *at += ellipsis_dims;
    *source += ellipsis_dims;
    return true;
  }
  if (*source >= x.ndim()) return false;
  const int64_t size = x.size(*source);
  if (plain_int(entry, &index)) {
    if (index < -size || index >= size) return false;
    cut->select(*at, index);
    ++*source;
    return true;
  }
  if (!PySlice_Check(entry)) return false;
  const auto* slice = reinterpret_cast<PySliceObject*>(entry);
  int64_t start, stop, step;
  if (!plain_bound(slice->start, 0, &start) || !plain_bound(slice->stop, size, &stop) ||
      !plain_bound(slice->step, 1, &step) || step <= 0) {
    return false;
  }
  cut->slice((*at)++, start, stop, step);
  ++*source;
  return true;
}

py::object getitem_form(const Operation& self, PyObject* const* args, size_t count) {
  const Array* x = source_of(args, count);
  if (!x || count != 2) return {};
  const bool several = PyTuple_CheckExact(args[1]);
  PyObject* const* entries = several ? PySequence_Fast_ITEMS(args[1]) : args + 1;
  const Py_ssize_t length = several ? PyTuple_GET_SIZE(args[1]) : 1;
  int used = 0, dots = 0;
  for (Py_ssize_t i = 0; i < length; ++i) {
    if (entries[i] == Py_Ellipsis) ++dots;
    used += entries[i] != Py_Ellipsis && entries[i] != Py_None;
  }
  if (dots > 1 || used > x->ndim() || x->ndim() + length - used > kMaxDims) return {};
  Cut cut;
  int at = 0, source = 0;
  for (Py_ssize_t i = 0; i < length; ++i) {
    if (!add_entry(entries[i], *x, x->ndim() - used, &at, &source, &cut)) return {};
  }
  return view_of(
      self, args, count, cut(*x), [&] { return py::make_tuple(py::handle(args[1])); },
      [&] { return py::make_tuple(x->shape(), cut); });
}

}  // namespace

void bind_view_operations(py::module_& m) {
  py::class_<Cut>(m, "Cut", "Cuts the same window out of every array of one shape.")
      .def("__call__", &Cut::operator(), py::arg("array"));
  struct Form {
    const char* name;
    NativeForm form;
  };
  static constexpr Form kForms[] = {
      {"reshape", reshape_form},     {"view", reshape_form},        {"permute", permute_form},
      {"transpose", transpose_form}, {"unsqueeze", unsqueeze_form}, {"getitem", getitem_form},
  };
  m.def(
      "view_operation",
      [](const py::object& function, const std::string& name, const py::object& node) {
        for (const Form& form : kForms) {
          if (name != form.name) continue;
          Operation* made;
          const py::object out = make_operation(function, &made);
          made->name = form.name;
          made->form = form.form;
          made->node_op = py::object(node).release().ptr();
          return out;
        }
        MO_CHECK(false, "view_operation", "there is no ", name);
      },
      py::arg("function"), py::arg("name"), py::arg("node"),
      "A view as an operation on Tensors and plain arguments; `function` gets every other call.");
}

}  // namespace markone::bind
