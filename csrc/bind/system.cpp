// Threads, instruction sets, memory statistics, recording, and the lists of implementations.
#include "bind/common.h"
#include "bind/method.h"
#include "core/cpu_features.h"
#include "core/cuda.h"
#include "core/parallel.h"
#include "core/stream.h"
#include "ops/plan.h"
#include "ops/recording.h"

namespace markone::bind {

void bind_system(py::module_& m) {
  m.attr("__version__") = MARKONE_VERSION;
  m.def("build_info", [] {
    py::dict info;
    info["version"] = MARKONE_VERSION;
    info["compiler"] = __VERSION__;
    info["cuda"] = cuda_device_count() > 0;
#ifdef __SANITIZE_ADDRESS__
    info["sanitized"] = true;  // no memory is cached then
#else
    info["sanitized"] = false;
#endif
#ifdef NDEBUG
    info["assertions"] = false;
#else
    info["assertions"] = true;
#endif
    return info;
  });

  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads);
  m.def("default_num_threads", &default_num_threads);

  m.def("isa", [] { return name_of(active_isa()); });
  // A recording holds the kernels that were chosen.
  m.def("set_isa", [](const std::string& name) {
    set_active_isa(name);
    bump_state_generation();
  });
  m.def("available_isas", [] {
    std::vector<std::string> names;
    for (Isa isa : available_isas()) names.emplace_back(name_of(isa));
    return names;
  });
  m.def("cpu_name", &cpu_name);

  m.def(
      "force_implementation",
      [](const std::string& op, const std::string& name) {
        force_implementation(op, name);
        bump_state_generation();
      },
      py::arg("op"), py::arg("name"),
      "The operation takes this implementation or raises why it refuses; an empty name frees it.");
  m.def("implementation_lists", &implementation_lists);

  m.def(
      "memory_stats",
      [](const Device& device) {
        const PoolStats stats = Pool::shared().stats(device);
        py::dict out;
        out["allocated_bytes"] = stats.allocated_bytes;
        out["peak_bytes"] = stats.peak_bytes;
        out["cached_bytes"] = stats.cached_bytes;
        out["requests"] = stats.requests;
        out["system_requests"] = stats.system_requests;
        return out;
      },
      py::arg("device") = Device{});
  m.def("empty_cache", [] { Pool::shared().trim(); });
  m.def("set_guarded", &Pool::set_guarded, "New buffers stand between guard bytes.");
  m.def("damaged_guards", &Pool::damaged_guards);
  m.def("native_calls", [] { return Stream::current().calls(); }, "How many kernels this thread has run.");

  py::class_<Program, std::shared_ptr<Program>>(m, "Program", "Recorded kernel calls.")
      .def(py::init<>())
      .def("replay", method(&Program::replay))
      .def("__len__", method(&Program::size))
      .def("kernels", [](const Program& p) {
        std::vector<std::pair<std::string, std::string>> names;
        for (size_t i = 0; i < p.size(); ++i) names.emplace_back(p.call(i).op, p.call(i).kernel.name);
        return names;
      });
  m.def(
      "begin_recording",
      [](std::shared_ptr<Program> program) { Stream::current().begin_recording(std::move(program)); },
      py::arg("program").none(false));
  m.def("end_recording", [] { Stream::current().end_recording(); });
}

}  // namespace markone::bind
