// Elementwise operations with broadcasting and PyTorch's type rules, and copies.
#pragma once
#include <optional>

#include "contract/elementwise.h"
#include "core/array.h"

namespace markone {

// An array, or a Python number that takes part in type promotion only by its kind (PyTorch's "wrapped
// number").
struct Operand {
  Array array;  // empty for a number
  Scalar scalar{};
  enum Kind { kArray, kBoolNumber, kIntNumber, kFloatNumber } kind = kArray;

  Operand() = default;
  Operand(const Array& a) : array(a) {}  // NOLINT: an array is an operand
  static Operand number(double value) {
    // What int64 cannot hold becomes INT64_MIN, as in the kernels' casts.
    const bool fits = value >= -0x1p63 && value < 0x1p63;
    return with_kind({value, fits ? static_cast<int64_t>(value) : INT64_MIN}, kFloatNumber);
  }
  static Operand integer(int64_t value) { return with_kind({static_cast<double>(value), value}, kIntNumber); }
  static Operand boolean(bool value) { return with_kind({value ? 1.0 : 0.0, value}, kBoolNumber); }
  static Operand with_kind(Scalar scalar, Kind kind) {
    Operand out;
    out.scalar = scalar;
    out.kind = kind;
    return out;
  }
};

// The dtype of a result: arrays with dimensions decide first, then 0-d arrays, then numbers; a later group
// only wins when its kind (bool < integer < floating) is higher. A float number with integer arrays gives
// float32.
DType result_type(const char* op, std::initializer_list<const Operand*> operands);

Array unary(UnaryOp op, const Array& x);
// The gradient of x from that of the result; x or y may be empty where the derivative does not use it.
Array unary_grad(UnaryOp op, const Array& g, const Array& x, const Array& y);
Array binary(BinaryOp op, const Operand& a, const Operand& b);
// The gradient of a (which = 0) or of b (1) from that of the result, in its shape and type.
Array binary_grad(BinaryOp op, int which, const Array& g, const Operand& a, const Operand& b);
Array ternary(TernaryOp op, const Operand& x, const Operand& a, const Operand& b);
// isnan and its like, of one operand.
Array test(TestOp op, const Array& x);
Array compare(CompareOp op, const Operand& a, const Operand& b);
Array where(const Array& condition, const Operand& a, const Operand& b);

// In place: the result must have the shape and a type that holds it.
void binary_into(BinaryOp op, const Array& out, const Operand& a, const Operand& b);
void unary_into(UnaryOp op, const Array& out, const Array& x);

// out[i] = in[i] with broadcasting and a cast; `op` names the operation that needed it.
void copy_into(const char* op, const Array& out, const Array& in);
void fill(const char* op, const Array& out, Scalar value);
// Writes through a view in which several elements share memory have no meaning: raises ValueError.
void check_writable(const char* op, const Array& out);
Array contiguous(const char* op, const Array& x);         // x itself where it is contiguous already
Array cast(const char* op, const Array& x, DType dtype);  // x itself where it has the type already
Array clone(const char* op, const Array& x);
Array to_device(const char* op, const Array& x, Device device);  // x itself where it is there already

// x cast to `dtype` and contiguous, for operations whose kernels want it so.
inline Array prepared(const char* op, const Array& x, DType dtype) {
  return contiguous(op, cast(op, x, dtype));
}

}  // namespace markone
