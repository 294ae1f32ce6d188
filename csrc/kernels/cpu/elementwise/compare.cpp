// MO_COMPARE and MO_TEST of elementwise.def, and where.
#include "kernels/cpu/elementwise/blocks.h"

MO_ISA_BEGIN

#define MO_COMPARE(name, value, types)                               \
  struct Compare_##name {                                            \
    static constexpr Types kTypes = types;                           \
    static constexpr bool kDivides = false;                          \
    template <class X>                                               \
    static MO_INLINE auto of(X a, X b) {                             \
      return value;                                                  \
    }                                                                \
    template <class C>                                               \
    static constexpr BlockFn run = test_block<Compare_##name, 2, C>; \
  };
#define MO_TEST(name, value, types)                               \
  struct Test_##name {                                            \
    static constexpr Types kTypes = types;                        \
    static constexpr bool kDivides = false;                       \
    template <class X>                                            \
    static MO_INLINE auto of(X x, X) {                            \
      return value;                                               \
    }                                                             \
    template <class C>                                            \
    static constexpr BlockFn run = test_block<Test_##name, 1, C>; \
  };
#include "kernels/common/elementwise.def"

// Elements keep their bits; only a number is rounded to the type.
template <class Raw>
void where_block(void* out_, const void* test_, const void* a_, const void* b_, int64_t n, int64_t) {
  auto* out = static_cast<Raw*>(out_);
  auto* test = static_cast<const uint8_t*>(test_);
  auto *a = static_cast<const Raw*>(a_), *b = static_cast<const Raw*>(b_);
  for (int64_t i = 0; i < n; ++i) {
    const Raw x = a[i], y = b[i];
    out[i] = test[i] ? x : y;
  }
}

template <DType kType>
void where_kernel(const ElementwiseArgs* args, const Run* run) {
  using T = typename TypeOf<kType>::type;
  constexpr int kBytes = sizeof(T);
  static constexpr Format raw = {kBytes, kBytes, nullptr, nullptr, kType};
  static constexpr KernelSpec spec = {
      where_block<typename BitsOf<kBytes>::type>, 3, {&kByteFormat, &raw, &raw}, &raw, false, false};
  drive(args, run, &spec);
}

template <int kType = 0>
void fill_where(Entry<ElementwiseArgs>* row, const Names& names) {
  if constexpr (kType < kDTypeCount) {
    row[kType] = {where_kernel<static_cast<DType>(kType)>, names.of[kType]};
    fill_where<kType + 1>(row, names);
  }
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_compare(ElementwiseKernels* table) {
#define MO_COMPARE(name, ...) \
  fill_row<Compare_##name, 2, true>(table->compare[kCompare_##name], MO_NAMES(#name));
#define MO_TEST(name, ...) fill_row<Test_##name, 1, true>(table->test[kTest_##name], MO_NAMES(#name));
#include "kernels/common/elementwise.def"
  fill_where(table->where, MO_NAMES("where"));
}

}  // namespace markone::MARKONE_ISA
