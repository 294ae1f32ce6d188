// 2-d convolution and its two gradients.
#include "bind/common.h"

namespace markone::bind {
void bind_conv(py::module_&) {}
}  // namespace markone::bind
