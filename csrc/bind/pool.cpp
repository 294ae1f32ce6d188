// Max and average pooling and their gradients.
#include "bind/common.h"

namespace markone::bind {
void bind_pool(py::module_&) {}
}  // namespace markone::bind
