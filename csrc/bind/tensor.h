// Python's Tensor and graph Node as the native side reads and makes them: by the places of their slots, with
// no Python code run.
#pragma once
#include "bind/common.h"

namespace markone::bind {

// This thread's autograd modes: whether operations are remembered, and autocast's type or False. Both are
// objects that live as long as the process.
struct Modes {
  PyObject *grad, *autocast;
  static Modes& now();
};

inline PyObject*& slot(PyObject* object, Py_ssize_t offset) {
  return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(object) + offset);
}

// The Array in a Python object of its type; null for any other object.
const Array* array_in(PyObject* object);

struct TensorLayout {
  PyTypeObject* type = nullptr;
  Py_ssize_t array = 0, grad = 0, grad_fn = 0, hooks = 0, requires_grad = 0, view = 0;

  bool is_tensor(PyObject* object) const {
    return Py_TYPE(object) == type || PyType_IsSubtype(Py_TYPE(object), type);
  }
  // Null where it has none yet.
  const Array* array_of(PyObject* tensor) const {
    PyObject* object = slot(tensor, array);
    return object ? array_in(object) : nullptr;
  }
  bool requires_grad_of(PyObject* tensor) const { return slot(tensor, requires_grad) == Py_True; }
  PyObject* grad_of(PyObject* tensor) const {
    PyObject* found = slot(tensor, grad);
    return found ? found : Py_None;
  }
  // Puts a gradient, or None, where .grad reads it.
  void set_grad(PyObject* tensor, PyObject* value) const {
    PyObject*& place = slot(tensor, grad);
    PyObject* before = place;
    Py_INCREF(value);
    place = value;
    Py_XDECREF(before);
  }
  // As a new one: outside every graph, without gradient.
  void reset(PyObject* tensor) const;
  // A new Tensor outside every graph, or with a place in one.
  py::object make(const Array& value) const;
  py::object make(py::object array_object, const py::object& node) const;
};
const TensorLayout& tensor_layout();

// A view whose base was written since takes its new place in the graph. False with a Python error.
bool fresh_view(PyObject* tensor);
// Where a tensor's gradient goes: its node, the tensor itself, or None, after fresh_view. A new reference;
// null with a Python error.
PyObject* edge_of(PyObject* tensor);

// A node of the Python graph; its number and the versions of what it saved are taken here.
py::object make_node(const py::object& op, py::object edges, py::object saved, py::object ctx);

// The result of an operation for which a graph has `node` (may be null). While NaNs are traced the tracer
// sees it, with the operation's name and inputs.
py::object finished(py::object array_object, const py::object& node, const char* name, PyObject* const* args,
                    size_t count);

// Marks `out` as a view of `source`. With `function` and `args` it can follow its base: function(source,
// *args) cuts it anew. A null function: it was made without grad mode.
void mark_view(PyObject* out, PyObject* source, PyObject* function, const py::object& args);

void bind_tensor(py::module_& m);

}  // namespace markone::bind
