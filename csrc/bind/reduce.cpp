// Reductions over any dimensions.
#include "bind/common.h"

namespace markone::bind {
void bind_reduce(py::module_&) {}
}  // namespace markone::bind
