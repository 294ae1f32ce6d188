// Elementwise kernels: one a formula and computed type; the types of memory are known at run time.
#include "contract/elementwise.h"
#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/device/scalar.cuh"

namespace markone::cuda {
namespace {

constexpr int kThreads = 256;

// What a kernel is told besides pointers.
struct Operands {
  void* out;
  const void* in[3];  // null where it is the scalar
  Scalar scalar[3];
  int64_t total;
  bool flat;  // every array is contiguous, or one number
  Walk<4> walk;
};

template <class C>
MO_SCALAR C number(Scalar x) {
  if constexpr (IsReal<C>::value) {
    return C(static_cast<decltype(C::v)>(x.f));
  } else {
    return C(x.i);
  }
}

template <class Op, class C, int kInputs, bool kDivides>
__global__ void __launch_bounds__(kThreads)
    elementwise_kernel(Operands a, int type, int out_type, Reporter report) {
  C constant[3] = {};
  for (int k = 0; k < kInputs; ++k) constant[k] = number<C>(a.scalar[k]);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < a.total; i += stride) {
    int64_t place[4] = {i, i, i, i};
    if (!a.flat) a.walk.at(i, place);
    C value[3] = {};
    for (int k = 0; k < kInputs; ++k) {
      value[k] = constant[k];
      if (a.in[k]) load(a.in[k], type, place[k + 1], &value[k]);
    }
    if constexpr (kDivides && !IsReal<C>::value) {
      if (value[1] == Int(0)) report(i, 0, 1, INT64_MAX);
    }
    store(a.out, out_type, place[0], Op::template of<C>(value[0], value[1], value[2]));
  }
}

Operands operands_of(const ElementwiseArgs* args, int inputs) {
  const int64_t* const strides[4] = {args->out_stride, args->in_stride[0], args->in_stride[1],
                                     args->in_stride[2]};
  Operands a{};
  a.out = args->out;
  a.walk = walk(args->ndim, args->shape, strides);
  a.total = 1;
  for (int64_t d = 0; d < args->ndim; ++d) a.total *= args->shape[d];
  a.flat = args->ndim == 1 && args->out_stride[0] == 1;
  for (int k = 0; k < inputs; ++k) {
    a.in[k] = args->in[k];
    a.scalar[k] = args->scalar[k];
    if (args->in[k] && args->in_stride[k][0] != 1) a.flat = false;
  }
  return a;
}

template <class Op, class C, int kInputs, bool kBoolOut, bool kDivides, int kType>
void kernel(const ElementwiseArgs* args, const Run* run) {
  const Operands a = operands_of(args, kInputs);
  launch(elementwise_kernel<Op, C, kInputs, kDivides>, blocks_for(a.total, kThreads), kThreads, 0, run, a,
         kType, static_cast<int>(kBoolOut ? kBool : kType), reporter(run));
}

// ---- the list ----

enum Types { F = 1, N = 2 | F, B = 4 | N, I = 8 };
constexpr bool takes(Types types, int t) {
  if (t <= kF16) return types & F;
  if (t == kBool) return types == B || types == I;
  return types == N || types == B || types == I;
}
template <int kType>
struct Computed {
  using type = Int;
};
template <>
struct Computed<kF32> {
  using type = Real<float>;
};
template <>
struct Computed<kF64> {
  using type = Real<double>;
};
template <>
struct Computed<kBF16> {
  using type = Real<float>;
};
template <>
struct Computed<kF16> {
  using type = Real<float>;
};

struct Names {
  const char* of[kDTypeCount];
};
#define MO_NAMES(name)                                                                           \
  Names {                                                                                        \
    {                                                                                          \
      name "_f32_cuda", name "_f64_cuda", name "_bf16_cuda", name "_f16_cuda", name "_i64_cuda", \
          name "_i32_cuda", name "_u8_cuda", name "_bool_cuda"                                 \
    }                                                                                          \
  }

template <class Op, int kInputs, bool kBoolOut, int kType = 0>
void fill_row(Entry<ElementwiseArgs>* row, const Names& names) {
  if constexpr (kType < kDTypeCount) {
    if constexpr (takes(Op::kTypes, kType)) {
      row[kType] = {kernel<Op, typename Computed<kType>::type, kInputs, kBoolOut, Op::kDivides, kType>,
                    names.of[kType]};
    }
    fill_row<Op, kInputs, kBoolOut, kType + 1>(row, names);
  }
}

constexpr bool same(const char* a, const char* b) {
  for (; *a && *a == *b; ++a, ++b) {
  }
  return *a == *b;
}
constexpr bool divides(const char* name) {
  return same(name, "fmod") || same(name, "remainder") || same(name, "floor_divide");
}

#define MO_OP(kind, name, types, formula, a, b, c, divisor)                                      \
  struct kind##_##name {                                                                         \
    static constexpr Types kTypes = types;                                                       \
    static constexpr bool kDivides = divisor;                                                    \
    template <class X>                                                                           \
    static MO_SCALAR auto of([[maybe_unused]] X a, [[maybe_unused]] X b, [[maybe_unused]] X c) { \
      return result<X>(formula);                                                                 \
    }                                                                                            \
  };
// A formula may be a constant, or a bool.
template <class X>
MO_SCALAR X result(X x) {
  return x;
}
template <class X>
MO_SCALAR X result(double x) {
  return X(x);
}
template <class X>
MO_SCALAR bool result(bool x) {
  return x;
}
template <class X>
MO_SCALAR bool result(int x) {
  return x != 0;
}
#define MO_UNARY(name, value, derivative, ulp, types) \
  MO_OP(Unary, name, types, value, x, u, v, false)    \
  MO_OP(Grad, name, F, derivative, g, x, y, false)
// A derivative that uses the result makes it again.
#define MO_GRAD(which, name, types, value, derivative)                                           \
  struct which##_##name {                                                                        \
    static constexpr Types kTypes = static_cast<Types>(types & F);                               \
    static constexpr bool kDivides = false;                                                      \
    template <class X>                                                                           \
    static MO_SCALAR auto of([[maybe_unused]] X g, [[maybe_unused]] X a, [[maybe_unused]] X b) { \
      [[maybe_unused]] const X y = X(value);                                                     \
      return X(derivative);                                                                      \
    }                                                                                            \
  };
#define MO_BINARY(name, value, da, db, ulp, types)           \
  MO_OP(Binary, name, types, value, a, b, c, divides(#name)) \
  MO_GRAD(GradA, name, types, value, da)                     \
  MO_GRAD(GradB, name, types, value, db)
#define MO_TERNARY(name, value, ulp, types) MO_OP(Ternary, name, types, value, x, a, b, false)
#define MO_COMPARE(name, value, types) MO_OP(Compare, name, types, value, a, b, c, false)
#define MO_TEST(name, value, types) MO_OP(Test, name, types, value, x, u, v, false)
#include "kernels/common/elementwise.def"

// ---- choice and copies: elements keep their bits where the type stays ----

template <int kSize>
__global__ void __launch_bounds__(kThreads) where_kernel(Operands a, int type) {
  using Bits = typename BitsOf<kSize>::type;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < a.total; i += stride) {
    int64_t place[4];
    a.walk.at(i, place);
    const bool test = a.in[0] ? element<uint8_t>(a.in[0], place[1]) != 0 : a.scalar[0].f != 0;
    const int k = test ? 1 : 2;
    if (a.in[k]) {
      put<Bits>(a.out, place[0], element<Bits>(a.in[k], place[k + 1]));
    } else if (type == kF64) {
      store(a.out, type, place[0], number<Real<double>>(a.scalar[k]));
    } else if (type <= kF16) {
      store(a.out, type, place[0], number<Real<float>>(a.scalar[k]));
    } else {
      store(a.out, type, place[0], number<Int>(a.scalar[k]));
    }
  }
}
template <int kType>
void where_of(const ElementwiseArgs* args, const Run* run) {
  const Operands a = operands_of(args, 3);
  launch(where_kernel<kBytes[kType]>, blocks_for(a.total, kThreads), kThreads, 0, run, a, kType);
}

struct Copied {
  void* out;
  const void* in;
  Scalar scalar;
  int64_t total;
  Walk<2> walk;
};
template <int kSize>
__global__ void __launch_bounds__(kThreads) move_kernel(Copied a) {
  using Bits = typename BitsOf<kSize>::type;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < a.total; i += stride) {
    int64_t place[2];
    a.walk.at(i, place);
    put<Bits>(a.out, place[0], element<Bits>(a.in, place[1]));
  }
}
// Through float, double or int64, whichever holds every value of the source.
template <class C>
__global__ void __launch_bounds__(kThreads) cast_kernel(Copied a, int from, int to) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < a.total; i += stride) {
    int64_t place[2];
    a.walk.at(i, place);
    C x = number<C>(a.scalar);
    if (a.in) load(a.in, from, place[1], &x);
    const auto v = x.v;
    if (to == kF64) {
      put<double>(a.out, place[0], cast_one<double>(v));
    } else if (to <= kF16) {
      store(a.out, to, place[0], Real<float>(static_cast<float>(v)));
    } else if (to == kBool) {
      put<uint8_t>(a.out, place[0], v != 0);
    } else if constexpr (IsReal<C>::value) {
      store(a.out, to, place[0], Int(to_int(v)));
    } else {
      store(a.out, to, place[0], x);
    }
  }
}
template <int kFrom, int kTo>
void copy_of(const CopyArgs* args, const Run* run) {
  const int64_t* const strides[2] = {args->out_stride, args->in_stride};
  Copied a{args->out, args->in, args->scalar, 1, walk(args->ndim, args->shape, strides)};
  for (int64_t d = 0; d < args->ndim; ++d) a.total *= args->shape[d];
  const unsigned blocks = blocks_for(a.total, kThreads);
  if (kFrom == kTo && a.in) {
    launch(move_kernel<kBytes[kFrom]>, blocks, kThreads, 0, run, a);
  } else if (!a.in) {
    // A number: whole ones of whole types, the others as double; a bool is true for 0.5 too.
    constexpr bool kReal = kTo <= kF16 || kTo == kBool;
    if (kReal) launch(cast_kernel<Real<double>>, blocks, kThreads, 0, run, a, static_cast<int>(kF64), kTo);
    if (!kReal) launch(cast_kernel<Int>, blocks, kThreads, 0, run, a, static_cast<int>(kI64), kTo);
  } else if (kFrom == kF64) {
    launch(cast_kernel<Real<double>>, blocks, kThreads, 0, run, a, kFrom, kTo);
  } else if (kFrom <= kF16) {
    launch(cast_kernel<Real<float>>, blocks, kThreads, 0, run, a, kFrom, kTo);
  } else {
    launch(cast_kernel<Int>, blocks, kThreads, 0, run, a, kFrom, kTo);
  }
}

template <int kType = 0>
void fill_where(Entry<ElementwiseArgs>* row, const Names& names) {
  if constexpr (kType < kDTypeCount) {
    row[kType] = {where_of<kType>, names.of[kType]};
    fill_where<kType + 1>(row, names);
  }
}
template <int kPair = 0>
void fill_copies(ElementwiseKernels* table) {
  if constexpr (kPair < kDTypeCount * kDTypeCount) {
    constexpr int from = kPair / kDTypeCount, to = kPair % kDTypeCount;
    table->copy[from][to] = {copy_of<from, to>, from == to ? "copy_cuda" : "cast_cuda"};
    fill_copies<kPair + 1>(table);
  }
}

}  // namespace

void fill_elementwise(ElementwiseKernels* table) {
#define MO_UNARY(name, ...)                                                       \
  fill_row<Unary_##name, 1, false>(table->unary[kUnary_##name], MO_NAMES(#name)); \
  fill_row<Grad_##name, 3, false>(table->unary_grad[kUnary_##name], MO_NAMES(#name "_grad"));
#define MO_BINARY(name, ...)                                                                          \
  fill_row<Binary_##name, 2, false>(table->binary[kBinary_##name], MO_NAMES(#name));                  \
  fill_row<GradA_##name, 3, false>(table->binary_grad[kBinary_##name][0], MO_NAMES(#name "_grad_a")); \
  fill_row<GradB_##name, 3, false>(table->binary_grad[kBinary_##name][1], MO_NAMES(#name "_grad_b"));
#define MO_TERNARY(name, ...) \
  fill_row<Ternary_##name, 3, false>(table->ternary[kTernary_##name], MO_NAMES(#name));
#define MO_COMPARE(name, ...) \
  fill_row<Compare_##name, 2, true>(table->compare[kCompare_##name], MO_NAMES(#name));
#define MO_TEST(name, ...) fill_row<Test_##name, 1, true>(table->test[kTest_##name], MO_NAMES(#name));
#include "kernels/common/elementwise.def"
  fill_where(table->where, MO_NAMES("where"));
  fill_copies(table);
}

}  // namespace markone::cuda
