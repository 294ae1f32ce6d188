// Softmax, log-softmax and cross-entropy.
#include "bind/common.h"

namespace markone::bind {
void bind_softmax(py::module_&) {}
}  // namespace markone::bind
