// NumPy and DLPack, zero copy both ways.
#include <pybind11/numpy.h>

#include <memory>

#include "bind/common.h"
#include "bind/dlpack.h"
#include "core/stream.h"

namespace markone::bind {
namespace {

// Memory that comes from outside as (lowest address, bytes, first element): strides may be negative.
struct Window {
  char* low;
  int64_t bytes, offset;
};
Window window_of(const char* op, void* data, const Dims& shape, const Dims& strides, DType dtype) {
  const int64_t item = size_of(dtype);
  if (checked_numel(op, shape) == 0) return {static_cast<char*>(data), 0, 0};
  int64_t low = 0, high = 0;
  for (int i = 0; i < shape.size(); ++i) {
    const int64_t reach = checked_mul(op, shape[i] - 1, strides[i]);
    (reach < 0 ? low : high) = checked_add(op, reach < 0 ? low : high, reach);
  }
  const int64_t bytes = checked_mul(op, checked_add(op, high - low, 1), item);
  return {static_cast<char*>(data) + low * item, bytes, -low};
}

bool interpreter_runs() {
#if PY_VERSION_HEX >= 0x030d0000
  return Py_IsInitialized() && !Py_IsFinalizing();
#else
  return Py_IsInitialized() && !_Py_IsFinalizing();
#endif
}

// Outside memory may be given back by any thread; after the interpreter's end it is left alone.
void drop_owner(void* owner) {
  if (!interpreter_runs()) return;
  StaysAtExit guard;
  const PyGILState_STATE state = PyGILState_Ensure();
  guard.passed();
  Py_DECREF(static_cast<PyObject*>(owner));
  PyGILState_Release(state);
}

DType dtype_of(const py::dtype& type) {
  const char kind = type.kind();
  const auto bytes = type.itemsize();
  if (kind == 'f' && bytes == 4) return kF32;
  if (kind == 'f' && bytes == 8) return kF64;
  if (kind == 'f' && bytes == 2) return kF16;
  if (kind == 'i' && bytes == 8) return kI64;
  if (kind == 'i' && bytes == 4) return kI32;
  if (kind == 'u' && bytes == 1) return kU8;
  if (kind == 'b') return kBool;
  const std::string name = py::str(type.attr("name"));
  if (name == "bfloat16" && bytes == 2) return kBF16;
  fail(ErrorKind::kType, "from_numpy", "NumPy type ", name,
       " has no counterpart, wants float64, float32, float16, bfloat16 (ml_dtypes), int64, int32, uint8 or "
       "bool");
}

// The new Array reads and writes the ndarray's memory. Byte-swapped, unaligned or field-strided data is
// copied.
Array from_numpy(py::array source) {
  const DType dtype = dtype_of(source.dtype());
  const int64_t item = size_of(dtype);
  const char order = source.dtype().byteorder();
  const bool swapped = order == (PY_LITTLE_ENDIAN ? '>' : '<');
  bool copies = swapped || reinterpret_cast<uintptr_t>(source.data()) % static_cast<uintptr_t>(item) != 0;
  for (py::ssize_t i = 0; i < source.ndim(); ++i) copies |= source.strides(i) % item != 0;
  if (copies) source = source.attr("astype")(source.dtype().attr("newbyteorder")("="), "C");
  Dims::check_count(source.ndim());
  Dims shape, strides;
  for (py::ssize_t i = 0; i < source.ndim(); ++i) {
    shape.push_back(source.shape(i));
    strides.push_back(source.strides(i) / item);
  }
  void* data = const_cast<void*>(source.data());
  const Window window = window_of("from_numpy", data, shape, strides, dtype);
  const bool read_only = !source.writeable();
  StorageRef storage = wrap_outside(window.low, window.bytes, read_only, drop_owner, source.inc_ref().ptr());
  return Array(storage, dtype, shape, strides, window.offset);
}

// The ndarray reads and writes the Array's memory; bfloat16 is given as its uint16 bits.
py::array to_numpy(const Array& array) {
  refuse_recording(
      "numpy", "a tensor's values (.item(), float(), bool(), .numpy(), printing) are not known in a replay");
  constexpr const char* kNames[kDTypeCount] = {"f4", "f8", "u2", "f2", "i8", "i4", "u1", "?"};
  // Of an array on a device, a copy: its methods' own use. A user's .numpy() is refused above.
  if (array.device().type != DeviceType::kCPU) return to_numpy(to_device("numpy", array, {}));
  std::vector<py::ssize_t> shape(array.shape().begin(), array.shape().end()), strides;
  for (int64_t stride : array.strides()) strides.push_back(stride * size_of(array.dtype()));
  auto* keep = new StorageRef(array.storage());
  const py::capsule owner(keep, [](void* held) { delete static_cast<StorageRef*>(held); });
  array.storage()->exported.store(true, std::memory_order_relaxed);
  py::array out(py::dtype(kNames[array.dtype()]), shape, strides, array.data(), owner);
  if (array.storage()->read_only) out.attr("setflags")(py::arg("write") = false);
  return out;
}

constexpr DLDataType kDLTypes[kDTypeCount] = {{kDLFloat, 32, 1}, {kDLFloat, 64, 1}, {kDLBfloat, 16, 1},
                                              {kDLFloat, 16, 1}, {kDLInt, 64, 1},   {kDLInt, 32, 1},
                                              {kDLUInt, 8, 1},   {kDLBool, 8, 1}};

// What an exported capsule points to: the managed struct first, then what it needs alive.
template <class Managed>
struct Export {
  Managed managed;
  Array array;
  Dims shape, strides;
};

template <class Managed>
Managed* make_export(const Array& array) {
  auto* out = new Export<Managed>{{}, array, array.shape(), array.strides()};
  DLTensor& tensor = out->managed.tensor;
  tensor.data = array.numel() ? array.data() : nullptr;
  tensor.device = {kDLCPU, 0};
  tensor.ndim = array.ndim();
  tensor.dtype = kDLTypes[array.dtype()];
  tensor.shape = out->shape.begin();
  tensor.strides = out->strides.begin();
  tensor.byte_offset = 0;
  out->managed.context = out;
  out->managed.deleter = [](Managed* managed) { delete static_cast<Export<Managed>*>(managed->context); };
  array.storage()->exported.store(true, std::memory_order_relaxed);
  return &out->managed;
}

constexpr const char* kLegacyName = "dltensor";
constexpr const char* kVersionedName = "dltensor_versioned";

// A capsule that nobody consumed frees what it holds; a consumer has renamed it.
template <class Managed>
void free_unused(PyObject* capsule, const char* name) {
  if (!PyCapsule_IsValid(capsule, name)) return;
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
  if (managed->deleter) managed->deleter(managed);
}

py::object to_dlpack(const Array& array, bool versioned, bool copied) {
  refuse_recording("__dlpack__", "another library would write or read the memory unseen");
  MO_CHECK_KIND(ErrorKind::kBuffer, array.device().type == DeviceType::kCPU, "__dlpack__",
                "the tensor is on ", to_string(array.device()), ", only cpu is exported");
  const bool read_only = array.storage()->read_only;
  PyObject* capsule;
  if (versioned) {
    auto* managed = make_export<DLManagedTensorVersioned>(array);
    managed->version = kDLPackVersion;
    managed->flags = (read_only ? kDLReadOnly : 0) | (copied ? kDLIsCopied : 0);
    capsule = PyCapsule_New(managed, kVersionedName,
                            [](PyObject* c) { free_unused<DLManagedTensorVersioned>(c, kVersionedName); });
  } else {
    MO_CHECK_KIND(ErrorKind::kBuffer, !read_only, "__dlpack__",
                  "read-only memory needs a consumer that knows DLPack 1.0 (max_version=(1, 0))");
    capsule = PyCapsule_New(make_export<DLManagedTensor>(array), kLegacyName,
                            [](PyObject* c) { free_unused<DLManagedTensor>(c, kLegacyName); });
  }
  if (!capsule) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(capsule);
}

DType dtype_of(const DLDataType& type) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const DLDataType& known = kDLTypes[i];
    if (known.code == type.code && known.bits == type.bits && known.lanes == type.lanes)
      return static_cast<DType>(i);
  }
  fail(ErrorKind::kBuffer, "from_dlpack", "element type (code ", int{type.code}, ", ", int{type.bits},
       " bits, ", type.lanes, " lanes) has no counterpart");
}

template <class Managed>
void call_deleter(void* context) {
  auto* managed = static_cast<Managed*>(context);
  if (!managed->deleter || !interpreter_runs()) return;
  StaysAtExit guard;
  const PyGILState_STATE state = PyGILState_Ensure();  // the producer may be Python
  guard.passed();
  managed->deleter(managed);
  PyGILState_Release(state);
}

// Checks everything before the capsule is consumed, so that a refusal leaves it to its own destructor.
template <class Managed>
Array consume(py::handle capsule, const char* name, const char* used_name, bool read_only) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule.ptr(), name));
  const DLTensor& tensor = managed->tensor;
  MO_CHECK_KIND(ErrorKind::kBuffer, tensor.device.type == kDLCPU, "from_dlpack", "device type ",
                tensor.device.type, " is not the cpu (1)");
  const DType dtype = dtype_of(tensor.dtype);
  Dims::check_count(tensor.ndim);
  const Dims shape(tensor.shape, tensor.ndim);
  checked_mul("from_dlpack", checked_numel("from_dlpack", shape), size_of(dtype));
  const Dims strides = tensor.strides ? Dims(tensor.strides, tensor.ndim) : contiguous_strides(shape);
  char* data = static_cast<char*>(tensor.data) + tensor.byte_offset;
  MO_CHECK_KIND(ErrorKind::kBuffer,
                reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(size_of(dtype)) == 0,
                "from_dlpack", "the data is not aligned to its ", size_of(dtype), "-byte elements");
  const Window window = window_of("from_dlpack", data, shape, strides, dtype);
  if (PyCapsule_SetName(capsule.ptr(), used_name) != 0) throw py::error_already_set();
  StorageRef storage = wrap_outside(window.low, window.bytes, read_only, call_deleter<Managed>, managed);
  return Array(storage, dtype, shape, strides, window.offset);
}

Array from_dlpack(const py::handle capsule) {
  PyObject* object = capsule.ptr();
  if (PyCapsule_IsValid(object, kVersionedName)) {
    auto* managed = static_cast<DLManagedTensorVersioned*>(PyCapsule_GetPointer(object, kVersionedName));
    MO_CHECK_KIND(ErrorKind::kBuffer, managed->version.major == kDLPackVersion.major, "from_dlpack",
                  "got DLPack version ", managed->version.major, ".", managed->version.minor, ", wants 1.x");
    return consume<DLManagedTensorVersioned>(capsule, kVersionedName, "used_dltensor_versioned",
                                             (managed->flags & kDLReadOnly) != 0);
  }
  MO_CHECK_KIND(ErrorKind::kBuffer, PyCapsule_IsValid(object, kLegacyName), "from_dlpack",
                "wants an unused capsule named dltensor or dltensor_versioned");
  return consume<DLManagedTensor>(capsule, kLegacyName, "used_dltensor", false);
}

}  // namespace

void bind_interop(py::module_& m) {
  m.def("from_numpy", &from_numpy, py::arg("array"), "Shares the ndarray's memory.");
  m.def("to_numpy", &to_numpy, py::arg("array"), "Shares the Array's memory; bfloat16 as uint16 bits.");
  m.def("to_dlpack", &to_dlpack, py::arg("array"), py::arg("versioned"), py::arg("copied") = false);
  m.def("from_dlpack", &from_dlpack, py::arg("capsule"));
}

}  // namespace markone::bind
