// Fused optimiser steps over all parameters.
#include "bind/common.h"

namespace markone::bind {
void bind_optim(py::module_&) {}
}  // namespace markone::bind
