// Reductions over any dimensions, in plain loops over double or int64.
#include "contract/reduce.h"

#include "kernels/common/scalar.h"

namespace markone::ref {
namespace {

template <class N>
N larger(N a, N b) {
  return b != b ? b : b > a ? b : a;
}
template <class N>
N smaller(N a, N b) {
  return b != b ? b : b < a ? b : a;
}
template <class N>
N truth(N x) {
  return x != 0;
}
template <class N>
struct Ends {
  static constexpr double kLowest = -__builtin_inf(), kHighest = __builtin_inf();
};
template <>
struct Ends<int64_t> {
  static constexpr int64_t kLowest = INT64_MIN, kHighest = INT64_MAX;
};

#define MO_REDUCE(name, init_, map_, combine_, finish_, types)             \
  struct Op_##name {                                                       \
    static constexpr char kTypes = #types[0];                              \
    template <class N, class E>                                            \
    static N init([[maybe_unused]] E lowest, [[maybe_unused]] E highest) { \
      return static_cast<N>(init_);                                        \
    }                                                                      \
    template <class N>                                                     \
    static N map(N x, [[maybe_unused]] N s) {                              \
      return map_;                                                         \
    }                                                                      \
    template <class N>                                                     \
    static N combine(N a, N b) {                                           \
      return combine_;                                                     \
    }                                                                      \
    template <class N>                                                     \
    static N finish(N a, [[maybe_unused]] double d) {                      \
      return static_cast<N>(finish_);                                      \
    }                                                                      \
  };
#include "kernels/common/reduce.def"

int64_t offset_of(int64_t index, int64_t ndim, const int64_t* shape, const int64_t* stride) {
  int64_t offset = 0;
  for (int64_t d = ndim - 1; d >= 0; --d) {
    offset += index % shape[d] * stride[d];
    index /= shape[d];
  }
  return offset;
}

// T: the input. N: computed in. Out: the result. Integer sums and products wrap around, so N is unsigned
// there.
template <class Op, class T, class N, class Out>
void reduce(const ReduceArgs* a, const Run*) {
  for (int64_t o = 0; o < a->outputs; ++o) {
    const T* in =
        static_cast<const T*>(a->in) + offset_of(o, a->outer_ndim, a->outer_shape, a->outer_in_stride);
    const int64_t at = offset_of(o, a->outer_ndim, a->outer_shape, a->outer_out_stride);
    const N shift = a->shift ? cast_one<N>(static_cast<const T*>(a->shift)[at]) : N(0);
    N total = Op::template init<N>(Ends<N>::kLowest, Ends<N>::kHighest);
    for (int64_t i = 0; i < a->count; ++i) {
      const T x = in[offset_of(i, a->inner_ndim, a->inner_shape, a->inner_stride)];
      total = Op::combine(total, Op::map(cast_one<N>(x), shift));
    }
    static_cast<Out*>(a->out)[at] = cast_one<Out>(Op::finish(total, a->divisor));
  }
}

template <bool kMax, class T>
void arg_reduce(const ArgReduceArgs* a, const Run*) {
  for (int64_t o = 0; o < a->outer; ++o) {
    for (int64_t c = 0; c < a->inner; ++c) {
      const T* in = static_cast<const T*>(a->in) + o * a->n * a->inner + c;
      int64_t found = 0;
      for (int64_t i = 1; i < a->n; ++i) {
        const T x = in[i * a->inner], best = in[found * a->inner];
        if ((kMax ? x > best : x < best) || (x != x && best == best)) found = i;
      }
      a->out[o * a->inner + c] = found;
    }
  }
}

template <class Op, class T>
KernelFn<ReduceArgs> floating() {
  if constexpr (Op::kTypes == 'B')
    return reduce<Op, T, double, Bool>;
  else
    return reduce<Op, T, double, T>;
}
template <class Op, class T>
KernelFn<ReduceArgs> integer() {
  if constexpr (Op::kTypes == 'B')
    return reduce<Op, T, int64_t, Bool>;
  else if constexpr (Op::kTypes == 'W')
    return reduce<Op, T, uint64_t, int64_t>;
  else
    return reduce<Op, T, int64_t, T>;
}

}  // namespace

void fill_reduce(ReduceKernels* table) {
#define MO_REDUCE(name, init, map, combine, finish, types)        \
  {                                                               \
    Entry<ReduceArgs>* entries = table->reduce[kReduce_##name];   \
    using Op = Op_##name;                                         \
    entries[kF32] = {floating<Op, float>(), #name "_f32_ref"};    \
    entries[kF64] = {floating<Op, double>(), #name "_f64_ref"};   \
    entries[kBF16] = {floating<Op, BF16>(), #name "_bf16_ref"};   \
    entries[kF16] = {floating<Op, F16>(), #name "_f16_ref"};      \
    if constexpr (Op::kTypes != 'F') {                            \
      entries[kI64] = {integer<Op, int64_t>(), #name "_i64_ref"}; \
      entries[kI32] = {integer<Op, int32_t>(), #name "_i32_ref"}; \
      entries[kU8] = {integer<Op, uint8_t>(), #name "_u8_ref"};   \
      entries[kBool] = {integer<Op, Bool>(), #name "_bool_ref"};  \
    }                                                             \
  }
#include "kernels/common/reduce.def"
  table->argmax[kF32] = {arg_reduce<true, float>, "argmax_f32_ref"};
  table->argmax[kF64] = {arg_reduce<true, double>, "argmax_f64_ref"};
  table->argmax[kI64] = {arg_reduce<true, int64_t>, "argmax_i64_ref"};
  table->argmin[kF32] = {arg_reduce<false, float>, "argmin_f32_ref"};
  table->argmin[kF64] = {arg_reduce<false, double>, "argmin_f64_ref"};
  table->argmin[kI64] = {arg_reduce<false, int64_t>, "argmin_i64_ref"};
}

}  // namespace markone::ref
