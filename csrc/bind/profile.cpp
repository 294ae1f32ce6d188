// The calls of a profile.
#include "core/profile.h"

#include "bind/common.h"
#include "ops/plan.h"

namespace markone::bind {

void bind_profile(py::module_& m) {
  m.def("begin_profile", &Profile::begin);
  m.def(
      "end_profile",
      [] {
        const std::vector<ProfileEvent> events = Profile::end();
        py::list out(events.size());
        for (size_t i = 0; i < events.size(); ++i) {
          const ProfileEvent& e = events[i];
          py::object plan = py::none();
          if (e.plan) {
            py::list refused;
            for (const Refusal& r : e.plan->refused)
              refused.append(py::make_tuple(r.implementation, r.reason));
            plan = py::make_tuple(e.plan->implementation, py::tuple(refused));
          }
          out[i] = py::make_tuple(e.op, e.kernel, plan, e.begin, e.end, e.flops, e.read_bytes,
                                  e.written_bytes, e.thread, e.threads, e.in_place, e.weight);
        }
        return out;
      },
      "Ends the profile. A tuple a call: operation, kernel, (implementation, ((refused, reason), ..)) or "
      "None, begin and end in nanoseconds, flops, bytes read, bytes written, thread, threads, whether in "
      "place, for how many calls it stands.");
}

}  // namespace markone::bind
