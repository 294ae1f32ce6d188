#include "ops/tables.h"

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

}  // namespace

const KernelTable& table_of(Isa isa) {
  static const KernelTable tables[] = {make_table(Isa::kRef), make_table(Isa::kBaseline),
                                       make_table(Isa::kAvx2), make_table(Isa::kAvx512),
                                       make_table(Isa::kNeon)};
  return tables[static_cast<int>(isa)];
}

const KernelTable& active_table() { return table_of(active_isa()); }

}  // namespace markone
