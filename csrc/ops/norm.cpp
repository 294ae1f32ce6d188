#include "ops/norm.h"

#include <algorithm>

#include "core/parallel.h"
#include "ops/elementwise.h"
#include "ops/tables.h"

namespace markone {
namespace {

DType computed_type(const char* op, const Array& x) {
  MO_CHECK_TYPE(is_floating(x.dtype()), op, "wants a floating type, got ", name_of(x.dtype()));
  return is_half(x.dtype()) ? kF32 : x.dtype();
}

// An optional array of a wanted shape, ready for a kernel.
Array optional(const char* op, const char* what, const Array& array, const Dims& shape, DType dtype) {
  if (!array) return array;
  MO_CHECK(array.shape() == shape, op, what, " has shape ", array.shape(), ", wanted ", shape);
  MO_CHECK_TYPE(is_floating(array.dtype()), op, what, " must be floating, got ", name_of(array.dtype()));
  return prepared(op, array, dtype);
}

Array made(const char* op, bool wanted, const Dims& shape, DType dtype, const Array& like) {
  if (!wanted) return Array();
  const Array out = Array::empty(op, shape, dtype, like.device());
  if (like.numel() == 0) fill(op, out, {});
  return out;
}

// How row_norm sees its input.
struct Rows {
  const char* op;
  bool centred;
  int64_t rows = 1, n = 1, wrap = 1, inner = 1;
  Dims channels;  // the shape of weight and bias

  Rows(const std::string& kind, const Array& x, const Dims& size) {
    static constexpr const char* kKinds[] = {"layer_norm", "rms_norm", "group_norm", "instance_norm"};
    op = nullptr;
    for (const char* known : kKinds) {
      if (kind == known) op = known;
    }
    MO_CHECK(op, "row_norm", "there is no '", kind, "'");
    centred = kind != "rms_norm";
    const int ndim = x.ndim();
    if (kind == "group_norm" || kind == "instance_norm") {
      MO_CHECK(ndim >= 2, op, "the input must have shape [N, C, ...], got ", x.shape());
      const int64_t groups = size.size() == 1 ? size[0] : 0;
      MO_CHECK(groups > 0 && x.size(1) % groups == 0, op, "the ", x.size(1), " channels of shape ", x.shape(),
               " cannot be split into ", size, " groups");
      channels = {x.size(1)};
      wrap = groups;
      rows = checked_mul(op, x.size(0), groups);
      for (int i = 2; i < ndim; ++i) inner *= x.size(i);
      n = x.size(1) / groups * inner;
      return;
    }
    MO_CHECK(size.size() >= 1, op, "normalized_shape must have at least one dimension");
    const int outer = ndim - size.size();
    bool fits = outer >= 0;
    for (int i = 0; fits && i < size.size(); ++i) fits = x.size(outer + i) == size[i];
    MO_CHECK_KIND(ErrorKind::kRuntime, fits, op, "the input of shape ", x.shape(),
                  " does not end with the normalized_shape ", size);
    channels = size;
    for (int i = 0; i < ndim; ++i) (i < outer ? rows : n) *= x.size(i);
  }
  template <class Args>
  void put(Args& args) const {
    args.rows = rows;
    args.n = n;
    args.wrap = wrap;
    args.inner = inner;
    args.centred = centred;
  }
};

// [N, C, ...] as outer, channels, inner.
template <class Args>
void set_channels(const char* op, Args& args, const Array& x) {
  MO_CHECK(x.ndim() >= 2, op, "the input must have shape [N, C, ...], got ", x.shape());
  args.outer = x.size(0);
  args.channels = x.size(1);
  args.inner = 1;
  for (int i = 2; i < x.ndim(); ++i) args.inner *= x.size(i);
}

void check_same_shape(const char* op, const Array& g, const Array& x) {
  MO_CHECK(g.shape() == x.shape(), op, "g has shape ", g.shape(), " but x has ", x.shape());
}

// About what an element costs; only to tell short calls from long ones.
double flops(const Array& x) { return 8 * static_cast<double>(x.numel()); }

}  // namespace

Three row_norm(const std::string& kind, const Array& x, const Dims& size, const Array& weight,
               const Array& bias, double eps) {
  const Rows rows(kind, x, size);
  const char* op = rows.op;
  const DType dtype = computed_type(op, x);
  const Array in = prepared(op, x, dtype), w = optional(op, "weight", weight, rows.channels, dtype),
              b = optional(op, "bias", bias, rows.channels, dtype);
  const Array y = Array::empty(op, x.shape(), dtype, x.device()),
              mean = made(op, true, {rows.rows}, dtype, x), scale = made(op, true, {rows.rows}, dtype, x);
  if (x.numel() > 0) {
    Launch<RowNormArgs> call(op, kernel_for(op, table_for(x).row_norm[dtype], dtype));
    rows.put(call.args);
    call.args.eps = eps;
    call.read(&RowNormArgs::x, in);
    if (w) call.read(&RowNormArgs::weight, w);
    if (b) call.read(&RowNormArgs::bias, b);
    call.write(&RowNormArgs::y, y);
    call.write(&RowNormArgs::mean, mean);
    call.write(&RowNormArgs::scale, scale);
    call.submit(flops(x));
  }
  return {cast(op, y, x.dtype()), mean, scale};
}

Three row_norm_grad(const std::string& kind, const Array& g, const Array& x, const Dims& size,
                    const Array& weight, const Array& mean, const Array& scale, bool want_x, bool want_weight,
                    bool want_bias) {
  const Rows rows(kind, x, size);
  const char* op = rows.op;
  const DType dtype = computed_type(op, x);
  check_same_shape(op, g, x);
  MO_CHECK(mean && scale, op, "the gradient wants the saved mean and scale");
  const Array up = prepared(op, g, dtype), in = prepared(op, x, dtype),
              w = optional(op, "weight", weight, rows.channels, dtype),
              m = optional(op, "mean", mean, {rows.rows}, dtype),
              s = optional(op, "scale", scale, {rows.rows}, dtype);
  const Array dx = made(op, want_x, x.shape(), dtype, x),
              dweight = made(op, want_weight, rows.channels, dtype, x),
              dbias = made(op, want_bias, rows.channels, dtype, x);
  if (x.numel() > 0) {
    Launch<RowNormGradArgs> call(op, kernel_for(op, table_for(x).row_norm_grad[dtype], dtype));
    rows.put(call.args);
    // Enough rows that their parts are few beside the input, and not so many that threads have nothing to do.
    call.args.block = std::clamp<int64_t>(16384 / rows.n, 16, 256);
    const bool by_element = rows.wrap == 1 && rows.inner == 1;
    const int64_t parts = by_element ? (rows.rows + call.args.block - 1) / call.args.block * rows.n
                                     : rows.rows * (rows.n / rows.inner);
    call.read(&RowNormGradArgs::g, up);
    call.read(&RowNormGradArgs::x, in);
    if (w) call.read(&RowNormGradArgs::weight, w);
    call.read(&RowNormGradArgs::mean, m);
    call.read(&RowNormGradArgs::scale, s);
    if (dx) call.write(&RowNormGradArgs::dx, dx);
    if (dweight) call.write(&RowNormGradArgs::dweight, dweight);
    if (dbias) call.write(&RowNormGradArgs::dbias, dbias);
    call.submit(2 * flops(x), checked_mul(op, parts, 16));
  }
  return {want_x ? cast(op, dx, x.dtype()) : dx, dweight, dbias};
}

Three batch_norm(const Array& x, const Array& weight, const Array& bias, const Array& running_mean,
                 const Array& running_var, bool training, double momentum, double eps, const Array& tracked) {
  const char* op = "batch_norm";
  const DType dtype = computed_type(op, x);
  BatchNormArgs sizes{};
  set_channels(op, sizes, x);
  const Dims shape{sizes.channels};
  MO_CHECK(training || (running_mean && running_var), op,
           "without training, running_mean and running_var are needed");
  const Array in = prepared(op, x, dtype), w = optional(op, "weight", weight, shape, dtype),
              b = optional(op, "bias", bias, shape, dtype),
              running[2] = {optional(op, "running_mean", running_mean, shape, dtype),
                            optional(op, "running_var", running_var, shape, dtype)};
  const Array* given[2] = {&running_mean, &running_var};
  for (const Array* array : given) {
    if (!*array || !training) continue;
    check_writable(op, *array);
    MO_CHECK_KIND(ErrorKind::kRuntime, !array->storage()->read_only, op,
                  "the running statistics are read-only memory");
  }
  if (tracked) {
    MO_CHECK_TYPE(tracked.dtype() == kI64 && tracked.numel() == 1, op,
                  "num_batches_tracked must be one int64, got ", name_of(tracked.dtype()), " of shape ",
                  tracked.shape());
  }
  const Array y = Array::empty(op, x.shape(), dtype, x.device()), mean = made(op, true, shape, dtype, x),
              scale = made(op, true, shape, dtype, x);
  if (x.numel() > 0) {
    Launch<BatchNormArgs> call(op, kernel_for(op, table_for(x).batch_norm[dtype], dtype));
    call.args = sizes;
    call.args.eps = eps;
    call.args.momentum = momentum;
    call.args.training = training;
    if (tracked) call.read(&BatchNormArgs::tracked, tracked);
    call.read(&BatchNormArgs::x, in);
    if (w) call.read(&BatchNormArgs::weight, w);
    if (b) call.read(&BatchNormArgs::bias, b);
    // In evaluation they are only read, which the field's type does not say.
    void** const fields[2] = {&call.args.running_mean, &call.args.running_var};
    for (int i = 0; i < 2; ++i) {
      if (!running[i]) continue;
      *fields[i] = running[i].data();
      call.touch(fields[i], running[i], training);
    }
    call.write(&BatchNormArgs::y, y);
    call.write(&BatchNormArgs::mean, mean);
    call.write(&BatchNormArgs::scale, scale);
    call.submit(flops(x));
    for (int i = 0; i < 2; ++i) {
      if (training && running[i] && running[i].storage().get() != given[i]->storage().get())
        copy_into(op, *given[i], running[i]);
    }
  }
  return {cast(op, y, x.dtype()), mean, scale};
}

Three batch_norm_grad(const Array& g, const Array& x, const Array& weight, const Array& mean,
                      const Array& scale, bool training, bool want_x, bool want_weight, bool want_bias) {
  const char* op = "batch_norm";
  const DType dtype = computed_type(op, x);
  check_same_shape(op, g, x);
  BatchNormGradArgs sizes{};
  set_channels(op, sizes, x);
  const Dims shape{sizes.channels};
  MO_CHECK(mean && scale, op, "the gradient wants the saved mean and scale");
  const Array up = prepared(op, g, dtype), in = prepared(op, x, dtype),
              w = optional(op, "weight", weight, shape, dtype), m = optional(op, "mean", mean, shape, dtype),
              s = optional(op, "scale", scale, shape, dtype);
  const Array dx = made(op, want_x, x.shape(), dtype, x), dweight = made(op, want_weight, shape, dtype, x),
              dbias = made(op, want_bias, shape, dtype, x);
  if (x.numel() > 0) {
    Launch<BatchNormGradArgs> call(op, kernel_for(op, table_for(x).batch_norm_grad[dtype], dtype));
    call.args = sizes;
    call.args.training = training;
    call.read(&BatchNormGradArgs::g, up);
    call.read(&BatchNormGradArgs::x, in);
    if (w) call.read(&BatchNormGradArgs::weight, w);
    call.read(&BatchNormGradArgs::mean, m);
    call.read(&BatchNormGradArgs::scale, s);
    if (dx) call.write(&BatchNormGradArgs::dx, dx);
    if (dweight) call.write(&BatchNormGradArgs::dweight, dweight);
    if (dbias) call.write(&BatchNormGradArgs::dbias, dbias);
    call.submit(2 * flops(x));
  }
  return {want_x ? cast(op, dx, x.dtype()) : dx, dweight, dbias};
}

Array local_response_norm(const Array& x, int64_t size, double alpha, double beta, double k) {
  const char* op = "local_response_norm";
  const DType dtype = computed_type(op, x);
  MO_CHECK(size >= 1, op, "size must be at least 1, got ", size);
  const Array in = prepared(op, x, dtype), y = Array::empty(op, x.shape(), dtype, x.device());
  Launch<LocalNormArgs> call(op, kernel_for(op, table_for(x).local_norm[dtype], dtype));
  set_channels(op, call.args, x);
  if (x.numel() > 0) {
    call.args.size = size;
    call.args.alpha = alpha;
    call.args.beta = beta;
    call.args.k = k;
    call.read(&LocalNormArgs::x, in);
    call.write(&LocalNormArgs::y, y);
    call.submit(5 * flops(x));
  }
  return cast(op, y, x.dtype());
}

Array local_response_norm_grad(const Array& g, const Array& x, int64_t size, double alpha, double beta,
                               double k) {
  const char* op = "local_response_norm";
  const DType dtype = computed_type(op, x);
  MO_CHECK(size >= 1, op, "size must be at least 1, got ", size);
  check_same_shape(op, g, x);
  const Array up = prepared(op, g, dtype), in = prepared(op, x, dtype);
  const Array dx = Array::empty(op, x.shape(), dtype, x.device());
  Launch<LocalNormGradArgs> call(op, kernel_for(op, table_for(x).local_norm_grad[dtype], dtype));
  set_channels(op, call.args, x);
  if (x.numel() > 0) {
    call.args.size = size;
    call.args.alpha = alpha;
    call.args.beta = beta;
    call.args.k = k;
    call.read(&LocalNormGradArgs::g, up);
    call.read(&LocalNormGradArgs::x, in);
    call.write(&LocalNormGradArgs::dx, dx);
    call.submit(8 * flops(x), checked_mul(op, call.args.channels, num_threads() * 16 * int64_t{8}));
  }
  return cast(op, dx, x.dtype());
}

}  // namespace markone
