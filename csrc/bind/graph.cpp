// What the Python graph asks of many arrays at once, in one call each.
#include "bind/common.h"

namespace markone::bind {
namespace {

const Array* as_array(PyObject* object) {
  py::detail::make_caster<Array> caster;
  return caster.load(object, false) ? &py::detail::cast_op<Array&>(caster) : nullptr;
}

// Versions only grow while an array is held, so their sum changes exactly when one of them does.
uint64_t version_sum(const py::tuple& saved) {
  uint64_t sum = 0;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(saved.ptr()); ++i) {
    if (const Array* array = as_array(PyTuple_GET_ITEM(saved.ptr(), i))) sum += array->version();
  }
  return sum;
}

bool same_spec(const Array& a, const py::object& b) {
  const Array* other = as_array(b.ptr());
  return !other || (a.dtype() == other->dtype() && a.shape() == other->shape());
}

// Nobody else holds the memory, as far as arrays go: a gradient that is handed over need not be copied.
bool is_sole_owner(const Array& a) {
  return a.is_contiguous() && !a.storage()->exported.load(std::memory_order_relaxed) && a.storage()->sole();
}

}  // namespace

void bind_graph(py::module_& m) {
  m.def("version_sum", &version_sum, py::arg("saved"), "The sum of the versions of the arrays in a tuple.");
  m.def("same_spec", &same_spec, "Shape and dtype are equal, or the second is a number.");
  m.def("is_sole_owner", &is_sole_owner, "Contiguous, and the only array on its storage.");
}

}  // namespace markone::bind
