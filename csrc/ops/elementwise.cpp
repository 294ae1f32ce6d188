#include "ops/elementwise.h"

#include <cstdlib>
#include <string_view>
#include <vector>

#include "core/cuda.h"
#include "ops/coalesce.h"
#include "ops/tables.h"

namespace markone {
namespace {

constexpr const char* kUnaryNames[] = {
#define MO_UNARY(name, ...) #name,
#include "kernels/common/elementwise.def"
};
constexpr const char* kBinaryNames[] = {
#define MO_BINARY(name, ...) #name,
#include "kernels/common/elementwise.def"
};
constexpr const char* kTernaryNames[] = {
#define MO_TERNARY(name, ...) #name,
#include "kernels/common/elementwise.def"
};
constexpr const char* kCompareNames[] = {
#define MO_COMPARE(name, ...) #name,
#include "kernels/common/elementwise.def"
};
constexpr const char* kTestNames[] = {
#define MO_TEST(name, ...) #name,
#include "kernels/common/elementwise.def"
};

// Which types an operation takes: F floating (integers become float32), N numbers, B bool too, I integers
// only.
constexpr char kUnaryTypes[] = {
#define MO_UNARY(name, value, derivative, ulp, types) *#types,
#include "kernels/common/elementwise.def"
};
constexpr char kBinaryTypes[] = {
#define MO_BINARY(name, value, da, db, ulp, types) *#types,
#include "kernels/common/elementwise.def"
};

// Whether a derivative's text uses the operand, so that a missing one is an error and not a zero.
constexpr bool mentions(std::string_view text, char operand) {
  const auto is_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == operand && (i == 0 || !is_name(text[i - 1])) &&
        (i + 1 == text.size() || !is_name(text[i + 1]))) {
      return true;
    }
  }
  return false;
}
struct Uses {
  bool x, y;
};
constexpr Uses kGradUses[] = {
#define MO_UNARY(name, value, derivative, ...) {mentions(#derivative, 'x'), mentions(#derivative, 'y')},
#include "kernels/common/elementwise.def"
};

// What one element costs, only to tell short calls from long ones: most are bound by memory, and those with a
// transcendental function take about 20 operations.
constexpr double kFlopsPerElement = 8;

int kind_rank(DType t) { return is_floating(t) ? 2 : t == kBool ? 0 : 1; }

bool overlaps(const Array& a, const Array& b) {
  int64_t a0, a1, b0, b1;
  if (a.storage().get() != b.storage().get()) return false;
  a.byte_range(&a0, &a1);
  b.byte_range(&b0, &b1);
  return a0 < b1 && b0 < a1;
}
bool same_window(const Array& a, const Array& b) {
  return a.storage().get() == b.storage().get() && a.offset() == b.offset() && a.dtype() == b.dtype() &&
         a.shape() == b.shape() && a.strides() == b.strides();
}

using Args = ElementwiseArgs;

// Every elementwise kernel is called here: broadcast, make safe against overlap, coalesce, submit.
void run(const char* op, const Entry<Args>& entry, DType kernel_type, const Array& out,
         std::initializer_list<const Operand*> operands) {
  const Kernel kernel = kernel_for(op, entry, kernel_type);
  if (out.numel() == 0) return;
  Launch<Args> call(op, kernel);
  Args& args = call.args;
  args.ndim = out.ndim();
  std::copy_n(out.shape().data(), out.ndim(), args.shape);
  std::copy_n(out.strides().data(), out.ndim(), args.out_stride);
  call.write(&Args::out, out);
  Array copies[3];  // of operands that overlap the result; they live until the call has run
  int k = 0;
  for (const Operand* operand : operands) {
    if (operand->kind != Operand::kArray) {
      args.scalar[k] = operand->scalar;
    } else if (operand->array) {
      const bool copied = overlaps(out, operand->array) && !same_window(out, operand->array);
      if (copied) copies[k] = clone(op, operand->array);
      const Array x = (copied ? copies[k] : operand->array).expand(op, out.shape());
      std::copy_n(x.strides().data(), x.ndim(), args.in_stride[k]);
      args.in[k] = x.data();
      call.touch(&args.in[k], x, false);
    }
    ++k;
  }
  int64_t* strides[] = {args.out_stride, args.in_stride[0], args.in_stride[1], args.in_stride[2]};
  coalesce(&args.ndim, args.shape, strides);
  if (!is_floating(kernel_type)) call.values("divisor");  // only integer division reports, and only zeros
  call.form(CallForm::kElementwise);
  call.submit(kFlopsPerElement * static_cast<double>(out.numel()));
}

// A number becomes what the type holds of it: -1 is 255 in uint8, as in PyTorch.
Operand as_type(const char* op, const Operand& x, DType dtype) {
  if (x.kind == Operand::kArray) return cast(op, x.array, dtype);
  if (dtype == kU8) return Operand::integer(static_cast<uint8_t>(x.scalar.i));
  if (dtype == kI32) return Operand::integer(static_cast<int32_t>(x.scalar.i));
  return x;
}

// As PyTorch: what is meant is ~ or logical_xor.
void check_minuend(BinaryOp op, const Operand& a, const Operand& b) {
  if (op != kBinary_sub) return;
  for (const Operand* x : {&a, &b}) {
    const bool truth = x->kind == Operand::kBoolNumber || (x->array && x->array.dtype() == kBool);
    MO_CHECK_KIND(ErrorKind::kRuntime, !truth, "sub",
                  "does not take bool; to turn a mask around write ~ or logical_not");
  }
}

// As PyTorch: an integer has no negative power.
void check_exponent(BinaryOp op, const Operand& b, DType dtype) {
  if (op != kBinary_pow || is_floating(dtype) || b.kind == Operand::kArray) return;
  MO_CHECK(b.scalar.i >= 0, "pow", "integers to the negative power ", b.scalar.i, " are not allowed");
}

// Of the first array.
Device device_of(std::initializer_list<const Operand*> operands) {
  for (const Operand* x : operands) {
    if (x->kind == Operand::kArray) return x->array.device();
  }
  return {};
}

const Dims kScalarShape;
const Dims& shape_of(const Operand& x) { return x.kind == Operand::kArray ? x.array.shape() : kScalarShape; }

}  // namespace

DType result_type(const char* op, std::initializer_list<const Operand*> operands) {
  int best_rank = -1;
  DType best = kBool;
  const auto merge = [&](int rank, DType dtype) {
    if (rank > best_rank) {
      best = dtype;
      best_rank = rank;
    }
  };
  const auto group = [&](bool with_dims) {
    bool any = false;
    DType dtype = kBool;
    for (const Operand* x : operands) {
      if (x->kind != Operand::kArray || (x->array.ndim() > 0) != with_dims) continue;
      dtype = any ? promote(dtype, x->array.dtype()) : x->array.dtype();
      any = true;
    }
    if (any) merge(kind_rank(dtype), dtype);
  };
  group(true);
  group(false);
  for (const Operand* x : operands) {
    if (x->kind == Operand::kFloatNumber) merge(2, kF32);
    if (x->kind == Operand::kIntNumber) merge(1, kI64);
    if (x->kind == Operand::kBoolNumber) merge(0, kBool);
  }
  MO_CHECK_TYPE(best_rank >= 0, op, "got no operand");
  return best;
}

// A function of floating types takes integers as float32, as in PyTorch.
DType computed_type(char types, DType dtype) { return types == 'F' && !is_floating(dtype) ? kF32 : dtype; }

Array unary(UnaryOp op, const Array& x) {
  if (op == kUnary_bitwise_not && x.dtype() == kBool) return test(kTest_logical_not, x);
  const char* name = kUnaryNames[op];
  const DType dtype = computed_type(kUnaryTypes[op], x.dtype());
  const Operand in = cast(name, x, dtype);
  const Array out = Array::empty(name, x.shape(), dtype, x.device());
  run(name, table_for(out).unary[op][dtype], dtype, out, {&in});
  return out;
}

Array unary_grad(UnaryOp op, const Array& g, const Array& x, const Array& y) {
  const char* name = kUnaryNames[op];
  MO_CHECK_TYPE(is_floating(g.dtype()), name, "a gradient must be floating, got ", name_of(g.dtype()));
  const auto operand = [&](const Array& array, bool used, const char* what) {
    if (!used) return Operand::number(0);
    MO_CHECK_TYPE(static_cast<bool>(array), name, "the gradient needs ", what);
    MO_CHECK(array.shape() == g.shape(), name, "the gradient has shape ", g.shape(), " but ", what, " has ",
             array.shape());
    return Operand(cast(name, array, g.dtype()));
  };
  const Operand operands[] = {g, operand(x, kGradUses[op].x, "the input"),
                              operand(y, kGradUses[op].y, "the result")};
  const Array out = Array::empty(name, g.shape(), g.dtype(), g.device());
  run(name, table_for(g).unary_grad[op][g.dtype()], g.dtype(), out,
      {&operands[0], &operands[1], &operands[2]});
  return out;
}

Array test(TestOp op, const Array& x) {
  const char* name = kTestNames[op];
  const Operand in = x;
  const Array out = Array::empty(name, x.shape(), kBool, x.device());
  run(name, table_for(x).test[op][x.dtype()], x.dtype(), out, {&in});
  return out;
}

Array binary(BinaryOp op, const Operand& a, const Operand& b) {
  const char* name = kBinaryNames[op];
  const DType dtype = computed_type(kBinaryTypes[op], result_type(name, {&a, &b}));
  check_exponent(op, b, dtype);
  check_minuend(op, a, b);
  const Array out =
      Array::empty(name, broadcast_shapes(name, shape_of(a), shape_of(b)), dtype, device_of({&a, &b}));
  const Operand left = as_type(name, a, dtype), right = as_type(name, b, dtype);
  run(name, table_for(out).binary[op][dtype], dtype, out, {&left, &right});
  return out;
}

Array binary_grad(BinaryOp op, int which, const Array& g, const Operand& a, const Operand& b) {
  const char* name = kBinaryNames[op];
  MO_CHECK_TYPE(is_floating(g.dtype()), name, "a gradient must be floating, got ", name_of(g.dtype()));
  MO_CHECK(which == 0 || which == 1, name, "has gradients 0 and 1, got ", which);
  const Operand up = g, left = as_type(name, a, g.dtype()), right = as_type(name, b, g.dtype());
  const Array out = Array::empty(name, g.shape(), g.dtype(), g.device());
  run(name, active_table().binary_grad[op][which][g.dtype()], g.dtype(), out, {&up, &left, &right});
  return out;
}

Array ternary(TernaryOp op, const Operand& x, const Operand& a, const Operand& b) {
  const char* name = kTernaryNames[op];
  const DType dtype = result_type(name, {&x, &a, &b});
  const Dims shape = broadcast_shapes(name, shape_of(x), broadcast_shapes(name, shape_of(a), shape_of(b)));
  const Array out = Array::empty(name, shape, dtype);
  const Operand in[] = {as_type(name, x, dtype), as_type(name, a, dtype), as_type(name, b, dtype)};
  run(name, active_table().ternary[op][dtype], dtype, out, {&in[0], &in[1], &in[2]});
  return out;
}

Array compare(CompareOp op, const Operand& a, const Operand& b) {
  const char* name = kCompareNames[op];
  const DType dtype = result_type(name, {&a, &b});
  const Array out =
      Array::empty(name, broadcast_shapes(name, shape_of(a), shape_of(b)), kBool, device_of({&a, &b}));
  const Operand left = as_type(name, a, dtype), right = as_type(name, b, dtype);
  run(name, table_for(out).compare[op][dtype], dtype, out, {&left, &right});
  return out;
}

Array where(const Array& condition, const Operand& a, const Operand& b) {
  MO_CHECK_TYPE(condition.dtype() == kBool, "where", "the condition must be bool, got ",
                name_of(condition.dtype()));
  const DType dtype = result_type("where", {&a, &b});
  const Dims shape =
      broadcast_shapes("where", condition.shape(), broadcast_shapes("where", shape_of(a), shape_of(b)));
  const Array out = Array::empty("where", shape, dtype, condition.device());
  const Operand test = condition, left = as_type("where", a, dtype), right = as_type("where", b, dtype);
  run("where", table_for(out).where[dtype], dtype, out, {&test, &left, &right});
  return out;
}

void binary_into(BinaryOp op, const Array& out, const Operand& a, const Operand& b) {
  const char* name = kBinaryNames[op];
  check_writable(name, out);
  const DType dtype = computed_type(kBinaryTypes[op], result_type(name, {&a, &b}));
  check_exponent(op, b, dtype);
  check_minuend(op, a, b);
  const Dims shape = broadcast_shapes(name, shape_of(a), shape_of(b));
  MO_CHECK_TYPE(kind_rank(dtype) <= kind_rank(out.dtype()), name, "a result of type ", name_of(dtype),
                " cannot be stored in place in ", name_of(out.dtype()));
  MO_CHECK(shape == out.shape(), name, "a result of shape ", shape, " cannot be stored in place in ",
           out.shape());
  if (dtype != out.dtype()) return copy_into(name, out, binary(op, a, b));
  const Operand left = as_type(name, a, dtype), right = as_type(name, b, dtype);
  run(name, table_for(out).binary[op][dtype], dtype, out, {&left, &right});
}

void unary_into(UnaryOp op, const Array& out, const Array& x) {
  const char* name = kUnaryNames[op];
  check_writable(name, out);
  MO_CHECK(x.shape() == out.shape(), name, "a result of shape ", x.shape(), " cannot be stored in ",
           out.shape());
  const DType dtype = computed_type(kUnaryTypes[op], x.dtype());
  MO_CHECK_TYPE(kind_rank(dtype) <= kind_rank(out.dtype()), name, "a result of type ", name_of(dtype),
                " cannot be stored in place in ", name_of(out.dtype()));
  if (dtype != out.dtype() || (dtype == kBool && op == kUnary_bitwise_not)) {
    return copy_into(name, out, unary(op, x));
  }
  const Operand in = cast(name, x, dtype);
  run(name, table_for(out).unary[op][dtype], dtype, out, {&in});
}

namespace {

// Whether two elements are the same memory. From the smallest stride on, a step that passes over all that the
// steps before it reach meets nothing twice; strides that interleave are looked at element by element.
bool overlaps_itself(const Array& a) {
  if (a.numel() < 2 || a.is_contiguous()) return false;
  int order[kMaxDims], count = 0;
  const auto step = [&a](int d) { return std::abs(a.stride(d)); };
  for (int d = 0; d < a.ndim(); ++d) {
    if (a.size(d) == 1) continue;
    if (a.stride(d) == 0) return true;
    int at = count++;
    for (; at > 0 && step(order[at - 1]) > step(d); --at) order[at] = order[at - 1];
    order[at] = d;
  }
  int64_t reach = 0;
  bool apart = true;
  for (int i = 0; i < count; ++i) {
    apart &= step(order[i]) > reach;
    reach += (a.size(order[i]) - 1) * step(order[i]);
  }
  if (apart) return false;
  if (reach + 1 < a.numel()) return true;
  std::vector<bool> seen(static_cast<size_t>(reach) + 1);
  for (int64_t element = 0; element < a.numel(); ++element) {
    int64_t rest = element, at = 0;
    for (int i = 0; i < count; ++i) {
      at += rest % a.size(order[i]) * step(order[i]);
      rest /= a.size(order[i]);
    }
    if (seen[static_cast<size_t>(at)]) return true;
    seen[static_cast<size_t>(at)] = true;
  }
  return false;
}

}  // namespace

void check_writable(const char* op, const Array& out) {
  MO_CHECK(!overlaps_itself(out), op,
           "more than one element of the written-to tensor refers to a single memory location (shape ",
           out.shape(), ", strides ", out.strides(), "): clone it first");
}

void copy_into(const char* op, const Array& out, const Array& in) {
  check_writable(op, out);
  Array x = to_device(op, in, out.device()).expand(op, out.shape());
  if (out.numel() == 0 || same_window(out, x)) return;
  if (overlaps(out, x)) x = clone(op, x);
  Launch<CopyArgs> call(op, kernel_for(op, table_for(out).copy[x.dtype()][out.dtype()], out.dtype()));
  CopyArgs& args = call.args;
  args.ndim = out.ndim();
  std::copy_n(out.shape().data(), out.ndim(), args.shape);
  std::copy_n(out.strides().data(), out.ndim(), args.out_stride);
  std::copy_n(x.strides().data(), out.ndim(), args.in_stride);
  call.write(&CopyArgs::out, out);
  call.read(&CopyArgs::in, x);
  int64_t* strides[] = {args.out_stride, args.in_stride};
  coalesce(&args.ndim, args.shape, strides);
  call.form(CallForm::kCopy);
  call.submit(0);
}

void fill(const char* op, const Array& out, Scalar value) {
  check_writable(op, out);
  if (out.numel() == 0) return;
  const bool whole = !is_floating(out.dtype()) && out.dtype() != kBool;
  MO_CHECK_KIND(ErrorKind::kRuntime, !whole || (value.f >= -0x1p63 && value.f <= 0x1p63), op, value.f,
                " is no ", name_of(out.dtype()));
  const DType from = whole ? kI64 : kF64;
  Launch<CopyArgs> call(op, kernel_for(op, table_for(out).copy[from][out.dtype()], out.dtype()));
  CopyArgs& args = call.args;
  args.ndim = out.ndim();
  std::copy_n(out.shape().data(), out.ndim(), args.shape);
  std::copy_n(out.strides().data(), out.ndim(), args.out_stride);
  args.scalar = value;
  call.write(&CopyArgs::out, out);
  int64_t* strides[] = {args.out_stride, args.in_stride};
  coalesce(&args.ndim, args.shape, strides);
  call.form(CallForm::kCopy);
  call.submit(0);
}

Array to_device(const char* op, const Array& x, Device device) {
  if (x.device() == device) return x;
  check_device(op, device);
  refuse_recording(op, "a replay does not copy between devices");
  if (x.device().type != DeviceType::kCPU && device.type != DeviceType::kCPU) {
    return to_device(op, to_device(op, x, {}), device);
  }
  const Array from = contiguous(op, x), out = Array::empty(op, x.shape(), x.dtype(), device);
  copy_bytes(op, out.data(), device, from.data(), from.device(), from.nbytes());
  return out;
}

Array clone(const char* op, const Array& x) {
  const Array out = Array::empty(op, x.shape(), x.dtype(), x.device());
  copy_into(op, out, x);
  return out;
}

Array contiguous(const char* op, const Array& x) { return x.is_contiguous() ? x : clone(op, x); }

Array cast(const char* op, const Array& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  const Array out = Array::empty(op, x.shape(), dtype, x.device());
  copy_into(op, out, x);
  return out;
}

}  // namespace markone
