// The arguments of a compiled step: what a recording was made for, and whether a call is like it.
#pragma once
#include <cstdint>
#include <vector>

#include "bind/common.h"

namespace markone::bind {

// Where the attributes of a Python Tensor are in the object, so that reading one is a load.
struct TensorLayout {
  PyTypeObject* type = nullptr;
  PyTypeObject* array_type = nullptr;
  Py_ssize_t array = 0, grad = 0, grad_fn = 0, hooks = 0, requires_grad = 0, view = 0;

  static PyObject*& slot(PyObject* tensor, Py_ssize_t offset) {
    return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(tensor) + offset);
  }
  bool is_tensor(PyObject* object) const {
    return Py_TYPE(object) == type || PyType_IsSubtype(Py_TYPE(object), type);
  }
  // Null where it has none yet.
  const Array* array_of(PyObject* tensor) const {
    PyObject* object = slot(tensor, array);
    if (!object || Py_TYPE(object) != array_type) return nullptr;
    auto* instance = reinterpret_cast<py::detail::instance*>(object);
    return static_cast<const Array*>(instance->simple_layout ? instance->simple_value_holder[0]
                                                             : instance->get_value_and_holder().value_ptr());
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
  // A new Tensor outside every graph.
  py::object make(const Array& value) const;
};
const TensorLayout& tensor_layout();
void set_tensor_layout(const py::object& tensor_type);

// The tensors of one call in the order of the signature, borrowed.
struct Bound {
  std::vector<PyObject*> tensors;
  std::vector<const Array*> arrays;
  void clear() {
    tensors.clear();
    arrays.clear();
  }
};

class Signature {
 public:
  // Raises TypeError for what can be no argument: a NumPy array.
  Signature(const py::tuple& args, const py::dict& kwargs);

  // A call's positional arguments, then the values of its keywords.
  bool matches(PyObject* const* args, size_t count, PyObject* names, Bound* bound) const;
  bool matches(const py::tuple& args, const py::dict& kwargs) const;

  const std::vector<py::object>& tensors() const { return tensors_; }  // until forget()
  void forget() { tensors_.clear(); }
  // The first tensor that shares its memory, which may be itself, and the bytes between them.
  int leader(int tensor) const { return specs_[static_cast<size_t>(tensor)].leader; }
  int64_t offset_bytes(int tensor) const { return specs_[static_cast<size_t>(tensor)].offset_bytes; }
  // This tensor has to be the very same object in each call.
  void pin(int tensor) { specs_[static_cast<size_t>(tensor)].pinned = tensors_[static_cast<size_t>(tensor)]; }

 private:
  enum class Kind : uint8_t { kTuple, kList, kDict, kTensor, kValue, kFloat, kObject };
  struct Node {
    Kind kind;
    PyTypeObject* type;
    py::object value;
    Py_ssize_t count;
    double number;
  };
  struct TensorSpec {
    PyTypeObject* type;
    DType dtype;
    Dims shape, strides;
    bool requires_grad;
    int leader;
    int64_t from_leader;   // bytes
    int64_t offset_bytes;  // of its first element in its storage, when it was recorded
    py::object pinned;
  };

  void add(PyObject* object);
  void add_node(PyObject* object);
  bool match(PyObject* object, size_t* node, Bound* bound) const;
  bool match_tensor(PyObject* object, Bound* bound) const;
  bool match_aliases(const Bound& bound) const;

  std::vector<Node> nodes_;
  std::vector<TensorSpec> specs_;
  std::vector<py::object> tensors_;
  size_t positional_ = 0;
  std::vector<py::object> names_;
};

}  // namespace markone::bind
