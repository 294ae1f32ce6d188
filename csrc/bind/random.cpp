// Philox random numbers and dropout.
#include "bind/common.h"

namespace markone::bind {
void bind_random(py::module_&) {}
}  // namespace markone::bind
