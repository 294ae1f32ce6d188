#include "bind/operation.h"

#include <structmember.h>

namespace markone::bind {
namespace {

PyTypeObject* operation_type = nullptr;
PyObject* special_names[3] = {};  // interned, as keyword names in calls are

bool has_special_name(PyObject* names) {
  if (!names) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i) {
    PyObject* name = PyTuple_GET_ITEM(names, i);
    for (PyObject* special : special_names) {
      if (name == special) return true;
      if (!PyUnicode_CHECK_INTERNED(name) && PyUnicode_Compare(name, special) == 0) return true;
    }
  }
  return false;
}

PyObject* call_native(const Operation& self, PyObject* const* args, size_t count) {
  try {
    return self.form(self, args, count).release().ptr();
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const Error& error) {
    raise_python(error);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

PyObject* operation_call(PyObject* object, PyObject* const* args, size_t nargs, PyObject* names) {
  const auto& self = *reinterpret_cast<const Operation*>(object);
  if (self.careful &&
      ((self.casts && Modes::now().autocast != Py_False) || (self.renames && has_special_name(names)))) {
    return PyObject_Vectorcall(self.careful, args, nargs, names);
  }
  if (self.form && !names) {
    PyObject* out = call_native(self, args, static_cast<size_t>(PyVectorcall_NARGS(nargs)));
    if (out || PyErr_Occurred()) return out;
  }
  return PyObject_Vectorcall(self.plain, args, nargs, names);
}

PyObject* operation_bind(PyObject* object, PyObject* instance, PyObject*) {
  if (!instance || instance == Py_None) {
    Py_INCREF(object);
    return object;
  }
  return PyMethod_New(object, instance);
}

PyObject* operation_repr(PyObject* object) {
  return PyUnicode_FromFormat("<operation %R>", reinterpret_cast<Operation*>(object)->plain);
}

// By name, as functions are: copy and deepcopy give the same object.
PyObject* operation_reduce(PyObject* object, PyObject*) {
  return PyObject_GetAttrString(reinterpret_cast<Operation*>(object)->plain, "__qualname__");
}

// They live in the package's modules, as long as the process.
void operation_free(PyObject* object) {
  auto* self = reinterpret_cast<Operation*>(object);
  PyTypeObject* type = Py_TYPE(object);
  Py_CLEAR(self->attributes);
  Py_CLEAR(self->plain);
  Py_CLEAR(self->careful);
  Py_CLEAR(self->node_op);
  type->tp_free(object);
  Py_DECREF(type);
}

PyMemberDef operation_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Operation, vectorcall), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(Operation, attributes), READONLY, nullptr},
    {"__wrapped__", T_OBJECT, offsetof(Operation, plain), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};
PyGetSetDef operation_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};
PyMethodDef operation_methods[] = {
    {"__reduce__", operation_reduce, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyType_Slot operation_slots[] = {
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_descr_get, reinterpret_cast<void*>(operation_bind)},
    {Py_tp_repr, reinterpret_cast<void*>(operation_repr)},
    {Py_tp_dealloc, reinterpret_cast<void*>(operation_free)},
    {Py_tp_members, operation_members},
    {Py_tp_getset, operation_getset},
    {Py_tp_methods, operation_methods},
    {0, nullptr},
};
PyType_Spec operation_spec = {"markone._C.Operation", sizeof(Operation), 0,
                              Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
                              operation_slots};

}  // namespace

py::object make_operation(const py::object& plain, Operation** made) {
  PyObject* object = operation_type->tp_alloc(operation_type, 0);
  if (!object) throw py::error_already_set();
  *made = reinterpret_cast<Operation*>(object);
  (*made)->vectorcall = operation_call;
  (*made)->plain = py::object(plain).release().ptr();
  (*made)->name = "";
  const auto out = py::reinterpret_steal<py::object>(object);
  for (const char* name : {"__module__", "__name__", "__qualname__", "__doc__", "__annotations__"}) {
    if (py::hasattr(plain, name)) py::setattr(out, name, plain.attr(name));
  }
  return out;
}

void bind_operation(py::module_& m) {
  operation_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&operation_spec));
  if (!operation_type) throw py::error_already_set();
  special_names[0] = PyUnicode_InternFromString("axis");
  special_names[1] = PyUnicode_InternFromString("keepdims");
  special_names[2] = PyUnicode_InternFromString("out");
  m.attr("Operation") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(operation_type));
  m.def(
      "guarded",
      [](const py::object& function, const py::object& careful, bool casts, bool renames) {
        Operation* made;
        const bool native = Py_TYPE(function.ptr()) == operation_type;
        const auto* from = reinterpret_cast<Operation*>(function.ptr());
        const py::object out =
            make_operation(native ? py::reinterpret_borrow<py::object>(from->plain) : function, &made);
        if (native) {
          made->form = from->form;
          made->entry = from->entry;
          made->node_op = from->node_op;
          Py_XINCREF(made->node_op);
          made->name = from->name;
          std::copy_n(&from->uses[0][0], 6, &made->uses[0][0]);
        }
        made->careful = py::object(careful).release().ptr();
        made->casts = casts;
        made->renames = renames;
        return out;
      },
      py::arg("function"), py::arg("careful"), py::arg("casts"), py::arg("renames"),
      "The function, and `careful` in its place while autocast is on (casts) or for a call with `out` or "
      "NumPy's names of arguments (renames).");
  bind_view_operations(m);
}

}  // namespace markone::bind
