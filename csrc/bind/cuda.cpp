// CUDA devices: which there are, their memory, waiting for them, events.
#include "core/cuda.h"

#include <cstring>

#include "bind/common.h"
#include "core/storage.h"
#include "ops/tables.h"

namespace markone::bind {
namespace {

Device device_of(int index) {
  const Device device{DeviceType::kCUDA, index};
  MO_CHECK(index >= 0 && index < kMaxCudaDevices, "cuda", "there is no device ", index);
  check_device("cuda", device);
  return device;
}

// A point in a device's stream.
class Event {
 public:
  Event() { check_cuda("Event", cuda_api()->make_event(&event_)); }
  ~Event() { cuda_api()->drop_event(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record(const Device& device) {
    check_cuda("Event", cuda_api()->record_event(event_, device_stream(device)));
    recorded_ = true;
  }
  // Milliseconds; waits for the later one.
  float elapsed(const Event& last) const {
    MO_CHECK_KIND(ErrorKind::kRuntime, recorded_ && last.recorded_, "elapsed_time",
                  "both events have to be recorded first");
    float milliseconds = 0;
    const py::gil_scoped_release released;
    check_cuda("Event", cuda_api()->elapsed(event_, last.event_, &milliseconds));
    return milliseconds;
  }

 private:
  void* event_ = nullptr;
  bool recorded_ = false;
};

// The reference's kernels that the device's table lacks. A table is entries from end to end, each a function
// and a name, but for the name of its instruction set.
std::vector<std::string> missing_kernels(int index) {
  struct Any {
    void (*function)();
    const char* name;
  };
  static_assert(sizeof(Any) == sizeof(markone::Entry<GemmArgs>) &&
                sizeof(KernelTable) % sizeof(Any) == sizeof(char*));
  const char* wanted = reinterpret_cast<const char*>(&table_of(Isa::kRef));
  const char* found = reinterpret_cast<const char*>(&table_for(device_of(index)));
  std::vector<std::string> out;
  for (size_t at = 0; at + sizeof(Any) <= sizeof(KernelTable); at += sizeof(Any)) {
    Any ours, theirs;
    std::memcpy(&ours, wanted + at, sizeof ours);
    std::memcpy(&theirs, found + at, sizeof theirs);
    if (ours.function && !theirs.function) out.emplace_back(ours.name);
  }
  return out;
}

}  // namespace

void bind_cuda(py::module_& m) {
  m.def("cuda_device_count", &cuda_device_count);
  m.def("cuda_missing", &cuda_missing, "Why there is no device; empty where there is one.");
  m.def(
      "cuda_name",
      [](int index) {
        const Device device = device_of(index);
        char text[256] = {};
        check_cuda("cuda", cuda_api()->name(device.index, text, sizeof text - 1));
        return std::string(text);
      },
      py::arg("index"));
  m.def(
      "cuda_capability",
      [](int index) {
        const Device device = device_of(index);
        int32_t major = 0, minor = 0, multiprocessors = 0;
        check_cuda("cuda", cuda_api()->capability(device.index, &major, &minor, &multiprocessors));
        return py::make_tuple(major, minor, multiprocessors);
      },
      py::arg("index"), "Compute capability, major and minor, and the number of multiprocessors.");
  m.def(
      "cuda_memory",
      [](int index) {
        const Device device = device_of(index);
        int64_t free_bytes = 0, total = 0;
        check_cuda("cuda", cuda_api()->memory(device.index, &free_bytes, &total));
        return py::make_tuple(free_bytes, total);
      },
      py::arg("index"), "Bytes that are free on the device, and all of them.");
  m.def(
      "cuda_synchronize", [](int index) { synchronize(device_of(index)); }, py::arg("index"),
      "Waits for the device; raises what its kernels have reported.");
  m.def("cuda_missing_kernels", &missing_kernels, py::arg("index"),
        "Names of the reference's kernels that the device has none for.");
  m.def(
      "check_device", [](const Device& device) { check_device("device", device); }, py::arg("device"),
      "RuntimeError where there is no such device.");
  m.def(
      "to_device", [](const Array& x, const Device& device) { return to_device("to", x, device); },
      py::arg("x"), py::arg("device"), "The array on the device: itself where it is there already.");
  py::class_<Event>(m, "CudaEvent", "A point in the work of a device.", py::is_final())
      .def(py::init([](int index) {
             device_of(index);
             return std::make_unique<Event>();
           }),
           py::arg("index") = 0)
      .def("record", &Event::record, py::arg("device"))
      .def("elapsed", &Event::elapsed, py::arg("last"));
}

}  // namespace markone::bind
