#include "ops/elementwise.h"

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
constexpr const char* kCompareNames[] = {
#define MO_COMPARE(name, ...) #name,
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
  if (out.numel() == 0) return;
  Launch<Args> call(op, kernel_for(op, entry, kernel_type));
  Args& args = call.args;
  args.ndim = out.ndim();
  std::copy_n(out.shape().data(), out.ndim(), args.shape);
  std::copy_n(out.strides().data(), out.ndim(), args.out_stride);
  call.write(&Args::out, out);
  int k = 0;
  for (const Operand* operand : operands) {
    if (operand->kind != Operand::kArray) {
      args.scalar[k] = operand->scalar;
    } else if (operand->array) {
      Array x = operand->array;
      if (overlaps(out, x) && !same_window(out, x)) x = clone(op, x);
      x = x.expand(op, out.shape());
      std::copy_n(x.strides().data(), x.ndim(), args.in_stride[k]);
      args.in[k] = x.data();
      call.touch(&args.in[k], x, false);
    }
    ++k;
  }
  int64_t* strides[] = {args.out_stride, args.in_stride[0], args.in_stride[1], args.in_stride[2]};
  coalesce(&args.ndim, args.shape, strides);
  call.submit(kFlopsPerElement * static_cast<double>(out.numel()));
}

Operand as_type(const char* op, const Operand& x, DType dtype) {
  return x.kind == Operand::kArray ? Operand(cast(op, x.array, dtype)) : x;
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

Array unary(UnaryOp op, const Array& x) {
  const char* name = kUnaryNames[op];
  // A function that is only defined for floating types takes integers as float32, as in PyTorch.
  const DType dtype =
      active_table().unary[op][x.dtype()].function || is_floating(x.dtype()) ? x.dtype() : kF32;
  const Operand in = cast(name, x, dtype);
  const Array out = Array::empty(name, x.shape(), dtype);
  run(name, active_table().unary[op][dtype], dtype, out, {&in});
  return out;
}

Array unary_grad(UnaryOp op, const Array& g, const Array& x, const Array& y) {
  const char* name = kUnaryNames[op];
  const Operand operands[] = {g, x, y};
  const Array out = Array::empty(name, g.shape(), g.dtype());
  run(name, active_table().unary_grad[op][g.dtype()], g.dtype(), out,
      {&operands[0], &operands[1], &operands[2]});
  return out;
}

Array binary(BinaryOp op, const Operand& a, const Operand& b) {
  const char* name = kBinaryNames[op];
  const DType dtype = result_type(name, {&a, &b});
  const Array out = Array::empty(name, broadcast_shapes(name, shape_of(a), shape_of(b)), dtype);
  const Operand left = as_type(name, a, dtype), right = as_type(name, b, dtype);
  run(name, active_table().binary[op][dtype], dtype, out, {&left, &right});
  return out;
}

Array compare(CompareOp op, const Operand& a, const Operand& b) {
  const char* name = kCompareNames[op];
  const DType dtype = result_type(name, {&a, &b});
  const Array out = Array::empty(name, broadcast_shapes(name, shape_of(a), shape_of(b)), kBool);
  const Operand left = as_type(name, a, dtype), right = as_type(name, b, dtype);
  run(name, active_table().compare[op][dtype], dtype, out, {&left, &right});
  return out;
}

Array where(const Array& condition, const Operand& a, const Operand& b) {
  MO_CHECK_TYPE(condition.dtype() == kBool, "where", "the condition must be bool, got ",
                name_of(condition.dtype()));
  const DType dtype = result_type("where", {&a, &b});
  const Dims shape =
      broadcast_shapes("where", condition.shape(), broadcast_shapes("where", shape_of(a), shape_of(b)));
  const Array out = Array::empty("where", shape, dtype);
  const Operand test = condition, left = as_type("where", a, dtype), right = as_type("where", b, dtype);
  run("where", active_table().where[dtype], dtype, out, {&test, &left, &right});
  return out;
}

void binary_into(BinaryOp op, const Array& out, const Operand& a, const Operand& b) {
  const char* name = kBinaryNames[op];
  const DType dtype = result_type(name, {&a, &b});
  const Dims shape = broadcast_shapes(name, shape_of(a), shape_of(b));
  MO_CHECK_TYPE(kind_rank(dtype) <= kind_rank(out.dtype()), name, "a result of type ", name_of(dtype),
                " cannot be stored in place in ", name_of(out.dtype()));
  MO_CHECK(shape == out.shape(), name, "a result of shape ", shape, " cannot be stored in place in ",
           out.shape());
  if (dtype != out.dtype()) return copy_into(name, out, binary(op, a, b));
  const Operand left = as_type(name, a, dtype), right = as_type(name, b, dtype);
  run(name, active_table().binary[op][dtype], dtype, out, {&left, &right});
}

void unary_into(UnaryOp op, const Array& out, const Array& x) {
  const char* name = kUnaryNames[op];
  MO_CHECK(x.shape() == out.shape(), name, "a result of shape ", x.shape(), " cannot be stored in ",
           out.shape());
  const Operand in = cast(name, x, out.dtype());
  run(name, active_table().unary[op][out.dtype()], out.dtype(), out, {&in});
}

void copy_into(const char* op, const Array& out, const Array& in) {
  Array x = in.expand(op, out.shape());
  if (out.numel() == 0 || same_window(out, x)) return;
  if (overlaps(out, x)) x = clone(op, x);
  Launch<CopyArgs> call(op, kernel_for(op, active_table().copy[x.dtype()][out.dtype()], out.dtype()));
  CopyArgs& args = call.args;
  args.ndim = out.ndim();
  std::copy_n(out.shape().data(), out.ndim(), args.shape);
  std::copy_n(out.strides().data(), out.ndim(), args.out_stride);
  std::copy_n(x.strides().data(), out.ndim(), args.in_stride);
  call.write(&CopyArgs::out, out);
  call.read(&CopyArgs::in, x);
  int64_t* strides[] = {args.out_stride, args.in_stride};
  coalesce(&args.ndim, args.shape, strides);
  call.submit(0);
}

void fill(const char* op, const Array& out, Scalar value) {
  if (out.numel() == 0) return;
  const DType from = is_floating(out.dtype()) ? kF64 : kI64;
  Launch<CopyArgs> call(op, kernel_for(op, active_table().copy[from][out.dtype()], out.dtype()));
  CopyArgs& args = call.args;
  args.ndim = out.ndim();
  std::copy_n(out.shape().data(), out.ndim(), args.shape);
  std::copy_n(out.strides().data(), out.ndim(), args.out_stride);
  args.scalar = value;
  call.write(&CopyArgs::out, out);
  int64_t* strides[] = {args.out_stride, args.in_stride};
  coalesce(&args.ndim, args.shape, strides);
  call.submit(0);
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
