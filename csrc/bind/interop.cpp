// NumPy and DLPack, zero copy both ways.
#include "bind/common.h"

namespace markone::bind {
void bind_interop(py::module_&) {}
}  // namespace markone::bind
