#include "bind/tensor.h"

#include <structmember.h>

#include <atomic>

namespace markone::bind {
namespace {

TensorLayout the_layout;
PyTypeObject* array_type = nullptr;

struct NodeLayout {
  PyTypeObject* type = nullptr;
  Py_ssize_t op = 0, edges = 0, saved = 0, version = 0, ctx = 0, number = 0, hooks = 0;
} node_layout;

PyObject* refresh_view = nullptr;  // Python: refresh_view(tensor)
PyObject* tracer = nullptr;        // Python: called with each result while a thread looks for NaNs; or null
std::atomic<uint64_t> nodes_made{0};

Py_ssize_t offset_in(const py::object& type, const char* name) {
  const py::object descriptor = type.attr("__dict__")[name];
  MO_CHECK_TYPE(Py_TYPE(descriptor.ptr()) == &PyMemberDescr_Type, "layout", name, " is not a slot");
  return reinterpret_cast<PyMemberDescrObject*>(descriptor.ptr())->d_member->offset;
}

// Puts a new reference into an empty slot.
void put(PyObject* object, Py_ssize_t offset, PyObject* value) { slot(object, offset) = value; }
PyObject* borrowed(PyObject* object) {
  Py_INCREF(object);
  return object;
}

PyObject* new_object(PyTypeObject* type) {
  PyObject* made = type->tp_alloc(type, 0);
  if (!made) throw py::error_already_set();
  return made;
}

// ---- functions that Python calls often: plain ones, which cost a third of a bound one ----

PyObject* wants_tensor(const char* op, PyObject* object) {
  return PyErr_Format(PyExc_TypeError, "%s: wants a Tensor, got %s", op, Py_TYPE(object)->tp_name);
}

PyObject* py_edge_of(PyObject*, PyObject* tensor) {
  return the_layout.is_tensor(tensor) ? edge_of(tensor) : wants_tensor("edge_of", tensor);
}

PyObject* py_edges_of(PyObject*, PyObject* const* args, Py_ssize_t count) {
  PyObject* edges = PyTuple_New(count);
  for (Py_ssize_t i = 0; edges && i < count; ++i) {
    PyObject* edge = the_layout.is_tensor(args[i]) ? edge_of(args[i]) : borrowed(Py_None);
    if (!edge) Py_CLEAR(edges);
    if (edge) PyTuple_SET_ITEM(edges, i, edge);
  }
  return edges;
}

PyObject* py_recording(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (Modes::now().grad == Py_False) Py_RETURN_FALSE;
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (the_layout.is_tensor(args[i])) {
      if (!fresh_view(args[i])) return nullptr;
      if (the_layout.requires_grad_of(args[i])) Py_RETURN_TRUE;
    }
  }
  Py_RETURN_FALSE;
}

// Versions only grow while an array is held, so their sum changes exactly when one of them does.
uint64_t version_sum(PyObject* saved) {
  uint64_t sum = 0;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(saved); ++i) {
    if (const Array* array = array_in(PyTuple_GET_ITEM(saved, i))) sum += array->version();
  }
  return sum;
}

PyObject* py_version_sum(PyObject*, PyObject* saved) {
  if (!PyTuple_Check(saved)) return PyErr_Format(PyExc_TypeError, "version_sum: wants a tuple");
  return PyLong_FromUnsignedLongLong(version_sum(saved));
}

PyObject* py_next_number(PyObject*, PyObject*) {
  return PyLong_FromUnsignedLongLong(nodes_made.fetch_add(1, std::memory_order_relaxed) + 1);
}

PyMethodDef tensor_functions[] = {
    {"edge_of", py_edge_of, METH_O,
     "edge_of(tensor: object, /) -> object\n\nWhere a gradient of the tensor goes: a node, itself, or None."},
    {"edges_of", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(py_edges_of)), METH_FASTCALL,
     "edges_of(*args) -> tuple\n\nThe edges of several inputs; None for what is no Tensor."},
    {"recording", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(py_recording)), METH_FASTCALL,
     "recording(*args) -> bool\n\nAn operation on these inputs has to be remembered."},
    {"version_sum", py_version_sum, METH_O,
     "version_sum(saved: tuple, /) -> int\n\nThe sum of the versions of the arrays in a tuple."},
    {"next_number", py_next_number, METH_NOARGS,
     "next_number() -> int\n\nNumbers that grow: of nodes, in the order they are made."},
    {nullptr, nullptr, 0, nullptr},
};

// ---- constructors without a frame: what Tensor.__init__ and Node.__init__ do, for the calls that operations
// make

// As the class would be called without them.
PyObject* call_class(PyObject* type, PyObject* const* args, size_t nargs, PyObject* names) {
  const Py_ssize_t count = PyVectorcall_NARGS(nargs);
  const auto positional = py::reinterpret_steal<py::tuple>(PyTuple_New(count));
  if (!positional) return nullptr;
  for (Py_ssize_t i = 0; i < count; ++i) PyTuple_SET_ITEM(positional.ptr(), i, borrowed(args[i]));
  py::object keywords;
  if (names && PyTuple_GET_SIZE(names) > 0) {
    keywords = py::reinterpret_steal<py::object>(PyDict_New());
    for (Py_ssize_t i = 0; keywords && i < PyTuple_GET_SIZE(names); ++i) {
      if (PyDict_SetItem(keywords.ptr(), PyTuple_GET_ITEM(names, i), args[count + i]) < 0) return nullptr;
    }
    if (!keywords) return nullptr;
  }
  return PyType_Type.tp_call(type, positional.ptr(), keywords.ptr());
}

// Tensor(array), Tensor(array, True, node).
PyObject* construct_tensor(PyObject* type, PyObject* const* args, size_t nargs, PyObject* names) {
  const Py_ssize_t count = PyVectorcall_NARGS(nargs);
  const bool plain = !names && !tracer && (count == 1 || (count == 3 && PyBool_Check(args[1])));
  if (!plain || Py_TYPE(args[0]) != array_type) return call_class(type, args, nargs, names);
  PyObject* made = the_layout.type->tp_alloc(the_layout.type, 0);
  if (!made) return nullptr;
  put(made, the_layout.array, borrowed(args[0]));
  put(made, the_layout.requires_grad, borrowed(count == 3 ? args[1] : Py_False));
  put(made, the_layout.grad_fn, borrowed(count == 3 ? args[2] : Py_None));
  put(made, the_layout.grad, borrowed(Py_None));
  put(made, the_layout.view, borrowed(Py_None));
  put(made, the_layout.hooks, borrowed(Py_None));
  return made;
}

// Node(op, edges), Node(op, edges, saved), Node(op, edges, saved, ctx).
PyObject* construct_node(PyObject* type, PyObject* const* args, size_t nargs, PyObject* names) {
  const Py_ssize_t count = PyVectorcall_NARGS(nargs);
  const bool plain = !names && count >= 2 && count <= 4 && (count == 2 || PyTuple_CheckExact(args[2]));
  if (!plain) return call_class(type, args, nargs, names);
  const auto object = [&](Py_ssize_t i) { return py::reinterpret_borrow<py::object>(args[i]); };
  try {
    return make_node(object(0), object(1), count > 2 ? object(2) : py::tuple(),
                     count > 3 ? object(3) : py::none())
        .release()
        .ptr();
  } catch (py::error_already_set& error) {
    error.restore();
  }
  return nullptr;
}

struct ModesObject {};  // `_C.modes`: its attributes are this thread's

}  // namespace

Modes& Modes::now() {
  thread_local Modes modes{Py_True, Py_False};
  return modes;
}

const TensorLayout& tensor_layout() { return the_layout; }

const Array* array_in(PyObject* object) {
  if (Py_TYPE(object) != array_type) return nullptr;
  auto* instance = reinterpret_cast<py::detail::instance*>(object);
  return static_cast<const Array*>(instance->simple_layout ? instance->simple_value_holder[0]
                                                           : instance->get_value_and_holder().value_ptr());
}

void TensorLayout::reset(PyObject* tensor) const {
  const auto renew = [&](Py_ssize_t offset, PyObject* object) {
    PyObject*& place = slot(tensor, offset);
    if (place == object) return;
    PyObject* before = place;
    place = borrowed(object);
    Py_XDECREF(before);
  };
  renew(requires_grad, Py_False);
  renew(grad_fn, Py_None);
  renew(grad, Py_None);
  renew(view, Py_None);
  renew(hooks, Py_None);
}

py::object TensorLayout::make(py::object array_object, const py::object& node) const {
  PyObject* made = new_object(type);
  put(made, array, array_object.release().ptr());
  put(made, requires_grad, borrowed(node ? Py_True : Py_False));
  put(made, grad_fn, borrowed(node ? node.ptr() : Py_None));
  put(made, grad, borrowed(Py_None));
  put(made, view, borrowed(Py_None));
  put(made, hooks, borrowed(Py_None));
  return py::reinterpret_steal<py::object>(made);
}

py::object TensorLayout::make(const Array& value) const { return make(py::cast(value), {}); }

bool fresh_view(PyObject* tensor) {
  PyObject* view = slot(tensor, the_layout.view);
  if (!view || view == Py_None) return true;
  // [base, replay, version]: Python puts it at its new place where the version is not the storage's any more.
  const Array* array = the_layout.array_of(tensor);
  if (array && PyList_CheckExact(view) && PyList_GET_SIZE(view) == 3) {
    PyObject* version = PyList_GET_ITEM(view, 2);
    if (PyLong_CheckExact(version) && PyLong_AsUnsignedLongLong(version) == array->version()) return true;
  }
  PyObject* done = PyObject_CallOneArg(refresh_view, tensor);
  Py_XDECREF(done);
  return done != nullptr;
}

PyObject* edge_of(PyObject* tensor) {
  if (!fresh_view(tensor)) return nullptr;
  if (!the_layout.requires_grad_of(tensor)) return borrowed(Py_None);
  PyObject* node = slot(tensor, the_layout.grad_fn);
  return borrowed(node && node != Py_None ? node : tensor);
}

py::object make_node(const py::object& op, py::object edges, py::object saved, py::object ctx) {
  const uint64_t version = version_sum(saved.ptr());
  PyObject* made = new_object(node_layout.type);
  put(made, node_layout.op, borrowed(op.ptr()));
  put(made, node_layout.edges, edges.release().ptr());
  put(made, node_layout.saved, saved.release().ptr());
  put(made, node_layout.version, PyLong_FromUnsignedLongLong(version));
  put(made, node_layout.ctx, ctx.release().ptr());
  put(made, node_layout.number, py_next_number(nullptr, nullptr));
  put(made, node_layout.hooks, borrowed(Py_None));
  return py::reinterpret_steal<py::object>(made);
}

py::object finished(py::object array_object, const py::object& node, const char* name, PyObject* const* args,
                    size_t count) {
  py::object out = the_layout.make(std::move(array_object), node);
  if (!tracer) return out;
  py::tuple inputs(count);
  for (size_t i = 0; i < count; ++i) inputs[i] = py::reinterpret_borrow<py::object>(args[i]);
  py::reinterpret_borrow<py::object>(tracer)(out, name, inputs);
  return out;
}

void mark_view(PyObject* out, PyObject* source, PyObject* function, const py::object& args) {
  PyObject* before = slot(source, the_layout.view);
  py::list view(3);
  py::object replay = py::none();
  if (before && before != Py_None) {
    view[0] = py::reinterpret_borrow<py::object>(PyList_GET_ITEM(before, 0));
    const py::handle steps = PyList_GET_ITEM(before, 1);
    if (function && !steps.is_none())
      replay = steps + py::make_tuple(py::make_tuple(py::handle(function), args));
  } else {
    view[0] = py::reinterpret_borrow<py::object>(source);
    if (function) replay = py::make_tuple(py::make_tuple(py::handle(function), args));
  }
  view[1] = replay;
  view[2] = the_layout.array_of(out)->version();
  PyObject*& place = slot(out, the_layout.view);
  Py_XDECREF(place);
  place = view.release().ptr();
}

void bind_tensor(py::module_& m) {
  array_type = reinterpret_cast<PyTypeObject*>(py::type::of<Array>().release().ptr());
  py::class_<ModesObject>(m, "Modes", "This thread's autograd modes.")
      .def_property(
          "grad", [](const ModesObject&) { return py::reinterpret_borrow<py::object>(Modes::now().grad); },
          [](ModesObject&, bool on) { Modes::now().grad = on ? Py_True : Py_False; },
          "Whether operations are remembered for backward.")
      .def_property(
          "autocast",
          [](const ModesObject&) { return py::reinterpret_borrow<py::object>(Modes::now().autocast); },
          [](ModesObject&, const py::object& type) {
            MO_CHECK_TYPE(type.is(py::bool_(false)) || py::isinstance<DTypeObject>(type), "autocast",
                          "wants a dtype or False");
            Modes::now().autocast = type.ptr();
          },
          "Autocast's type where operations look at its rules, else False.");
  m.attr("modes") = ModesObject{};
  m.def(
      "set_tensor_layout",
      [](const py::object& type) {
        the_layout.array = offset_in(type, "_array");
        the_layout.grad = offset_in(type, "_grad");
        the_layout.grad_fn = offset_in(type, "_grad_fn");
        the_layout.hooks = offset_in(type, "_hooks");
        the_layout.requires_grad = offset_in(type, "_requires_grad");
        the_layout.view = offset_in(type, "_view");
        the_layout.type = reinterpret_cast<PyTypeObject*>(py::object(type).release().ptr());
        the_layout.type->tp_vectorcall = construct_tensor;
      },
      py::arg("type"));
  m.def(
      "set_node_layout",
      [](const py::object& type, const py::object& refresh) {
        node_layout = {reinterpret_cast<PyTypeObject*>(py::object(type).release().ptr()),
                       offset_in(type, "op"),
                       offset_in(type, "edges"),
                       offset_in(type, "saved"),
                       offset_in(type, "version"),
                       offset_in(type, "ctx"),
                       offset_in(type, "number"),
                       offset_in(type, "hooks")};
        node_layout.type->tp_vectorcall = construct_node;
        refresh_view = py::object(refresh).release().ptr();
      },
      py::arg("type"), py::arg("refresh_view"));
  m.def(
      "set_tracer",
      [](const py::object& function) {
        Py_CLEAR(tracer);
        if (!function.is_none()) tracer = py::object(function).release().ptr();
      },
      py::arg("function").none(true), "Called as function(result, operation, inputs) for native calls.");
  m.def(
      "is_sole_owner",
      [](const Array& a) {
        return a.is_contiguous() && !a.storage()->exported.load(std::memory_order_relaxed) &&
               a.storage()->sole();
      },
      "Contiguous, and the only array on its storage: nobody else holds the memory.");
  if (PyModule_AddFunctions(m.ptr(), tensor_functions) < 0) throw py::error_already_set();
}

}  // namespace markone::bind
