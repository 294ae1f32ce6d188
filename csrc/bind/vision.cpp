// Bilinear resize.
#include "bind/common.h"

namespace markone::bind {
void bind_vision(py::module_&) {}
}  // namespace markone::bind
