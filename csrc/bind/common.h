// Conversions that every binding file uses. Bindings unpack arguments and call ops; they decide nothing.
#pragma once
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <chrono>
#include <string>
#include <thread>

#include "core/array.h"
#include "core/device.h"
#include "ops/elementwise.h"

namespace py = pybind11;

namespace markone::bind {

// What Python sees as markone.dtype; one object a type.
struct DTypeObject {
  DType value;
};

// Around taking the GIL. While the interpreter ends, CPython before 3.14 ends a thread that asks for it, by
// unwinding its stack, and in a destructor that would abort the process: the thread stays here instead.
class StaysAtExit {
 public:
  void passed() { passed_ = true; }
  ~StaysAtExit() {
    while (!passed_) std::this_thread::sleep_for(std::chrono::hours(1));
  }

 private:
  bool passed_ = false;
};

// None, as an empty array.
inline Array or_empty(const Array* array) { return array ? *array : Array(); }

// One function a file, called by module.cpp.
void bind_array(py::module_& m);
void bind_interop(py::module_& m);
void bind_tensor(py::module_& m);
void bind_operation(py::module_& m);
void bind_system(py::module_& m);
void bind_elementwise(py::module_& m);
void bind_index(py::module_& m);
void bind_recurrent(py::module_& m);
void bind_profile(py::module_& m);
void bind_reduce(py::module_& m);
void bind_loss(py::module_& m);
void bind_softmax(py::module_& m);
void bind_machine(py::module_& m);
void bind_norm(py::module_& m);
void bind_sort(py::module_& m);
void bind_scan(py::module_& m);
void bind_pool(py::module_& m);
void bind_vision(py::module_& m);
void bind_random(py::module_& m);
void bind_optim(py::module_& m);
void bind_gemm(py::module_& m);
void bind_conv(py::module_& m);
void bind_compile(py::module_& m);
void bind_cuda(py::module_& m);

void raise_python(const Error& error);  // sets the Python exception of its kind

}  // namespace markone::bind

namespace pybind11::detail {

template <>
struct type_caster<markone::DType> {
  PYBIND11_TYPE_CASTER(markone::DType, const_name("dtype"));
  bool load(handle src, bool) {
    make_caster<markone::bind::DTypeObject> object;
    if (!object.load(src, false)) return false;
    value = cast_op<markone::bind::DTypeObject&>(object).value;
    return true;
  }
  static handle cast(markone::DType src, return_value_policy, handle);
};

template <>
struct type_caster<markone::Dims> {
  PYBIND11_TYPE_CASTER(markone::Dims, const_name("collections.abc.Sequence[int]"));
  // A tuple or list of integers (anything with __index__), or one integer.
  bool load(handle src, bool) {
    value = markone::Dims();
    if (PyIndex_Check(src.ptr())) return add(src.ptr());
    if (!PyTuple_Check(src.ptr()) && !PyList_Check(src.ptr())) return false;
    // An item's __index__ may change the list, so its length is read anew and the item is held.
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(src.ptr()); ++i) {
      const object item = reinterpret_borrow<object>(PySequence_Fast_GET_ITEM(src.ptr(), i));
      if (!add(item.ptr())) return false;
    }
    return true;
  }
  static handle cast(const markone::Dims& src, return_value_policy, handle) {
    PyObject* out = PyTuple_New(src.size());
    for (int i = 0; i < src.size(); ++i) PyTuple_SET_ITEM(out, i, PyLong_FromLongLong(src[i]));
    return out;
  }

 private:
  bool add(PyObject* item) {
    if (!PyIndex_Check(item)) return false;
    const object number = reinterpret_steal<object>(PyNumber_Index(item));
    const long long size = number ? PyLong_AsLongLong(number.ptr()) : -1;
    if (PyErr_Occurred()) throw error_already_set();
    value.push_back(size);
    return true;
  }
};

template <>
struct type_caster<markone::Operand> {
  PYBIND11_TYPE_CASTER(markone::Operand, const_name("Array | float"));
  // An Array, or a Python number. NumPy's scalars are numbers by their protocol.
  bool load(handle src, bool) {
    PyObject* o = src.ptr();
    if (PyFloat_Check(o)) {
      value = markone::Operand::number(PyFloat_AS_DOUBLE(o));
    } else if (PyBool_Check(o)) {
      value = markone::Operand::boolean(o == Py_True);
    } else if (PyLong_Check(o)) {
      const long long number = PyLong_AsLongLong(o);
      if (number == -1 && PyErr_Occurred()) throw error_already_set();
      value = markone::Operand::integer(number);
    } else {
      make_caster<markone::Array> array;
      if (!array.load(src, false)) return false;
      value = markone::Operand(cast_op<markone::Array&>(array));
    }
    return true;
  }
};

}  // namespace pybind11::detail
