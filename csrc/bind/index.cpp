// Gather and scatter by integer arrays.
#include "bind/common.h"

namespace markone::bind {
void bind_index(py::module_&) {}
}  // namespace markone::bind
