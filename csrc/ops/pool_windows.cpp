// Pooling with windows of any kind: three dimensions, adaptive, fractional, stochastic.
#include "ops/elementwise.h"
#include "ops/pool.h"
#include "ops/reduce.h"
#include "ops/tables.h"

namespace markone {
namespace {

// The problem without its pointers; the last `spatial` dimensions of `shape` are pooled, one or two stand
// before.
WindowArgs start(const char* op, const Dims& shape, int spatial) {
  const int n = shape.size();
  MO_CHECK(spatial >= 1 && spatial <= 3, op, "pools 1 to 3 dimensions, not ", spatial);
  MO_CHECK(n == spatial + 1 || n == spatial + 2, op, "the input must have ", spatial + 1, " or ", spatial + 2,
           " dimensions (batch, channels, ", spatial, " to pool), got shape ", shape);
  WindowArgs a{};
  a.planes = checked_mul(op, shape[n - spatial - 1], n == spatial + 2 ? shape[0] : 1);
  MO_CHECK(shape[n - spatial - 1] > 0, op, "the input must not be empty but for its batch, got ", shape);
  for (int i = 0; i < 3; ++i) {
    WindowDim& d = a.dim[i];
    d = {1, 1, 1, 1, 0, 1, 0};
    const int at = i - (3 - spatial);
    if (at < 0) continue;
    d.size = shape[n - spatial + at];
    MO_CHECK(d.size > 0 && d.size <= INT32_MAX, op, "the input must not be empty but for its batch, got ",
             shape);
  }
  return a;
}

int64_t entry(const char* op, const char* what, const Dims& dims, int i, int spatial, int64_t low) {
  MO_CHECK(dims.size() == 1 || dims.size() == spatial, op, what, " must be one number or ", spatial, ", got ",
           dims);
  const int64_t value = dims[dims.size() == 1 ? 0 : i];
  MO_CHECK(value >= low && value <= INT32_MAX, op, what, " must be from ", low, " to ", INT32_MAX, ", got ",
           dims);
  return value;
}

WindowArgs plain(const char* op, const Dims& shape, const PoolOptions& o, int spatial) {
  WindowArgs a = start(op, shape, spatial);
  a.kind = kPlainWindows;
  for (int i = 0; i < spatial; ++i) {
    WindowDim& d = a.dim[3 - spatial + i];
    d.kernel = entry(op, "kernel", o.kernel, i, spatial, 1);
    d.stride = entry(op, "stride", o.stride.empty() ? o.kernel : o.stride, i, spatial, 1);
    d.pad = entry(op, "padding", o.padding.empty() ? Dims{0} : o.padding, i, spatial, 0);
    d.dilation = entry(op, "dilation", o.dilation.empty() ? Dims{1} : o.dilation, i, spatial, 1);
    d.out = pool_out_size(op, d.size, d.kernel, d.stride, d.pad, d.dilation, o.ceil_mode);
  }
  MO_CHECK(!o.divisor_override || *o.divisor_override != 0, op, "divisor_override must not be zero");
  a.count_include_pad = o.count_include_pad;
  a.divisor_override = o.divisor_override.value_or(0);
  return a;
}

WindowArgs adaptive(const char* op, const Dims& shape, const Dims& output_size) {
  const int spatial = output_size.size();
  WindowArgs a = start(op, shape, spatial);
  a.kind = kAdaptiveWindows;
  for (int i = 0; i < spatial; ++i)
    a.dim[3 - spatial + i].out = entry(op, "output_size", output_size, i, spatial, 0);
  return a;
}

// One window over everything.
bool is_global(const WindowArgs& a) { return a.dim[0].out == 1 && a.dim[1].out == 1 && a.dim[2].out == 1; }

Dims result_shape(const WindowArgs& a, const Dims& shape, int spatial) {
  Dims out = shape;
  for (int i = 0; i < spatial; ++i) out[shape.size() - spatial + i] = a.dim[3 - spatial + i].out;
  return out;
}

double flops(const WindowArgs& a) {
  double total = static_cast<double>(a.planes);
  for (const WindowDim& d : a.dim)
    total *= static_cast<double>(d.out * std::min(d.size, a.kind == kAdaptiveWindows
                                                              ? d.size / std::max<int64_t>(d.out, 1) + 1
                                                              : d.kernel));
  return 4 * total;
}

// Forward: picks where `indices` is wanted; the gradient of a mean where `grad`, from g to an input's shape.
Array run(const char* op, const Entry<WindowArgs>* entries, const WindowArgs& args, const Array& in,
          const Dims& shape, Array* indices, const Array& samples) {
  const DType dtype = pool_type(op, in);
  const Array out = Array::empty(op, shape, dtype, in.device());
  if (indices) *indices = Array::empty(op, shape, kI64, in.device());
  if (out.numel() > 0) {
    const Array source = prepared(op, in, dtype);
    Launch<WindowArgs> call(op, kernel_for(op, entries[dtype], dtype));
    call.args = args;
    call.read(&WindowArgs::x, source);
    call.write(&WindowArgs::y, out);
    if (indices) call.write(&WindowArgs::indices, *indices);
    Array chances;
    if (samples) {
      chances = prepared(op, samples, dtype);
      call.read(&WindowArgs::samples, chances);
      call.values("samples");
    }
    call.submit(flops(args));
  }
  return cast(op, out, in.dtype());
}

Array mean_grad(const char* op, const WindowArgs& args, const Array& g, const Dims& input_shape,
                int spatial) {
  const Dims wanted = result_shape(args, input_shape, spatial);
  MO_CHECK(g.shape() == wanted, op, "g has shape ", g.shape(), ", wanted ", wanted);
  return run(op, table_for(g).window_avg_grad, args, g, input_shape, nullptr, Array());
}

}  // namespace

std::pair<Array, Array> max_pool3d(const Array& x, const PoolOptions& options) {
  const char* op = "max_pool3d";
  const WindowArgs args = plain(op, x.shape(), options, 3);
  Array indices;
  const Dims shape = result_shape(args, x.shape(), 3);
  const Array y = run(op, table_for(x).window_max, args, x, shape, &indices, Array());
  return {y, indices};
}

Array avg_pool3d(const Array& x, const PoolOptions& options) {
  const char* op = "avg_pool3d";
  const WindowArgs args = plain(op, x.shape(), options, 3);
  return run(op, table_for(x).window_avg, args, x, result_shape(args, x.shape(), 3), nullptr, Array());
}

Array avg_pool3d_grad(const Array& g, const Dims& input_shape, const PoolOptions& options) {
  const char* op = "avg_pool3d_grad";
  return mean_grad(op, plain(op, input_shape, options, 3), g, input_shape, 3);
}

std::pair<Array, Array> adaptive_max_pool(const Array& x, const Dims& output_size) {
  const char* op = "adaptive_max_pool";
  const WindowArgs args = adaptive(op, x.shape(), output_size);
  Array indices;
  const Dims shape = result_shape(args, x.shape(), output_size.size());
  const Array y = run(op, table_for(x).window_max, args, x, shape, &indices, Array());
  return {y, indices};
}

Array adaptive_avg_pool(const Array& x, const Dims& output_size) {
  const char* op = "adaptive_avg_pool";
  const WindowArgs args = adaptive(op, x.shape(), output_size);
  const int spatial = output_size.size();
  const Dims shape = result_shape(args, x.shape(), spatial);
  if (is_global(args) && is_floating(x.dtype())) {
    Dims dims;
    for (int i = x.ndim() - spatial; i < x.ndim(); ++i) dims.push_back(i);
    return reduce(kReduce_mean, x, dims, true);
  }
  return run(op, table_for(x).window_avg, args, x, shape, nullptr, Array());
}

Array adaptive_avg_pool_grad(const Array& g, const Dims& input_shape, int spatial) {
  const char* op = "adaptive_avg_pool_grad";
  Dims out;
  MO_CHECK(spatial >= 1 && spatial <= 3 && g.ndim() >= spatial, op, "g of shape ", g.shape(),
           " does not fit ", spatial, " pooled dimensions");
  for (int i = g.ndim() - spatial; i < g.ndim(); ++i) out.push_back(g.size(i));
  const WindowArgs args = adaptive(op, input_shape, out);
  if (is_global(args) && is_floating(g.dtype())) {
    MO_CHECK(g.shape() == result_shape(args, input_shape, spatial), op, "g has shape ", g.shape(),
             ", wanted ", result_shape(args, input_shape, spatial));
    const double count = static_cast<double>(args.dim[0].size * args.dim[1].size * args.dim[2].size);
    return clone(op, binary(kBinary_div, g, Operand::number(count)).expand(op, input_shape));
  }
  return mean_grad(op, adaptive(op, input_shape, out), g, input_shape, spatial);
}

std::pair<Array, Array> fractional_max_pool(const Array& x, const Dims& kernel, const Dims& output_size,
                                            const Array& samples) {
  const char* op = "fractional_max_pool";
  const int spatial = output_size.size();
  WindowArgs a = start(op, x.shape(), spatial);
  MO_CHECK(spatial >= 2, op, "pools 2 or 3 dimensions, not ", spatial);
  a.kind = kFractionalWindows;
  a.samples_per_plane = spatial;
  for (int i = 0; i < spatial; ++i) {
    WindowDim& d = a.dim[3 - spatial + i];
    d.kernel = entry(op, "kernel", kernel, i, spatial, 1);
    d.out = entry(op, "output_size", output_size, i, spatial, 1);
    MO_CHECK(d.out + d.kernel - 1 <= d.size, op, "output size ", d.out, " with windows of ", d.kernel,
             " is too large for an input of ", d.size);
    // PyTorch's order of a plane's samples: columns, rows; but depth, rows, columns.
    d.sample = spatial == 2 ? 1 - i : i;
  }
  MO_CHECK(samples.numel() == checked_mul(op, a.planes, spatial) && samples.ndim() == 3, op,
           "the samples must be [batch, channels, ", spatial, "], got ", samples.shape());
  MO_CHECK_TYPE(is_floating(samples.dtype()), op, "the samples must be floating, got ",
                name_of(samples.dtype()));
  Array indices;
  const Dims shape = result_shape(a, x.shape(), spatial);
  const Array y = run(op, table_for(x).window_max, a, x, shape, &indices, samples);
  return {y, indices};
}

std::pair<Array, Array> stochastic_pool2d(const Array& x, const PoolOptions& options, const Array& samples) {
  const char* op = "stochastic_pool2d";
  const WindowArgs args = plain(op, x.shape(), options, 2);
  const Dims shape = result_shape(args, x.shape(), 2);
  MO_CHECK(samples.shape() == shape, op, "the samples have shape ", samples.shape(), ", wanted ", shape);
  MO_CHECK_TYPE(is_floating(samples.dtype()), op, "the samples must be floating, got ",
                name_of(samples.dtype()));
  Array indices;
  const Array y = run(op, table_for(x).window_stochastic, args, x, shape, &indices, samples);
  return {y, indices};
}

}  // namespace markone
