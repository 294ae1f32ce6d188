// The arguments of a compiled step: what a recording was made for, and whether a call is like it.
#pragma once
#include <cstdint>
#include <vector>

#include "bind/tensor.h"

namespace markone::bind {

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
