// mo.compile's native side: a callable that matches a call with its recordings and replays one.

#include <pybind11/pybind11.h>
#include <structmember.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>

#include "bind/common.h"
#include "bind/entry.h"
#include "bind/method.h"
#include "ops/recording.h"

namespace markone::bind {
namespace {

// ---- where the user's code is ----

struct Place {
  std::string file;
  int line;
  bool operator==(const Place&) const = default;
};
std::mutex places_mutex;
std::vector<Place> places;
std::string package;  // frames of files below it are not the user's

int32_t site_here() {
  PyFrameObject* frame = PyThreadState_GetFrame(PyThreadState_Get());
  std::optional<Place> found;
  while (frame) {
    PyCodeObject* code = PyFrame_GetCode(frame);
    const char* file = PyUnicode_AsUTF8(code->co_filename);
    if (file &&
        package.compare(0, std::string::npos, file, std::min(package.size(), std::strlen(file))) != 0) {
      found = Place{file, PyFrame_GetLineNumber(frame)};
    }
    Py_DECREF(code);
    PyFrameObject* below = found ? nullptr : PyFrame_GetBack(frame);
    Py_DECREF(frame);
    frame = below;
  }
  PyErr_Clear();
  if (!found) return -1;
  const std::lock_guard lock(places_mutex);
  const auto at = std::find(places.rbegin(), places.rend(), *found);
  if (at != places.rend()) return static_cast<int32_t>(places.rend() - at) - 1;
  places.push_back(*found);
  return static_cast<int32_t>(places.size()) - 1;
}

std::string site_text(int32_t site) {
  const std::lock_guard lock(places_mutex);
  const Place& place = places[static_cast<size_t>(site)];
  return " (" + place.file + ":" + std::to_string(place.line) + ")";
}

// Steps of this thread run as they are while this is above 0.
thread_local int disabled = 0;

// ---- the callable ----

struct Step {
  PyObject_HEAD;
  vectorcallfunc vectorcall;
  PyObject* function;
  PyObject* controller;                          // Python: records, explains, lists
  PyObject* attributes;                          // __dict__
  std::vector<std::shared_ptr<Entry>>* entries;  // the last one used first
  std::recursive_mutex* mutex;
};

// A second thread waits without the GIL.
class StepLock {
 public:
  explicit StepLock(std::recursive_mutex& mutex) : mutex_(mutex) {
    if (mutex_.try_lock()) return;
    py::gil_scoped_release released;
    mutex_.lock();
  }
  ~StepLock() { mutex_.unlock(); }
  StepLock(const StepLock&) = delete;
  StepLock& operator=(const StepLock&) = delete;

 private:
  std::recursive_mutex& mutex_;
};

PyObject* record(Step* self, PyObject* const* args, size_t count, PyObject* names) {
  py::tuple positional(count);
  for (size_t i = 0; i < count; ++i) positional[i] = py::reinterpret_borrow<py::object>(args[i]);
  py::dict keywords;
  for (Py_ssize_t k = 0; names && k < PyTuple_GET_SIZE(names); ++k) {
    keywords[PyTuple_GET_ITEM(names, k)] =
        py::reinterpret_borrow<py::object>(args[count + static_cast<size_t>(k)]);
  }
  const auto controller = py::reinterpret_borrow<py::object>(self->controller);
  return controller.attr("record")(positional, keywords).release().ptr();
}

PyObject* call_checked(Step* self, PyObject* const* args, size_t nargs, PyObject* names) {
  const Stream& stream = Stream::current();
  // Inside another recording the step is a part of it.
  if (stream.recording() || stream.paused() || disabled > 0) {
    return PyObject_Vectorcall(self->function, args, nargs, names);
  }
  const StepLock lock(*self->mutex);
  const auto count = static_cast<size_t>(PyVectorcall_NARGS(nargs));
  auto& entries = *self->entries;
  const uint64_t generation = state_generation();
  const Modes modes = Modes::now();
  static thread_local Bound scratch;
  Bound bound = std::move(scratch);
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::shared_ptr<Entry> entry = entries[i];
    if (!entry->matches(generation, modes, args, count, names, &bound)) continue;
    if (i > 0)
      std::rotate(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(i),
                  entries.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    PyObject* out = entry->replay(bound).release().ptr();
    scratch = std::move(bound);
    return out;
  }
  scratch = std::move(bound);
  return record(self, args, count, names);
}

PyObject* step_call(PyObject* object, PyObject* const* args, size_t nargs, PyObject* names) {
  try {
    return call_checked(reinterpret_cast<Step*>(object), args, nargs, names);
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const Error& error) {
    raise_python(error);
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

// What the callable has not, the controller has: recordings, explain, clear.
PyObject* step_getattr(PyObject* object, PyObject* name) {
  PyObject* found = PyObject_GenericGetAttr(object, name);
  if (found || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
  PyErr_Clear();
  return PyObject_GetAttr(reinterpret_cast<Step*>(object)->controller, name);
}

PyObject* step_bind(PyObject* object, PyObject* instance, PyObject*) {
  if (!instance || instance == Py_None) {
    Py_INCREF(object);
    return object;
  }
  return PyMethod_New(object, instance);
}

int step_traverse(PyObject* object, visitproc visit, void* arg) {
  auto* self = reinterpret_cast<Step*>(object);
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self->function);
  Py_VISIT(self->controller);
  Py_VISIT(self->attributes);
  for (const auto& entry : *self->entries) {
    // What Python holds too is its own.
    if (entry.use_count() > 1) continue;
    if (const int stopped = entry->traverse(visit, arg)) return stopped;
  }
  return 0;
}

int step_clear(PyObject* object) {
  auto* self = reinterpret_cast<Step*>(object);
  Py_CLEAR(self->function);
  Py_CLEAR(self->controller);
  Py_CLEAR(self->attributes);
  if (self->entries) {
    std::vector<std::shared_ptr<Entry>> dropped;
    dropped.swap(*self->entries);
  }
  return 0;
}

void step_free(PyObject* object) {
  PyObject_GC_UnTrack(object);
  auto* self = reinterpret_cast<Step*>(object);
  PyTypeObject* type = Py_TYPE(object);
  step_clear(object);
  delete self->entries;
  delete self->mutex;
  type->tp_free(object);
  Py_DECREF(type);
}

PyMemberDef step_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Step, vectorcall), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(Step, attributes), READONLY, nullptr},
    {"__wrapped__", T_OBJECT, offsetof(Step, function), READONLY, nullptr},
    {"controller", T_OBJECT, offsetof(Step, controller), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};
PyGetSetDef step_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};
PyType_Slot step_slots[] = {
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_getattro, reinterpret_cast<void*>(step_getattr)},
    {Py_tp_descr_get, reinterpret_cast<void*>(step_bind)},
    {Py_tp_traverse, reinterpret_cast<void*>(step_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(step_clear)},
    {Py_tp_dealloc, reinterpret_cast<void*>(step_free)},
    {Py_tp_members, step_members},
    {Py_tp_getset, step_getset},
    {0, nullptr},
};
PyType_Spec step_spec = {"markone._C.CompiledStep", sizeof(Step), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL, step_slots};
PyTypeObject* step_type = nullptr;

Step* as_step(const py::handle& object) {
  MO_CHECK_TYPE(Py_TYPE(object.ptr()) == step_type, "compile", "wants a compiled step");
  return reinterpret_cast<Step*>(object.ptr());
}

py::object make_step(const py::object& function, const py::object& controller) {
  PyObject* made = step_type->tp_alloc(step_type, 0);
  if (!made) throw py::error_already_set();
  auto* self = reinterpret_cast<Step*>(made);
  self->vectorcall = step_call;
  self->function = py::object(function).release().ptr();
  self->controller = py::object(controller).release().ptr();
  self->entries = new std::vector<std::shared_ptr<Entry>>;
  self->mutex = new std::recursive_mutex;
  return py::reinterpret_steal<py::object>(made);
}

// Another storage on the same memory, so that what a step does to an argument can be told from what it does
// to the tensor that it captured.
Array alias(const Array& array, const std::optional<Array>& beside) {
  if (beside) return Array(beside->storage(), array.dtype(), array.shape(), array.strides(), array.offset());
  const Storage& storage = *array.storage().get();
  auto* keep = new StorageRef(array.storage());
  StorageRef other = wrap_outside(
      storage.data, storage.bytes, storage.read_only,
      [](void* held) { delete static_cast<StorageRef*>(held); }, keep);
  other->device = storage.device;
  return Array(other, array.dtype(), array.shape(), array.strides(), array.offset());
}

// The same windows on copies of their memory from the shared pool; arrays that share memory still do.
std::vector<Array> moved_out(const std::vector<Array>& arrays) {
  std::vector<std::pair<Storage*, StorageRef>> copies;
  std::vector<Array> out;
  for (const Array& array : arrays) {
    Storage* storage = array.storage().get();
    auto at = std::find_if(copies.begin(), copies.end(), [&](const auto& c) { return c.first == storage; });
    if (at == copies.end()) {
      StorageRef copy = Pool::shared().allocate("compile", storage->bytes);
      if (storage->bytes > 0) std::memcpy(copy->data, storage->data, static_cast<size_t>(storage->bytes));
      copies.emplace_back(storage, copy);
      at = copies.end() - 1;
    }
    out.emplace_back(at->second, array.dtype(), array.shape(), array.strides(), array.offset());
  }
  return out;
}

}  // namespace

void bind_compile(py::module_& m) {
  step_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&step_spec));
  if (!step_type) throw py::error_already_set();
  set_site_hooks({site_here, site_text});
  m.def(
      "watch_sites", [](const std::string& folder) { package = folder; }, py::arg("folder"),
      "The first frame outside this folder is the user's line.");
  m.def("user_line", [] { return text_of_site(site_here()); }, "' (file:line)' of the user's code now.");
  m.def("refuse_recording",
        [](const std::string& op, const std::string& why) { refuse_recording(op.c_str(), why.c_str()); });
  m.def(
      "pause_recording", [] { return Stream::current().pause_recording(); },
      "Nothing is recorded until resume_recording(); False where nothing was recording.");
  m.def("resume_recording", [] { Stream::current().resume_recording(); });
  m.def("is_recording", [] { return Stream::current().recording() != nullptr; });
  m.def("recorded_calls", [] {
    const Program* program = Stream::current().recording();
    return program ? program->size() : 0;
  });
  m.def(
      "disable_replay", [](int change) { disabled += change; }, py::arg("change"),
      "Adds to a count of this thread: above 0 compiled steps run as plain functions.");
  m.def("state_generation", &state_generation, "How often something that recordings rest on was replaced.");
  m.def("bump_state_generation", &bump_state_generation);
  m.def("mode_changes", &mode_changes, "How often a module went into or out of training.");
  m.def("bump_mode_changes", &bump_mode_changes);
  m.def("alias", &alias, py::arg("array"), py::arg("beside"));
  m.def("moved_out", &moved_out);

  bind_entry(m);
  m.attr("CompiledStep") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(step_type));
  m.def("make_step", &make_step, py::arg("function"), py::arg("controller"));
  m.def("step_entries", [](const py::object& step) { return *as_step(step)->entries; });
  m.def("set_step_entries", [](const py::object& step, std::vector<std::shared_ptr<Entry>> entries) {
    as_step(step)->entries->swap(entries);
  });
}

}  // namespace markone::bind
