#include "ops/reduce.h"

#include "ops/coalesce.h"
#include "ops/elementwise.h"
#include "ops/tables.h"

namespace markone {
namespace {

struct ReduceInfo {
  const char* name;
  char types;
};
constexpr ReduceInfo kReduceInfo[] = {
#define MO_REDUCE(name, init, map, combine, finish, types) {#name, #types[0]},
#include "kernels/common/reduce.def"
};

// Which dimensions go, and what is left.
struct Split {
  bool reduced[kMaxDims] = {};
  int64_t count = 1;     // elements combined to one
  Dims kept, kept_ones;  // the shape without the reduced dimensions, and with size 1 in their place
};

Split split_dims(const char* op, const Array& x, const Dims& dims) {
  Split split;
  for (int64_t dim : dims) {
    const int d = wrap_dim(op, dim, x.ndim());
    MO_CHECK(!split.reduced[d], op, "dimension ", dim, " appears twice in ", dims);
    split.reduced[d] = true;
  }
  for (int d = 0; d < x.ndim(); ++d) {
    split.reduced[d] |= dims.empty();
    if (split.reduced[d])
      split.count *= x.size(d);
    else
      split.kept.push_back(x.size(d));
    split.kept_ones.push_back(split.reduced[d] ? 1 : x.size(d));
  }
  return split;
}

using Args = ReduceArgs;

// The outputs may be visited in any order, so those that lie closest in memory become the innermost loop.
void sort_outer(Args& a) {
  for (int64_t i = 1; i < a.outer_ndim; ++i) {
    for (int64_t k = i; k > 0 && std::abs(a.outer_in_stride[k - 1]) < std::abs(a.outer_in_stride[k]); --k) {
      std::swap(a.outer_shape[k - 1], a.outer_shape[k]);
      std::swap(a.outer_in_stride[k - 1], a.outer_in_stride[k]);
      std::swap(a.outer_out_stride[k - 1], a.outer_out_stride[k]);
    }
  }
}

// x has a type that the kernels compute from; `shift` is empty or has the shape kept_ones.
Array run(ReduceOp op, const Array& x, const Split& split, DType out_type, double divisor,
          const Array& shift) {
  const char* name = kReduceInfo[op].name;
  const Array out = Array::empty(name, split.kept_ones, out_type, x.device());
  if (out.numel() == 0) return out;
  Launch<Args> call(name, kernel_for(name, table_for(x).reduce[op][x.dtype()], x.dtype()));
  Args& a = call.args;
  for (int d = 0; d < x.ndim(); ++d) {
    if (split.reduced[d]) {
      a.inner_shape[a.inner_ndim] = x.size(d);
      a.inner_stride[a.inner_ndim++] = x.stride(d);
    } else if (x.size(d) != 1) {
      a.outer_shape[a.outer_ndim] = x.size(d);
      a.outer_in_stride[a.outer_ndim] = x.stride(d);
      a.outer_out_stride[a.outer_ndim++] = out.stride(d);
    }
  }
  if (split.count == 0) {  // an outer one of several empty dimensions has nothing to step over
    a.inner_ndim = 1;
    a.inner_shape[0] = 0;
    a.inner_stride[0] = 1;
  }
  a.outputs = out.numel();
  a.count = split.count;
  a.divisor = divisor;
  sort_outer(a);
  int64_t* outer[] = {a.outer_in_stride, a.outer_out_stride};
  coalesce(&a.outer_ndim, a.outer_shape, outer);
  int64_t* inner[] = {a.inner_stride};
  coalesce(&a.inner_ndim, a.inner_shape, inner);
  call.read(&Args::in, x);
  if (shift) call.read(&Args::shift, shift);
  call.write(&Args::out, out);
  const int64_t blocks = (a.count + kReduceBlock - 1) / kReduceBlock;
  call.submit(static_cast<double>(x.numel()), blocks > 1 ? a.outputs * blocks * 8 : 0);
  return out;
}

void want_floating(const char* op, const Array& x) {
  MO_CHECK_TYPE(is_floating(x.dtype()), op, "wants a floating type, got ", name_of(x.dtype()));
}

}  // namespace

const char* name_of(ReduceOp op) { return kReduceInfo[op].name; }

Array reduce(ReduceOp op, const Array& x, const Dims& dims, bool keepdim) {
  const auto [name, types] = kReduceInfo[op];
  if (types == 'F') want_floating(name, x);
  const Split split = split_dims(name, x, dims);
  MO_CHECK_INDEX(types != 'S' || split.count > 0, name, "shape ", x.shape(),
                 " has nothing to reduce over dims ", dims);
  const bool wide = types == 'W' && !is_floating(x.dtype());
  const DType out_type = types == 'B' ? kBool : wide ? kI64 : x.dtype();
  const Array out = run(op, x, split, out_type, static_cast<double>(split.count), Array());
  return keepdim ? out : out.reshape_view(name, split.kept);
}

Array var(const Array& x, const Dims& dims, double correction, bool keepdim) {
  want_floating("var", x);
  const Split split = split_dims("var", x, dims);
  const Array in = cast("var", x, is_half(x.dtype()) ? kF32 : x.dtype());
  const double count = static_cast<double>(split.count);
  const Array mean = run(kReduce_mean, in, split, in.dtype(), count, Array());
  const Array out = cast(
      "var", run(kReduce_var, in, split, in.dtype(), std::max(0.0, count - correction), mean), x.dtype());
  return keepdim ? out : out.reshape_view("var", split.kept);
}

Array arg_reduce(bool max, const Array& x, std::optional<int64_t> dim, bool keepdim) {
  const char* op = max ? "argmax" : "argmin";
  const int d = dim ? wrap_dim(op, *dim, x.ndim()) : 0;
  const bool flat = !dim || x.ndim() == 0;
  const int64_t n = flat ? x.numel() : x.size(d);
  MO_CHECK_INDEX(n > 0, op, "shape ", x.shape(), " has nothing to choose from");
  Dims shape;
  for (int i = 0; i < x.ndim(); ++i) {
    const bool gone = flat || i == d;
    if (!gone || keepdim) shape.push_back(gone ? 1 : x.size(i));
  }
  const Array out = Array::empty(op, shape, kI64, x.device());
  if (out.numel() == 0) return out;
  const DType dtype = is_half(x.dtype()) ? kF32 : is_floating(x.dtype()) ? x.dtype() : kI64;
  const Array in = prepared(op, x, dtype);
  const KernelTable& table = table_for(x);
  Launch<ArgReduceArgs> call(op, kernel_for(op, max ? table.argmax[dtype] : table.argmin[dtype], dtype));
  call.args.outer = call.args.inner = 1;
  call.args.n = n;
  for (int i = 0; !flat && i < x.ndim(); ++i)
    (i < d ? call.args.outer : call.args.inner) *= i == d ? 1 : x.size(i);
  call.read(&ArgReduceArgs::in, in);
  call.write(&ArgReduceArgs::out, out);
  call.submit(static_cast<double>(x.numel()));
  return out;
}

}  // namespace markone
