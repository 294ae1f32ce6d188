// The native module: markone._C.
#include <mutex>

#include "bind/common.h"
#include "core/error.h"
#include "core/stream.h"

namespace markone::bind {
namespace {

PyObject* exception_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kValue:
      return PyExc_ValueError;
    case ErrorKind::kType:
      return PyExc_TypeError;
    case ErrorKind::kIndex:
      return PyExc_IndexError;
    case ErrorKind::kMemory:
      return PyExc_MemoryError;
    case ErrorKind::kNotImplemented:
      return PyExc_NotImplementedError;
    case ErrorKind::kBuffer:
      return PyExc_BufferError;
    case ErrorKind::kRuntime:
      break;
  }
  return PyExc_RuntimeError;
}

void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const Error& error) {
    PyErr_SetString(exception_of(error.kind()), error.what());
  }
}

// Long kernels run without the GIL. A thread that does not hold it (inside a replay) has nothing to give.
void* release_gil() { return PyGILState_Check() ? PyEval_SaveThread() : nullptr; }
void take_gil(void* state) { PyEval_RestoreThread(static_cast<PyThreadState*>(state)); }

}  // namespace
}  // namespace markone::bind

PYBIND11_MODULE(_C, m) {
  using namespace markone::bind;
  m.doc() = "The native core of markone: arrays, kernels, threads. Use it through the package.";
  py::register_exception_translator(translate);
  markone::set_long_call_hooks({release_gil, take_gil});
  bind_array(m);
  bind_interop(m);
  bind_graph(m);
  bind_system(m);
  bind_elementwise(m);
  bind_index(m);
  bind_recurrent(m);
  bind_reduce(m);
  bind_softmax(m);
  bind_norm(m);
  bind_sort(m);
  bind_scan(m);
  bind_pool(m);
  bind_vision(m);
  bind_random(m);
  bind_optim(m);
  bind_gemm(m);
  bind_conv(m);
}
