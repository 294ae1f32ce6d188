// One recording as Python sees it: its key, its guards, what it binds and what it returns.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "bind/signature.h"
#include "ops/recording.h"

namespace markone::bind {

uint64_t mode_changes();
void bump_mode_changes();

// A tensor's place in what a step returns.
struct Out {
  enum Kind { kFresh, kInput, kView } kind;
  int index;    // of the fresh array, or of the argument
  Array array;  // kView: the window as it was on the recorded argument
};

class Entry {
 public:
  Entry(const py::tuple& args, const py::dict& kwargs, std::shared_ptr<Program> program);

  Signature& signature() { return signature_; }
  Recording& recording() { return recording_; }
  bool same_key(const py::tuple& args, const py::dict& kwargs) const;

  // An argument's storage while it was recorded.
  void set_input(int tensor, const Array& stand_in);
  // A module that the step called and the mode that it was in.
  void add_mode(const py::object& module, bool training) { modes_.emplace_back(module, training); }

  // What a leaf's .grad is before and after. `entry`: None, a Tensor, or Ellipsis where it does not matter;
  // `exit`: a Tensor or None that is put there, an int for a fresh array, or Ellipsis to leave it.
  void add_leaf(const py::object& leaf, const py::object& entry, const py::object& exit);
  int add_fresh(const Array& recorded);
  // What Python does before so many recorded calls. `end` >= 0: where it gives False, calls go on from there.
  void add_action(int64_t recorded_calls, const py::object& action, int64_t end);
  void finish(const py::object& result, const Recording::Options& options);

  bool matches(uint64_t generation, const Modes& modes, PyObject* const* args, size_t count, PyObject* names,
               Bound* bound);
  py::object replay(const Bound& bound);
  int traverse(visitproc visit, void* arg) const;

 private:
  struct Leaf {
    py::object tensor;  // or an int: an argument
    int input;
    py::object entry, exit;
    int fresh;
    Storage* entry_storage;
    bool requires_grad;
  };
  struct Input {
    int tensor;
    int binding;
    bool written;
  };
  struct Fresh {
    int binding;
    uint64_t serial;
    int64_t bytes;
    bool made;  // false: another window on the storage of an earlier one
    int storage;
    DType dtype;
    Dims shape, strides;
    int64_t offset;
    // The last two tensors returned here: one that nobody else holds any more is returned again.
    py::object spare[2];
  };

  struct Action {
    size_t before;
    py::object function;
    int64_t end;
  };

  bool modes_match() const;
  bool leaf_matches(const Leaf& leaf, const Bound& bound) const;
  void run_all();
  bool take_spare(Fresh& fresh);
  py::object build(PyObject* pattern, const Bound& bound, const std::vector<StorageRef>& memory);
  py::object fresh_tensor(int index, const std::vector<StorageRef>& memory);

  Signature signature_;
  Recording recording_;
  py::object grad_mode_, autocast_;
  uint64_t generation_ = 0, mode_changes_ = 0;
  std::vector<std::pair<py::object, bool>> modes_;
  std::vector<Leaf> leaves_;
  std::vector<std::pair<int, Array>> stand_ins_;
  std::vector<Input> inputs_;
  std::vector<Fresh> fresh_;
  std::vector<Action> actions_;
  py::object result_;
  bool is_long_ = false;
};

void bind_entry(py::module_& m);

}  // namespace markone::bind
