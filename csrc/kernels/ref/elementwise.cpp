// Elementwise kernels in plain C++, one element at a time: floating types in double, integers exactly.
#include "contract/elementwise.h"

#include <math.h>

#include "kernels/common/special.h"

namespace markone::ref {
namespace {

#define MO_LIBRARY_1(name) \
  MO_SCALAR double name(double x) { return ::name(x); }
MO_LIBRARY_1(exp)
MO_LIBRARY_1(exp2)
MO_LIBRARY_1(expm1)
MO_LIBRARY_1(log)
MO_LIBRARY_1(log1p)
MO_LIBRARY_1(log2)
MO_LIBRARY_1(log10)
MO_LIBRARY_1(sin)
MO_LIBRARY_1(cos)
MO_LIBRARY_1(tan)
MO_LIBRARY_1(tanh)
MO_LIBRARY_1(erf)
MO_LIBRARY_1(sqrt)
MO_LIBRARY_1(floor)
MO_LIBRARY_1(ceil)
MO_LIBRARY_1(trunc)
MO_LIBRARY_1(atan)
MO_LIBRARY_1(sinh)
MO_LIBRARY_1(cosh)
MO_LIBRARY_1(asinh)
MO_LIBRARY_1(acosh)
MO_LIBRARY_1(atanh)
MO_LIBRARY_1(erfc)
#undef MO_LIBRARY_1
MO_SCALAR double abs(double x) { return ::fabs(x); }
MO_SCALAR double round(double x) { return ::nearbyint(x); }
MO_SCALAR double sign(double x) { return x > 0 ? 1.0 : x < 0 ? -1.0 : x; }
MO_SCALAR double square(double x) { return x * x; }
MO_SCALAR double exp_low(double x) { return ::exp(x); }
MO_SCALAR double log1p_unit(double x) { return ::log1p(x); }
MO_SCALAR double ndtr(double x) { return 0.5 * ::erfc(x * -0.7071067811865476); }
MO_SCALAR double sigmoid(double x) { return 1.0 / (1.0 + ::exp(-x)); }
MO_SCALAR double where(bool c, double a, double b) { return c ? a : b; }
MO_SCALAR double pow(double a, double b) { return ::pow(a, b); }
MO_SCALAR double atan2(double a, double b) { return ::atan2(a, b); }
MO_SCALAR double fmod(double a, double b) { return ::fmod(a, b); }
MO_SCALAR double remainder(double a, double b) {
  const double r = ::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
MO_SCALAR double floor_divide(double a, double b) {
  if (b == 0) return a / b;
  const double r = ::fmod(a, b);
  double q = (a - r) / b;
  if (r != 0 && (r < 0) != (b < 0)) q -= 1;
  if (q == 0) return ::copysign(0.0, a / b);
  const double down = ::floor(q);
  return q - down > 0.5 ? down + 1 : down;
}

MO_SCALAR double erfinv(double x) { return erfinv_of(x); }
MO_SCALAR double lgamma(double x) { return log_gamma(x); }
MO_SCALAR double digamma(double x) { return digamma_of(x); }
MO_SCALAR double polygamma(double x, double n) { return polygamma_of(x, n); }
MO_SCALAR double hypot(double a, double b) { return ::hypot(a, b); }
MO_SCALAR double copysign(double a, double b) { return ::copysign(a, b); }
MO_SCALAR bool signbit(double x) { return __builtin_signbit(x); }
MO_SCALAR double sinc(double x) {
  if (x == 0) return 1;
  const double n = ::nearbyint(x), sine = ::sin(kPi * (x - n));
  return (::fmod(n, 2.0) == 0 ? sine : -sine) / (kPi * x);
}

// An element as a value: floating types in v.real, integers and bool in v.integer.
struct Value {
  double real;
  Int integer;
};

template <class T>
Value load_as(const void* p) {
  const auto x = Widen<T>::of(*static_cast<const T*>(p));
  if constexpr (__is_same(decltype(x), const float) || __is_same(decltype(x), const double)) {
    return {x, 0};
  } else {
    return {0, static_cast<int64_t>(x)};
  }
}
template <class T, bool kReal>
void store_as(void* p, Value v) {
  *static_cast<T*>(p) = kReal ? cast_one<T>(v.real) : cast_one<T>(v.integer.v);
}
constexpr int kBytes[kDTypeCount] = {4, 8, 2, 2, 8, 4, 1, 1};
constexpr Value (*kLoad[])(const void*) = {load_as<float>,   load_as<double>,  load_as<BF16>,
                                           load_as<F16>,     load_as<int64_t>, load_as<int32_t>,
                                           load_as<uint8_t>, load_as<Bool>};
constexpr void (*kStore[])(void*, Value) = {
    store_as<float, true>,    store_as<double, true>,   store_as<BF16, true>,     store_as<F16, true>,
    store_as<int64_t, false>, store_as<int32_t, false>, store_as<uint8_t, false>, store_as<Bool, false>};

int64_t offset(int64_t ndim, const int64_t* shape, const int64_t* stride, int64_t i) {
  int64_t sum = 0;
  for (int64_t d = ndim - 1; d >= 0; --d) {
    sum += i % shape[d] * stride[d];
    i /= shape[d];
  }
  return sum;
}
int64_t total_of(int64_t ndim, const int64_t* shape) {
  int64_t total = 1;
  for (int64_t d = 0; d < ndim; ++d) total *= shape[d];
  return total;
}
const void* input(const ElementwiseArgs* args, int k, int bytes, int64_t i) {
  return static_cast<const char*>(args->in[k]) +
         offset(args->ndim, args->shape, args->in_stride[k], i) * bytes;
}
void* output(const ElementwiseArgs* args, int bytes, int64_t i) {
  return static_cast<char*>(args->out) + offset(args->ndim, args->shape, args->out_stride, i) * bytes;
}
// A number takes part in the type that its operation computes in: float for all floating types but float64.
Value number(Scalar scalar, DType type) {
  return {type == kF64 ? scalar.f : static_cast<float>(scalar.f), scalar.i};
}

using Function = Value (*)(Value a, Value b, Value c);

void run_all(const ElementwiseArgs* args, const Run* run, Function f, int inputs, DType type, DType out_type,
             bool divides) {
  const int64_t total = total_of(args->ndim, args->shape);
  for (int64_t i = 0; i < total; ++i) {
    Value v[3] = {};
    for (int k = 0; k < inputs; ++k) {
      v[k] = args->in[k] ? kLoad[type](input(args, k, kBytes[type], i)) : number(args->scalar[k], type);
    }
    if (divides && type >= kI64 && v[1].integer.v == 0) run->report(run, i, 0, 1, INT64_MAX);
    kStore[out_type](output(args, kBytes[out_type], i), f(v[0], v[1], v[2]));
  }
}

MO_SCALAR Value value_of(double x) { return {x, 0}; }
MO_SCALAR Value value_of(Int x) { return {0, x}; }
MO_SCALAR Value value_of(int x) { return {0, x}; }  // a bool, or two of them combined

template <class F, bool kReal>
Value call(Value a, Value b, Value c) {
  if constexpr (kReal) {
    return value_of(F::of(a.real, b.real, c.real));
  } else {
    return value_of(F::of(a.integer, b.integer, c.integer));
  }
}

template <class F, DType kType, bool kBoolOut, int kInputs>
void kernel(const ElementwiseArgs* args, const Run* run) {
  run_all(args, run, call<F, (kType <= kF16)>, kInputs, kType, kBoolOut ? kBool : kType, F::kDivides);
}

enum Types { F = 1, N = 2 | F, B = 4 | N, I = 8 };
constexpr bool takes(Types types, DType t) {
  if (t <= kF16) return types & F;
  if (t == kBool) return types == B || types == I;
  return types == N || types == B || types == I;
}
struct Names {
  const char* of[kDTypeCount];
};
#define MO_NAMES(name)                                                                      \
  Names {                                                                                   \
    {                                                                                                \
      name "_f32_ref", name "_f64_ref", name "_bf16_ref", name "_f16_ref", name "_i64_ref",          \
          name "_i32_ref", name "_u8_ref", name "_bool_ref"                                          \
    }                                                                                                \
  }

template <class Op, int kInputs, bool kBoolOut, int kType = 0>
void fill_row(Entry<ElementwiseArgs>* row, const Names& names) {
  if constexpr (kType < kDTypeCount) {
    if constexpr (takes(Op::kTypes, static_cast<DType>(kType))) {
      row[kType] = {kernel<Op, static_cast<DType>(kType), kBoolOut, kInputs>, names.of[kType]};
    }
    fill_row<Op, kInputs, kBoolOut, kType + 1>(row, names);
  }
}

constexpr bool divides(const char* name) {
  return __builtin_strcmp(name, "fmod") == 0 || __builtin_strcmp(name, "remainder") == 0 ||
         __builtin_strcmp(name, "floor_divide") == 0;
}

#define MO_OP(kind, name, types, formula, a, b, c, divisor)                            \
  struct kind##_##name {                                                               \
    static constexpr Types kTypes = types;                                             \
    static constexpr bool kDivides = divisor;                                          \
    template <class X>                                                                 \
    static auto of([[maybe_unused]] X a, [[maybe_unused]] X b, [[maybe_unused]] X c) { \
      return formula;                                                                  \
    }                                                                                  \
  };
#define MO_UNARY(name, value, derivative, ulp, types) \
  MO_OP(Unary, name, types, value, x, u, v, false)    \
  MO_OP(Grad, name, F, derivative, g, x, y, false)
// A derivative that uses the result makes it again.
#define MO_GRAD(which, name, types, value, derivative)     \
  MO_OP(which, name, static_cast<Types>(types & F), ([&] { \
          [[maybe_unused]] const X y = value;              \
          return derivative;                               \
        }()),                                              \
        g, a, b, false)
#define MO_BINARY(name, value, da, db, ulp, types)           \
  MO_OP(Binary, name, types, value, a, b, c, divides(#name)) \
  MO_GRAD(GradA, name, types, value, da)                     \
  MO_GRAD(GradB, name, types, value, db)
#define MO_TERNARY(name, value, ulp, types) MO_OP(Ternary, name, types, value, x, a, b, false)
#define MO_COMPARE(name, value, types) MO_OP(Compare, name, types, value, a, b, c, false)
#define MO_TEST(name, value, types) MO_OP(Test, name, types, value, x, u, v, false)
#include "kernels/common/elementwise.def"

// Elements keep their bits; only a number is rounded to the type.
template <DType kType>
void where_kernel(const ElementwiseArgs* args, const Run*) {
  constexpr int bytes = kBytes[kType];
  const int64_t total = total_of(args->ndim, args->shape);
  for (int64_t i = 0; i < total; ++i) {
    const bool test =
        args->in[0] ? *static_cast<const uint8_t*>(input(args, 0, 1, i)) != 0 : args->scalar[0].f != 0;
    const int k = test ? 1 : 2;
    void* out = output(args, bytes, i);
    if (args->in[k]) {
      __builtin_memcpy(out, input(args, k, bytes, i), bytes);
    } else {
      kStore[kType](out, number(args->scalar[k], kType));
    }
  }
}

template <DType kFrom, DType kTo>
void copy_kernel(const CopyArgs* args, const Run*) {
  using From = typename TypeOf<kFrom>::type;
  using To = typename TypeOf<kTo>::type;
  const int64_t total = total_of(args->ndim, args->shape);
  for (int64_t i = 0; i < total; ++i) {
    To x;
    if (!args->in) {
      // A bool is true for 0.5 too.
      x = kTo <= kF16 || kTo == kBool ? cast_one<To>(args->scalar.f) : cast_one<To>(args->scalar.i);
    } else {
      const From from =
          static_cast<const From*>(args->in)[offset(args->ndim, args->shape, args->in_stride, i)];
      if constexpr (kFrom == kTo) {
        x = from;
      } else {
        x = cast_one<To>(from);
      }
    }
    static_cast<To*>(args->out)[offset(args->ndim, args->shape, args->out_stride, i)] = x;
  }
}

template <int kType = 0>
void fill_where(Entry<ElementwiseArgs>* row, const Names& names) {
  if constexpr (kType < kDTypeCount) {
    row[kType] = {where_kernel<static_cast<DType>(kType)>, names.of[kType]};
    fill_where<kType + 1>(row, names);
  }
}
template <int kPair = 0>
void fill_pairs(ElementwiseKernels* table) {
  if constexpr (kPair < kDTypeCount * kDTypeCount) {
    constexpr DType from = static_cast<DType>(kPair / kDTypeCount),
                    to = static_cast<DType>(kPair % kDTypeCount);
    table->copy[from][to] = {copy_kernel<from, to>, "copy_ref"};
    fill_pairs<kPair + 1>(table);
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
  fill_pairs(table);
}

}  // namespace markone::ref
