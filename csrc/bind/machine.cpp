// What this machine can do at best.
#include "ops/machine.h"

#include "bind/common.h"

namespace markone::bind {

void bind_machine(py::module_& m) {
  m.def("fma_chain", &fma_chain, py::arg("x"), py::arg("steps"));
  m.def("memory_stream", &memory_stream, py::arg("reads"), py::arg("writes"), py::arg("nontemporal") = false,
        py::arg("repeats") = 1);
}

}  // namespace markone::bind
