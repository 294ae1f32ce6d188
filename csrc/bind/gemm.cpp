// Matrix multiplication.
#include "bind/common.h"

namespace markone::bind {
void bind_gemm(py::module_&) {}
}  // namespace markone::bind
