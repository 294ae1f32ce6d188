#include "ops/tables.h"

#include "core/cuda.h"

namespace markone {
namespace {

KernelTable make_table(Isa isa) {
  KernelTable table{};
  ref::fill_table(&table);
  switch (isa) {
    case Isa::kRef:
      break;
#if defined(MARKONE_X86)
    case Isa::kBaseline:
      baseline::fill_table(&table);
      break;
    case Isa::kAvx2:
      avx2::fill_table(&table);
      break;
    case Isa::kAvx512:
      avx512::fill_table(&table);
#if !defined(MARKONE_EMULATE_AVX512)
      if (has_avx512_bf16()) avx512::fill_bf16(&table);
#endif
      break;
    case Isa::kNeon:
      break;
#elif defined(MARKONE_NEON)
    case Isa::kNeon:
      neon::fill_table(&table);
      break;
    case Isa::kBaseline:
      baseline::fill_table(&table);
      break;
    default:
      break;
#else
    case Isa::kBaseline:
      baseline::fill_table(&table);
      break;
    default:
      break;
#endif
  }
  table.isa = name_of(isa);
  return table;
}

// Before anybody looks for the library.
const bool told = (set_device_table_bytes(sizeof(KernelTable)), true);

}  // namespace

const KernelTable& table_of(Isa isa) {
  static const KernelTable tables[] = {make_table(Isa::kRef), make_table(Isa::kBaseline),
                                       make_table(Isa::kAvx2), make_table(Isa::kAvx512),
                                       make_table(Isa::kNeon)};
  return tables[static_cast<int>(isa)];
}

const KernelTable& table_for(Device device) {
  if (device.type == DeviceType::kCPU) return active_table();
  static const KernelTable cuda = [] {
    KernelTable table{};
    cuda_api()->fill_table(&table);
    table.isa = "cuda";
    return table;
  }();
  return cuda;
}

const KernelTable& active_table() { return table_of(active_isa()); }

}  // namespace markone
