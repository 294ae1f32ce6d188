// A Python function with a native way in front: one call from Python, no frame, for the calls that are plain.
#pragma once
#include "bind/tensor.h"

namespace markone::bind {

struct Operation;

// Does the whole call, or returns an empty object where the call is not plain and the Python function has to
// see it.
using NativeForm = py::object (*)(const Operation& self, PyObject* const* args, size_t count);

struct Operation {
  PyObject_HEAD;
  vectorcallfunc vectorcall;
  PyObject* attributes;  // __dict__
  PyObject* plain;       // the Python function: any call
  PyObject* careful;     // what is called instead of it under autocast or with NumPy's names, or null
  NativeForm form;       // null: none
  int entry;             // of the form's list
  PyObject* node_op;     // the graph's Op for its nodes
  const char* name;
  bool casts, renames;
  // Whether a gradient of the first (second) input needs the first input, the second, the result.
  bool uses[2][3];
};

// A new one whose form and the rest are for the caller to set.
py::object make_operation(const py::object& plain, Operation** made);

void bind_operation(py::module_& m);
// One function a file of forms, called by bind_operation.
void bind_view_operations(py::module_& m);

}  // namespace markone::bind
