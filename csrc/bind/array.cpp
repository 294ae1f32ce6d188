// dtype, device and Array with its views.
#include "core/array.h"

#include <pybind11/operators.h>

#include "bind/method.h"
#include "bind/tensor.h"

namespace pybind11::detail {
static py::object dtype_objects[markone::kDTypeCount];
handle type_caster<markone::DType>::cast(markone::DType src, return_value_policy, handle) {
  return dtype_objects[src].inc_ref();
}
}  // namespace pybind11::detail

namespace markone::bind {
namespace {

// The attributes that every operation reads are plain descriptors, which cost a quarter of a bound property.
template <auto kRead>
PyObject* read(PyObject* object, void*) {
  return py::cast(kRead(*array_in(object))).release().ptr();
}
PyGetSetDef attributes[] = {
    {"shape", read<[](const Array& a) { return a.shape(); }>, nullptr,
     "(self: Array) -> tuple[int, ...]\n\nThe sizes.", nullptr},
    {"dtype", read<[](const Array& a) { return a.dtype(); }>, nullptr,
     "(self: Array) -> dtype\n\nThe element type.", nullptr},
    {"ndim", read<[](const Array& a) { return a.ndim(); }>, nullptr,
     "(self: Array) -> int\n\nThe number of dimensions.", nullptr},
    {"numel", read<[](const Array& a) { return a.numel(); }>, nullptr,
     "(self: Array) -> int\n\nThe number of elements.", nullptr},
};

}  // namespace

void bind_array(py::module_& m) {
  py::class_<DTypeObject> dtype(m, "dtype", "An element type: markone.float32 and its like.");
  dtype.def_property_readonly("name", [](const DTypeObject& t) { return name_of(t.value); })
      .def_property_readonly("itemsize", [](const DTypeObject& t) { return size_of(t.value); })
      .def_property_readonly("is_floating_point", [](const DTypeObject& t) { return is_floating(t.value); })
      .def("__repr__", [](const DTypeObject& t) { return std::string("markone.") + name_of(t.value); })
      .def("__reduce__", [](const DTypeObject& t) { return std::string(name_of(t.value)); });
  for (int i = 0; i < kDTypeCount; ++i) {
    py::object object = py::cast(DTypeObject{static_cast<DType>(i)});
    m.attr(name_of(static_cast<DType>(i))) = object;
    // Never released: the interpreter may end after the module.
    py::detail::dtype_objects[i] = py::reinterpret_borrow<py::object>(object.release());
  }
  m.attr("bool_") = m.attr("bool");

  py::class_<Device>(m, "Device", "Where memory is: Device('cpu') or Device('cuda', index).")
      .def(py::init([](const std::string& type, int index) {
             MO_CHECK(type == "cpu" || type == "cuda", "device", "'", type,
                      "' is not a device, wants cpu or cuda");
             MO_CHECK(index >= 0 && (type == "cuda" || index == 0), "device", "there is no ", type, ":",
                      index);
             return Device{type == "cpu" ? DeviceType::kCPU : DeviceType::kCUDA, index};
           }),
           py::arg("type"), py::arg("index") = 0)
      .def_property_readonly("type",
                             [](const Device& d) { return d.type == DeviceType::kCPU ? "cpu" : "cuda"; })
      .def_property_readonly("index", [](const Device& d) { return d.index; })
      .def(py::self == py::self)
      .def("__hash__", [](const Device& d) { return static_cast<int>(d.type) * 256 + d.index; })
      .def("__str__", [](const Device& d) { return to_string(d); })
      .def("__repr__", [](const Device& d) { return "device('" + to_string(d) + "')"; });

  py::class_<Array>(m, "Array", "A typed, strided window on shared memory.", py::is_final())
      .def_property_readonly("strides", method(&Array::strides), "In elements.")
      .def_property_readonly("offset", method(&Array::offset), "In elements from the start of the storage.")
      .def_property_readonly("device", method(&Array::device))
      .def_property_readonly("nbytes", method(&Array::nbytes))
      .def_property_readonly("version", method(&Array::version), "Counts the writes to the storage.")
      .def_property_readonly("read_only", [](const Array& a) { return a.storage()->read_only; })
      .def_property_readonly("storage_id",
                             [](const Array& a) { return reinterpret_cast<uintptr_t>(a.storage().get()); })
      .def_property_readonly("data_ptr", [](const Array& a) { return reinterpret_cast<uintptr_t>(a.data()); })
      .def("is_contiguous", method(&Array::is_contiguous))
      .def("reshape_view", [](const Array& a, const Dims& shape) { return a.reshape_view("view", shape); })
      .def("try_reshape",
           [](const Array& a, const Dims& shape) -> std::optional<Array> {
             Array out = a.try_reshape("reshape", shape);
             return out ? std::optional<Array>(out) : std::nullopt;
           })
      .def("permute", method(&Array::permute))
      .def("transpose", method(&Array::transpose))
      .def("slice", method(&Array::slice), py::arg("dim"), py::arg("start"), py::arg("stop"), py::arg("step"))
      .def("select", method(&Array::select))
      .def("squeeze", method(&Array::squeeze))
      .def("unsqueeze", method(&Array::unsqueeze))
      .def("expand", [](const Array& a, const Dims& shape) { return a.expand("expand", shape); })
      .def("flip", method(&Array::flip))
      .def("diagonal", method(&Array::diagonal))
      .def("as_strided", method(&Array::as_strided))
      .def("bit_cast", method(&Array::bit_cast));

  auto* array_class = reinterpret_cast<PyTypeObject*>(py::type::of<Array>().ptr());
  for (PyGetSetDef& attribute : attributes) {
    const auto descriptor = py::reinterpret_steal<py::object>(PyDescr_NewGetSet(array_class, &attribute));
    if (!descriptor) throw py::error_already_set();
    py::setattr(py::type::of<Array>(), attribute.name, descriptor);
  }
  m.def(
      "empty",
      [](const Dims& shape, DType type, Device device) { return Array::empty("empty", shape, type, device); },
      py::arg("shape"), py::arg("dtype"), py::arg("device") = Device{});
  m.def("broadcast_shapes",
        [](const Dims& a, const Dims& b) { return broadcast_shapes("broadcast_shapes", a, b); });
  m.def("promote_types", &promote);
}

}  // namespace markone::bind
