#include "bind/signature.h"

#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstring>

namespace markone::bind {
namespace {

bool overlap(const Array& a, const Array& b) {
  if (a.storage().get() != b.storage().get()) return false;
  int64_t a0, a1, b0, b1;
  a.byte_range(&a0, &a1);
  b.byte_range(&b0, &b1);
  return a0 < b1 && b0 < a1;
}

int64_t bytes_before(const Array& a) { return a.offset() * size_of(a.dtype()); }

bool is_value(PyObject* object) {
  return object == Py_None || PyBool_Check(object) || PyLong_CheckExact(object) ||
         PyUnicode_CheckExact(object) || PyBytes_CheckExact(object);
}

// NumPy is not imported here: its types are known by name.
bool is_numpy(PyObject* object, const char* kind) {
  for (PyTypeObject* type = Py_TYPE(object); type; type = type->tp_base) {
    if (std::strcmp(type->tp_name, kind) == 0) return true;
  }
  return false;
}

}  // namespace

Signature::Signature(const py::tuple& args, const py::dict& kwargs) {
  positional_ = args.size();
  for (const py::handle arg : args) add(arg.ptr());
  for (const auto& [name, value] : kwargs) {
    names_.push_back(py::reinterpret_borrow<py::object>(name));
    add(value.ptr());
  }
  const auto array = [&](size_t i) -> const Array& { return *tensor_layout().array_of(tensors_[i].ptr()); };
  for (size_t i = 0; i < specs_.size(); ++i) {
    specs_[i].leader = static_cast<int>(i);
    for (size_t j = 0; j < i; ++j) {
      if (specs_[j].leader == specs_[i].leader || !overlap(array(i), array(j))) continue;
      const int kept = std::min(specs_[i].leader, specs_[j].leader);
      const int other = std::max(specs_[i].leader, specs_[j].leader);
      for (size_t k = 0; k <= i; ++k) {
        if (specs_[k].leader == other) specs_[k].leader = kept;
      }
    }
  }
  for (size_t i = 0; i < specs_.size(); ++i) {
    specs_[i].from_leader =
        bytes_before(array(i)) - bytes_before(array(static_cast<size_t>(specs_[i].leader)));
  }
}

void Signature::add(PyObject* object) {
  // Nested too deeply, or a list that contains itself.
  if (Py_EnterRecursiveCall(" in the arguments of a compiled step")) throw py::error_already_set();
  try {
    add_node(object);
  } catch (...) {
    Py_LeaveRecursiveCall();
    throw;
  }
  Py_LeaveRecursiveCall();
}

void Signature::add_node(PyObject* object) {
  Node node{Kind::kObject, Py_TYPE(object), py::reinterpret_borrow<py::object>(object), 0, 0};
  if (tensor_layout().is_tensor(object)) {
    const Array* array = tensor_layout().array_of(object);
    MO_CHECK_TYPE(array, "compile", "an argument is a tensor without values");
    node.kind = Kind::kTensor;
    node.value = py::object();
    tensors_.push_back(py::reinterpret_borrow<py::object>(object));
    specs_.push_back({Py_TYPE(object), array->dtype(), array->shape(), array->strides(),
                      tensor_layout().requires_grad_of(object), 0, 0, bytes_before(*array), py::object()});
    nodes_.push_back(node);
    return;
  }
  if (PyTuple_Check(object) || PyList_CheckExact(object)) {
    node.kind = PyTuple_Check(object) ? Kind::kTuple : Kind::kList;
    node.count = PySequence_Fast_GET_SIZE(object);
    node.value = py::object();
    nodes_.push_back(node);
    for (Py_ssize_t i = 0; i < node.count; ++i) add(PySequence_Fast_GET_ITEM(object, i));
    return;
  }
  if (PyDict_Check(object)) {
    node.kind = Kind::kDict;
    node.count = PyDict_GET_SIZE(object);
    node.value = py::object();
    nodes_.push_back(node);
    PyObject *key, *value;
    for (Py_ssize_t at = 0; PyDict_Next(object, &at, &key, &value);) {
      nodes_.push_back({is_value(key) ? Kind::kValue : Kind::kObject, Py_TYPE(key),
                        py::reinterpret_borrow<py::object>(key), 0, 0});
      add(value);
    }
    return;
  }
  MO_CHECK_TYPE(!is_numpy(object, "numpy.ndarray"), "compile",
                "an argument is a NumPy array, whose values would be taken for constants; pass "
                "markone.from_numpy(array)");
  if (PyFloat_CheckExact(object)) {
    node.kind = Kind::kFloat;
    node.number = PyFloat_AS_DOUBLE(object);
  } else if (is_value(object) || is_numpy(object, "numpy.generic")) {
    node.kind = Kind::kValue;
  }
  nodes_.push_back(node);
}

bool Signature::match_tensor(PyObject* object, Bound* bound) const {
  const TensorSpec& spec = specs_[bound->tensors.size()];
  if (Py_TYPE(object) != spec.type) return false;
  const Array* array = tensor_layout().array_of(object);
  if (!array || array->dtype() != spec.dtype || !(array->shape() == spec.shape) ||
      !(array->strides() == spec.strides) || tensor_layout().requires_grad_of(object) != spec.requires_grad) {
    return false;
  }
  if (spec.pinned && spec.pinned.ptr() != object) return false;
  bound->tensors.push_back(object);
  bound->arrays.push_back(array);
  return true;
}

bool Signature::match(PyObject* object, size_t* at, Bound* bound) const {
  const Node& node = nodes_[(*at)++];
  switch (node.kind) {
    case Kind::kTensor:
      return match_tensor(object, bound);
    case Kind::kObject:
      return node.value.ptr() == object;
    case Kind::kFloat: {
      if (!PyFloat_CheckExact(object)) return false;
      const double value = PyFloat_AS_DOUBLE(object);
      return std::memcmp(&value, &node.number, sizeof(value)) == 0;
    }
    case Kind::kValue: {
      if (node.value.ptr() == object) return true;
      if (Py_TYPE(object) != node.type) return false;
      const int equal = PyObject_RichCompareBool(object, node.value.ptr(), Py_EQ);
      if (equal < 0) throw py::error_already_set();
      return equal == 1;
    }
    case Kind::kTuple:
    case Kind::kList:
      if (Py_TYPE(object) != node.type || PySequence_Fast_GET_SIZE(object) != node.count) return false;
      for (Py_ssize_t i = 0; i < node.count; ++i) {
        if (!match(PySequence_Fast_GET_ITEM(object, i), at, bound)) return false;
      }
      return true;
    case Kind::kDict: {
      if (Py_TYPE(object) != node.type || PyDict_GET_SIZE(object) != node.count) return false;
      PyObject *key, *value;
      for (Py_ssize_t place = 0; PyDict_Next(object, &place, &key, &value);) {
        if (!match(key, at, bound) || !match(value, at, bound)) return false;
      }
      return true;
    }
  }
  return false;
}

bool Signature::match_aliases(const Bound& bound) const {
  for (size_t i = 1; i < specs_.size(); ++i) {
    const Array& array = *bound.arrays[i];
    const auto first = static_cast<size_t>(specs_[i].leader);
    if (first != i) {
      const Array& leader = *bound.arrays[first];
      if (array.storage().get() != leader.storage().get() ||
          bytes_before(array) - bytes_before(leader) != specs_[i].from_leader) {
        return false;
      }
    }
    for (size_t j = 0; j < i; ++j) {
      if (specs_[j].leader != specs_[i].leader && overlap(array, *bound.arrays[j])) return false;
    }
  }
  return true;
}

bool Signature::matches(PyObject* const* args, size_t count, PyObject* names, Bound* bound) const {
  const size_t named = names ? static_cast<size_t>(PyTuple_GET_SIZE(names)) : 0;
  if (count != positional_ || named != names_.size()) return false;
  bound->clear();
  for (size_t k = 0; k < named; ++k) {
    PyObject* name = PyTuple_GET_ITEM(names, static_cast<Py_ssize_t>(k));
    if (name != names_[k].ptr() && PyUnicode_Compare(name, names_[k].ptr()) != 0) return false;
  }
  size_t at = 0;
  for (size_t i = 0; i < count + named; ++i) {
    if (!match(args[i], &at, bound)) return false;
  }
  return match_aliases(*bound);
}

bool Signature::matches(const py::tuple& args, const py::dict& kwargs) const {
  std::vector<PyObject*> values;
  py::list names;
  for (const py::handle arg : args) values.push_back(arg.ptr());
  for (const auto& [name, value] : kwargs) {
    names.append(name);
    values.push_back(value.ptr());
  }
  const py::tuple all(names);
  Bound bound;
  return matches(values.data(), args.size(), all.ptr(), &bound);
}

}  // namespace markone::bind
