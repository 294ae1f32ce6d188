#include "bind/entry.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <unordered_set>

#include "bind/method.h"
#include "ops/packed.h"

namespace markone::bind {
namespace {

std::atomic<uint64_t> modes_changed{0};
PyTypeObject* out_type = nullptr;

const Out* as_out(PyObject* object) {
  if (Py_TYPE(object) != out_type) return nullptr;
  auto* instance = reinterpret_cast<py::detail::instance*>(object);
  return static_cast<const Out*>(instance->get_value_and_holder().value_ptr());
}

// What is at most this large is kept to be returned again; a larger tensor's memory is worth giving back.
constexpr int64_t kSpareBytes = 4096;

}  // namespace

uint64_t mode_changes() { return modes_changed.load(std::memory_order_relaxed); }
void bump_mode_changes() { modes_changed.fetch_add(1, std::memory_order_relaxed); }

Entry::Entry(const py::tuple& args, const py::dict& kwargs, std::shared_ptr<Program> program)
    : signature_(args, kwargs), recording_(std::move(program)) {
  const Modes modes = Modes::now();
  grad_mode_ = py::reinterpret_borrow<py::object>(modes.grad);
  autocast_ = py::reinterpret_borrow<py::object>(modes.autocast);
}

bool Entry::same_key(const py::tuple& args, const py::dict& kwargs) const {
  const Modes modes = Modes::now();
  return modes.grad == grad_mode_.ptr() && modes.autocast == autocast_.ptr() && modes_match() &&
         signature_.matches(args, kwargs);
}

bool Entry::modes_match() const {
  return std::all_of(modes_.begin(), modes_.end(), [](const std::pair<py::object, bool>& mode) {
    return mode.first.attr("training").cast<bool>() == mode.second;
  });
}

void Entry::set_input(int tensor, const Array& stand_in) {
  stand_ins_.emplace_back(tensor, stand_in);
  if (signature_.leader(tensor) == tensor) {
    recording_.label(stand_in.storage()->serial, tensor, stand_in.offset() * size_of(stand_in.dtype()));
  }
}

void Entry::add_leaf(const py::object& tensor, const py::object& entry, const py::object& exit) {
  const TensorLayout& layout = tensor_layout();
  Leaf leaf{tensor, -1, entry, exit, -1, nullptr, false};
  if (PyLong_Check(tensor.ptr())) {
    leaf.input = tensor.cast<int>();
  } else {
    leaf.requires_grad = layout.requires_grad_of(tensor.ptr());
  }
  if (PyLong_Check(exit.ptr())) leaf.fresh = exit.cast<int>();
  if (layout.is_tensor(entry.ptr())) leaf.entry_storage = layout.array_of(entry.ptr())->storage().get();
  leaves_.push_back(std::move(leaf));
}

int Entry::add_fresh(const Array& recorded) {
  const uint64_t serial = recorded.storage()->serial;
  Fresh fresh{-1,
              serial,
              recorded.storage()->bytes,
              true,
              static_cast<int>(fresh_.size()),
              recorded.dtype(),
              recorded.shape(),
              recorded.strides(),
              recorded.offset(),
              {}};
  for (const Fresh& other : fresh_) {
    if (other.serial != serial || !other.made) continue;
    fresh.made = false;
    fresh.storage = other.storage;
  }
  if (fresh.made) fresh.binding = recording_.bind(serial, 0);
  fresh_.push_back(fresh);
  return static_cast<int>(fresh_.size()) - 1;
}

void Entry::add_action(int64_t recorded_calls, const py::object& action, int64_t end) {
  actions_.push_back({static_cast<size_t>(recorded_calls), action, end});
}

void Entry::finish(const py::object& result, const Recording::Options& options) {
  for (const auto& [tensor, stand_in] : stand_ins_) {
    if (signature_.leader(tensor) != tensor) continue;
    const int binding =
        recording_.bind(stand_in.storage()->serial, stand_in.offset() * size_of(stand_in.dtype()));
    inputs_.push_back({tensor, binding, recording_.writes_binding(binding)});
  }
  stand_ins_.clear();
  signature_.forget();
  Recording::Options all = options;
  for (const Action& action : actions_) {
    all.stops.push_back(action.before);
    if (action.end >= 0) all.stops.push_back(static_cast<size_t>(action.end));
  }
  recording_.finish(all);
  for (Action& action : actions_) {
    action.before = recording_.position(action.before);
    if (action.end >= 0)
      action.end = static_cast<int64_t>(recording_.position(static_cast<size_t>(action.end)));
  }
  is_long_ = worth_releasing(recording_.microseconds());
  result_ = result;
  generation_ = state_generation();
  mode_changes_ = mode_changes();
}

bool Entry::leaf_matches(const Leaf& leaf, const Bound& bound) const {
  const TensorLayout& layout = tensor_layout();
  PyObject* tensor = leaf.input < 0 ? leaf.tensor.ptr() : bound.tensors[static_cast<size_t>(leaf.input)];
  if (leaf.input < 0 && layout.requires_grad_of(tensor) != leaf.requires_grad) return false;
  if (leaf.entry.ptr() == Py_Ellipsis) return true;
  PyObject* grad = layout.grad_of(tensor);
  if (grad != leaf.entry.ptr()) return false;
  if (!leaf.entry_storage) return true;
  const Array* array = layout.array_of(grad);
  return array && array->storage().get() == leaf.entry_storage;
}

bool Entry::matches(uint64_t generation, const Modes& modes, PyObject* const* args, size_t count,
                    PyObject* names, Bound* bound) {
  if (generation != generation_) return false;
  if (!signature_.matches(args, count, names, bound)) return false;
  if (modes.grad != grad_mode_.ptr() || modes.autocast != autocast_.ptr()) return false;
  if (const uint64_t now = mode_changes(); now != mode_changes_) {
    if (!modes_match()) return false;
    mode_changes_ = now;
  }
  return std::all_of(leaves_.begin(), leaves_.end(),
                     [&](const Leaf& leaf) { return leaf_matches(leaf, *bound); });
}

int Entry::traverse(visitproc visit, void* arg) const {
  for (const auto& [module, training] : modes_) Py_VISIT(module.ptr());
  for (const Leaf& leaf : leaves_) {
    Py_VISIT(leaf.tensor.ptr());
    Py_VISIT(leaf.entry.ptr());
    Py_VISIT(leaf.exit.ptr());
  }
  for (const Action& action : actions_) Py_VISIT(action.function.ptr());
  Py_VISIT(result_.ptr());
  return 0;
}

void Entry::run_all() {
  size_t from = 0;
  const auto run = [&](size_t to) {
    bool good;
    {
      const LongCall guard(is_long_);
      good = recording_.run(from, to);
    }
    from = to;
    if (!good) {
      recording_.bump_versions();
      recording_.raise_report();
    }
  };
  for (const Action& action : actions_) {
    if (action.before < from) continue;  // in a branch that was left out
    run(action.before);
    try {
      const py::object said = action.function();
      if (action.end >= 0 && said.ptr() == Py_False) from = static_cast<size_t>(action.end);
    } catch (...) {
      recording_.bump_versions();
      throw;
    }
  }
  run(recording_.size());
  recording_.bump_versions();
}

py::object Entry::replay(const Bound& bound) {
  const TensorLayout& layout = tensor_layout();
  for (const Input& input : inputs_) {
    const Array& array = *bound.arrays[static_cast<size_t>(input.tensor)];
    recording_.point(input.binding, array.data());
  }
  std::vector<StorageRef> memory(fresh_.size());
  for (size_t k = 0; k < fresh_.size(); ++k) {
    if (!fresh_[k].made) continue;
    memory[k] = take_spare(fresh_[k]) ? tensor_layout().array_of(fresh_[k].spare[0].ptr())->storage()
                                      : Pool::shared().allocate("compile", fresh_[k].bytes);
    recording_.point(fresh_[k].binding, memory[k]->data);
  }
  // While the GIL is away another thread may take an argument's memory from it.
  std::vector<StorageRef> held;
  if (is_long_) {
    for (const Array* array : bound.arrays) held.push_back(array->storage());
  }
  run_all();
  for (const Input& input : inputs_) {
    if (!input.written) continue;
    bound.arrays[static_cast<size_t>(input.tensor)]->storage()->version.fetch_add(1,
                                                                                  std::memory_order_relaxed);
  }
  for (const Leaf& leaf : leaves_) {
    if (leaf.exit.ptr() == Py_Ellipsis) continue;
    PyObject* tensor = leaf.input < 0 ? leaf.tensor.ptr() : bound.tensors[static_cast<size_t>(leaf.input)];
    if (leaf.fresh >= 0) {
      layout.set_grad(tensor, fresh_tensor(leaf.fresh, memory).ptr());
    } else if (layout.grad_of(tensor) != leaf.exit.ptr()) {
      layout.set_grad(tensor, leaf.exit.ptr());
    }
  }
  return build(result_.ptr(), bound, memory);
}

// Puts a tensor that only this entry holds, with memory that only it holds, in the first place.
bool Entry::take_spare(Fresh& fresh) {
  if (fresh.bytes > kSpareBytes) return false;
  std::swap(fresh.spare[0], fresh.spare[1]);
  PyObject* tensor = fresh.spare[0].ptr();
  if (!tensor || Py_REFCNT(tensor) != 1) return false;
  const TensorLayout& layout = tensor_layout();
  if (*PyObject_GET_WEAKREFS_LISTPTR(tensor)) return false;
  const Array* array = layout.array_of(tensor);
  if (!array || Py_REFCNT(slot(tensor, layout.array)) != 1) return false;
  const Storage& storage = *array->storage().get();
  // A user may have put another array there.
  return storage.sole() && !storage.exported.load(std::memory_order_relaxed) && !storage.read_only &&
         storage.bytes == fresh.bytes && storage.owner() == &Pool::shared() &&
         array->dtype() == fresh.dtype && array->shape() == fresh.shape &&
         array->strides() == fresh.strides && array->offset() == fresh.offset;
}

py::object Entry::fresh_tensor(int index, const std::vector<StorageRef>& memory) {
  const TensorLayout& layout = tensor_layout();
  Fresh& fresh = fresh_[static_cast<size_t>(index)];
  const StorageRef& storage = memory[static_cast<size_t>(fresh.storage)];
  PyObject* spare = fresh.spare[0].ptr();
  if (spare && Py_REFCNT(spare) == 1 && layout.array_of(spare)->storage().get() == storage.get()) {
    layout.reset(spare);
    return fresh.spare[0];
  }
  py::object made = layout.make(Array(storage, fresh.dtype, fresh.shape, fresh.strides, fresh.offset));
  if (fresh.made && fresh.bytes <= kSpareBytes) fresh.spare[0] = made;
  return made;
}

py::object Entry::build(PyObject* pattern, const Bound& bound, const std::vector<StorageRef>& memory) {
  if (const Out* out = as_out(pattern)) {
    const auto index = static_cast<size_t>(out->index);
    if (out->kind == Out::kFresh) return fresh_tensor(out->index, memory);
    if (out->kind == Out::kInput) return py::reinterpret_borrow<py::object>(bound.tensors[index]);
    // A window that lies in the argument's memory as it lay in the recorded one.
    const Array& source = *bound.arrays[index];
    const int64_t item = size_of(out->array.dtype());
    const int64_t moved = source.offset() * size_of(source.dtype()) - signature_.offset_bytes(out->index);
    return tensor_layout().make(Array(source.storage(), out->array.dtype(), out->array.shape(),
                                      out->array.strides(), out->array.offset() + moved / item));
  }
  if (PyTuple_CheckExact(pattern)) {
    const Py_ssize_t count = PyTuple_GET_SIZE(pattern);
    auto made = py::reinterpret_steal<py::object>(PyTuple_New(count));
    for (Py_ssize_t i = 0; i < count; ++i) {
      PyTuple_SET_ITEM(made.ptr(), i, build(PyTuple_GET_ITEM(pattern, i), bound, memory).release().ptr());
    }
    return made;
  }
  if (PyTuple_Check(pattern)) {  // a namedtuple
    py::list fields;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(pattern); ++i) {
      fields.append(build(PyTuple_GET_ITEM(pattern, i), bound, memory));
    }
    return py::type::of(pattern).attr("_make")(fields);
  }
  if (PyList_Check(pattern)) {
    py::list made;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pattern); ++i) {
      made.append(build(PyList_GET_ITEM(pattern, i), bound, memory));
    }
    if (!PyList_CheckExact(pattern)) return py::type::of(pattern)(made);
    return made;
  }
  if (PyDict_Check(pattern)) {
    py::dict made;
    PyObject *key, *value;
    for (Py_ssize_t at = 0; PyDict_Next(pattern, &at, &key, &value);) {
      made[key] = build(value, bound, memory);
    }
    if (!PyDict_CheckExact(pattern)) return py::type::of(pattern)(made);
    return made;
  }
  return py::reinterpret_borrow<py::object>(pattern);
}

void bind_entry(py::module_& m) {
  py::class_<Out> out(m, "Out", "A tensor's place in what a recorded step returns.");
  m.def("fresh_output", [](int index) { return Out{Out::kFresh, index, {}}; });
  m.def("argument_output", [](int index) { return Out{Out::kInput, index, {}}; });
  m.def("view_output", [](int index, const Array& array) {
    // The window alone: the recorded argument's memory is let go.
    return Out{Out::kView, index,
               Array(StorageRef(), array.dtype(), array.shape(), array.strides(), array.offset())};
  });
  out_type = reinterpret_cast<PyTypeObject*>(py::object(out).release().ptr());

  py::class_<Entry, std::shared_ptr<Entry>>(m, "Entry", "One recording of a compiled step.")
      .def(py::init<const py::tuple&, const py::dict&, std::shared_ptr<Program>>(), py::arg("args"),
           py::arg("kwargs"), py::arg("program"))
      .def_property_readonly("tensors", [](Entry& e) { return e.signature().tensors(); })
      .def("leader", [](Entry& e, int tensor) { return e.signature().leader(tensor); })
      .def("pin", [](Entry& e, int tensor) { e.signature().pin(tensor); })
      .def("same_key", method(&Entry::same_key))
      .def("set_input", method(&Entry::set_input))
      .def("label",
           [](Entry& e, const Array& a, int label) {
             e.recording().label(a.storage()->serial, label, a.offset() * size_of(a.dtype()));
           })
      .def("add_mode", method(&Entry::add_mode))
      .def("add_leaf", method(&Entry::add_leaf))
      .def("add_fresh", method(&Entry::add_fresh))
      .def("add_action", method(&Entry::add_action))
      .def("touches", [](Entry& e, const Array& a) { return e.recording().touches(a.storage()->serial); })
      .def("writes", [](Entry& e, const Array& a) { return e.recording().writes(a.storage()->serial); })
      .def("place_of", [](Entry& e, const Array& a) { return e.recording().place_of(a.storage()->serial); })
      .def("inside",
           [](Entry& e, const Array& a) { return a.storage()->owner() == e.recording().program().pool(); })
      .def("redirect", [](Entry& e, const Array& from,
                          const Array& to) { e.recording().redirect(from.storage()->serial, to.storage()); })
      .def("difference", [](Entry& e, Entry& other) { return e.recording().difference(other.recording()); })
      .def("check_writes", [](Entry& e) { e.recording().check_writes(); })
      .def("note_outside", [](Entry& e) { e.recording().note_outside(); })
      .def("changed_outside", [](Entry& e) { return e.recording().changed_outside(); })
      .def("survivor",
           [](Entry& e) -> std::optional<std::string> {
             int32_t site;
             if (!e.recording().survivor(&site)) return std::nullopt;
             return text_of_site(site);
           })
      .def("forget_arguments", [](Entry& e) { e.signature().forget(); })
      .def("kernels", [](Entry& e) { return e.recording().kernels(); })
      .def(
          "finish",
          [](Entry& e, const py::object& result, bool drop, bool copies, bool fuse, bool pack) {
            e.finish(result, {drop, copies, fuse, pack, {}});
          },
          py::arg("result"), py::arg("drop"), py::arg("copies"), py::arg("fuse"), py::arg("pack"))
      .def_property_readonly("rewrites", [](Entry& e) { return e.recording().rewrites(); })
      .def_property_readonly("calls", [](Entry& e) { return e.recording().size(); })
      .def_property_readonly("microseconds", [](Entry& e) { return e.recording().microseconds(); });
  m.def("pool_bytes", [](const Program& program) { return program.pool()->stats().allocated_bytes; });
  m.def("pool_cached", [](const Program& program) { return program.pool()->stats().cached_bytes; });
  m.def(
      "trim_recorded",
      [](const Program& program, const std::vector<Entry*>& entries) {
        std::unordered_set<const Storage*> used;
        for (Entry* entry : entries) entry->recording().add_used(&used);
        program.pool()->trim(used);
      },
      py::arg("program"), py::arg("entries"), "Frees what none of these recordings of the pool uses.");
  m.def("set_prepacking", &set_prepacking, py::arg("on"),
        "Whether packed weights are kept from call to call while they do not change.");
  m.def("prepacked_bytes", &prepacked_bytes);
  m.def(
      "sibling", [](const Program& program) { return std::make_shared<Program>(program.pool()); },
      "A program whose buffers come from the same pool.");
}

}  // namespace markone::bind
