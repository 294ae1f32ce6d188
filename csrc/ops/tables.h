// The kernel tables by instruction set, and the one in use.
#pragma once
#include "contract/table.h"
#include "core/array.h"
#include "core/cpu_features.h"
#include "core/stream.h"

namespace markone {

// Complete for elementwise operations and reductions: what an instruction set lacks is the reference's.
const KernelTable& table_of(Isa isa);
const KernelTable& active_table();
// The kernels of a device: the active instruction set's on the cpu.
const KernelTable& table_for(Device device);
inline const KernelTable& table_for(const Array& array) { return table_for(array.device()); }

// Raises NotImplementedError in the name of `op` where no table has a kernel for the type.
template <class Args>
Kernel kernel_for(const char* op, const Entry<Args>& entry, DType dtype) {
  MO_CHECK_KIND(ErrorKind::kNotImplemented, entry.function, op, "is not defined for ", name_of(dtype));
  return make_kernel<Args>(entry.name, entry.function);
}

}  // namespace markone
