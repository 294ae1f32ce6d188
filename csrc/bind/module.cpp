// The native module: markone._C.
#include <mutex>

#include "bind/common.h"
#include "core/error.h"
#include "core/stream.h"

namespace markone::bind {
namespace {

// Each is what Python would say (ValueError, ...) and, as PyTorch has it, a RuntimeError. They live as long
// as the process.
PyObject* argument_error = nullptr;
PyObject* dtype_error = nullptr;
PyObject* out_of_range_error = nullptr;
PyObject* out_of_memory_error = nullptr;

PyObject* make_error(py::module_& m, const char* name, PyObject* python, const char* doc) {
  const py::tuple bases = py::make_tuple(py::handle(python), py::handle(PyExc_RuntimeError));
  const std::string full = std::string("markone.") + name;
  PyObject* error = PyErr_NewExceptionWithDoc(full.c_str(), doc, bases.ptr(), nullptr);
  if (error == nullptr) throw py::error_already_set();
  m.attr(name) = py::handle(error);
  return error;
}

void bind_errors(py::module_& m) {
  argument_error = make_error(m, "ArgumentError", PyExc_ValueError,
                              "A shape or value that an operation cannot take: ValueError and RuntimeError.");
  dtype_error = make_error(m, "DTypeError", PyExc_TypeError,
                           "A type that an operation cannot take: TypeError and RuntimeError.");
  out_of_range_error = make_error(m, "OutOfRangeError", PyExc_IndexError,
                                  "A place outside a dimension: IndexError and RuntimeError.");
  out_of_memory_error = make_error(m, "OutOfMemoryError", PyExc_MemoryError,
                                   "No memory for an array: MemoryError and RuntimeError.");
}

PyObject* exception_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kValue:
      return argument_error;
    case ErrorKind::kType:
      return dtype_error;
    case ErrorKind::kIndex:
      return out_of_range_error;
    case ErrorKind::kMemory:
      return out_of_memory_error;
    case ErrorKind::kNotImplemented:
      return PyExc_NotImplementedError;
    case ErrorKind::kBuffer:
      return PyExc_BufferError;
    case ErrorKind::kRuntime:
      break;
  }
  return PyExc_RuntimeError;
}

}  // namespace

void raise_python(const Error& error) { PyErr_SetString(exception_of(error.kind()), error.what()); }

namespace {

void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const Error& error) {
    raise_python(error);
  }
}

// Long kernels run without the GIL. A thread that does not hold it (inside a replay) has nothing to give.
void* release_gil() { return PyGILState_Check() ? PyEval_SaveThread() : nullptr; }
void take_gil(void* state) {
  StaysAtExit guard;
  PyEval_RestoreThread(static_cast<PyThreadState*>(state));
  guard.passed();
}

}  // namespace
}  // namespace markone::bind

PYBIND11_MODULE(_C, m) {
  using namespace markone::bind;
  m.doc() = "The native core of markone: arrays, kernels, threads. Use it through the package.";
  bind_errors(m);
  py::register_exception_translator(translate);
  markone::set_long_call_hooks({release_gil, take_gil});
  bind_array(m);
  bind_interop(m);
  bind_tensor(m);
  bind_operation(m);
  bind_system(m);
  bind_elementwise(m);
  bind_index(m);
  bind_recurrent(m);
  bind_profile(m);
  bind_reduce(m);
  bind_loss(m);
  bind_softmax(m);
  bind_machine(m);
  bind_norm(m);
  bind_sort(m);
  bind_scan(m);
  bind_pool(m);
  bind_vision(m);
  bind_random(m);
  bind_optim(m);
  bind_gemm(m);
  bind_conv(m);
  bind_compile(m);
  bind_cuda(m);
}
