// Resampling of one to three dimensions, and sampling at the places of a grid.
#include <cmath>

#include "core/parallel.h"
#include "ops/elementwise.h"
#include "ops/pool.h"
#include "ops/tables.h"
#include "ops/vision.h"

namespace markone {
namespace {

// The place of `name` in a list of names.
int64_t choice(const char* op, const char* what, const std::string& name,
               std::initializer_list<const char*> names) {
  int64_t i = 0;
  std::string all;
  for (const char* known : names) {
    if (name == known) return i;
    all += std::string(i++ ? ", '" : "'") + known + "'";
  }
  fail(ErrorKind::kValue, op, what, " is '", name, "', wants one of ", all);
}

struct How {
  int64_t mode;
  const std::vector<double>& factors;
  bool align_corners, antialias;
};

ResampleDim one_dim(const char* op, int64_t size, int64_t out, const How& how, size_t dim) {
  ResampleDim d{size, out, how.mode, how.align_corners, how.antialias, 1, 1.0};
  const bool interpolates = how.mode == kResampleLinear || how.mode == kResampleCubic;
  if (how.align_corners && interpolates)
    d.scale = out > 1 ? static_cast<double>(size - 1) / static_cast<double>(out - 1) : 0.0;
  else
    d.scale =
        how.factors.empty() ? static_cast<double>(size) / static_cast<double>(out) : 1 / how.factors[dim];
  MO_CHECK(d.scale >= 0 && d.scale * static_cast<double>(out) < 0x1p40, op, "the scale factor ",
           how.factors.empty() ? 0.0 : how.factors[dim], " does not fit a new size of ", out);
  if (interpolates) d.taps = how.mode == kResampleCubic ? 4 : 2;
  if (how.antialias) {
    const double reach = static_cast<double>(d.taps) * std::max(d.scale, 1.0) + 2;
    d.taps = reach < static_cast<double>(size) ? static_cast<int64_t>(reach) : size;
  }
  return d;
}

int64_t taps_bytes(const char* op, const ResampleDim& d) {
  return checked_mul(op, d.out, checked_add(op, kResampleScratch, checked_mul(op, 8, d.taps)));
}

// One pass over two dimensions.
Array pass(const char* op, const ResampleArgs& args, const Array& in, const Dims& shape, bool grad) {
  const Array out = Array::empty(op, shape, in.dtype(), in.device());
  if (out.numel() == 0) return out;
  const KernelTable& table = table_for(out);
  const DType dtype = in.dtype();
  Launch<ResampleArgs> call(op,
                            kernel_for(op, grad ? table.resample_grad[dtype] : table.resample[dtype], dtype));
  call.args = args;
  call.read(&ResampleArgs::in, in);
  call.write(&ResampleArgs::out, out);
  const int64_t row = std::max(args.columns.size, checked_mul(op, kResampleRows, args.columns.out));
  const int64_t bytes =
      checked_add(op, checked_add(op, taps_bytes(op, args.rows), taps_bytes(op, args.columns)),
                  checked_mul(op, num_threads() * size_of(dtype), row));
  const auto work = static_cast<double>(grad ? in.numel() : out.numel());
  call.submit(work * 2 * static_cast<double>(args.rows.taps + args.columns.taps), bytes);
  return out;
}

Dims sizes_after(const Dims& shape, const Dims& size) {
  Dims out = shape;
  for (int i = 0; i < size.size(); ++i) out[2 + i] = size[i];
  return out;
}

// From the input's shape to `size`, or with `grad` the other way round.
Array resample_all(const char* op, const Array& in, const Dims& shape, const Dims& size,
                   const std::vector<double>& factors, const std::string& mode, bool align_corners,
                   bool antialias, bool grad) {
  const int spatial = size.size();
  MO_CHECK(spatial >= 1 && spatial <= 3 && shape.size() == spatial + 2, op,
           "the input must be [N, C] and 1 to 3 "
           "dimensions with a new size for each, got shape ",
           shape, " and size ", size);
  MO_CHECK(factors.empty() || factors.size() == static_cast<size_t>(spatial), op, "wants ", spatial,
           " factors, got ", factors.size());
  const How how{1 + choice(op, "mode", mode, {"nearest", "nearest-exact", "linear", "cubic"}), factors,
                align_corners, antialias};
  MO_CHECK(!antialias || how.mode >= kResampleLinear, op, "antialias is for linear and cubic, not ", mode);
  int64_t planes = checked_mul(op, shape[0], shape[1]);
  ResampleDim dims[3];
  for (int i = 0; i < spatial; ++i) {
    MO_CHECK(shape[2 + i] > 0 && shape[2 + i] <= INT32_MAX, op, "the input has no pixels, shape ", shape);
    MO_CHECK(size[i] > 0 && size[i] <= INT32_MAX, op, "the result has no pixels, size ", size);
    dims[i] = one_dim(op, shape[2 + i], size[i], how, static_cast<size_t>(i));
  }
  const DType dtype = pool_type(op, in);
  const Array source = prepared(op, in, dtype);
  const auto copied = [](int64_t n) { return ResampleDim{n, n, kResampleCopy, 0, 0, 1, 1.0}; };
  if (spatial < 3) {
    const ResampleArgs args{planes, spatial == 2 ? dims[0] : copied(1), dims[spatial - 1], nullptr, nullptr};
    return cast(op, pass(op, args, source, grad ? shape : sizes_after(shape, size), grad), in.dtype());
  }
  // Rows and columns of every slice, then the slices of what came of them.
  const int64_t plane = checked_mul(op, size[1], size[2]);
  const ResampleArgs inner{checked_mul(op, planes, shape[2]), dims[1], dims[2], nullptr, nullptr};
  const ResampleArgs outer{planes, dims[0], copied(plane), nullptr, nullptr};
  const Dims between{shape[0], shape[1], shape[2], size[1], size[2]};
  const Array half = grad ? pass(op, outer, source, between, true) : pass(op, inner, source, between, false);
  const Array out =
      grad ? pass(op, inner, half, shape, true) : pass(op, outer, half, sizes_after(shape, size), false);
  return cast(op, out, in.dtype());
}

GridSampleArgs grid_args(const char* op, const Dims& shape, const Array& grid, const std::string& mode,
                         const std::string& padding_mode, bool align_corners) {
  const int n = shape.size();
  MO_CHECK(n == 4 || n == 5, op, "the input must be [N, C, H, W] or [N, C, D, H, W], got ", shape);
  MO_CHECK(grid.ndim() == n && grid.size(0) == shape[0] && grid.size(n - 1) == n - 2, op,
           "for an input of shape ", shape, " the grid must have ", n, " dimensions, batch ", shape[0],
           " first and ", n - 2, " last, got ", grid.shape());
  GridSampleArgs a{};
  a.batch = shape[0];
  a.channels = shape[1];
  a.dims = n - 2;
  a.size[0] = n == 5 ? shape[2] : 1;
  a.size[1] = shape[n - 2];
  a.size[2] = shape[n - 1];
  for (const int64_t size : a.size)
    MO_CHECK(size > 0 && size < 1000000000, op, "the input has no pixels or too many, shape ", shape);
  a.places = 1;
  for (int i = 1; i < n - 1; ++i) a.places *= grid.size(i);
  a.mode = choice(op, "mode", mode, {"bilinear", "nearest", "bicubic"});
  MO_CHECK(a.mode != kGridBicubic || n == 4, op, "mode 'bicubic' is for inputs [N, C, H, W], got ", shape);
  a.padding = choice(op, "padding_mode", padding_mode, {"zeros", "border", "reflection"});
  a.align_corners = align_corners;
  return a;
}

Dims sampled_shape(const Dims& shape, const Array& grid) {
  Dims out{shape[0], shape[1]};
  for (int i = 1; i < grid.ndim() - 1; ++i) out.push_back(grid.size(i));
  return out;
}

Array grid_call(const char* op, const Entry<GridSampleArgs>* entries, const GridSampleArgs& args,
                const Array& x, const Array& grid, const Array& g, const Dims& shape, DType given) {
  const DType dtype = is_half(given) ? kF32 : given;
  const Array out = Array::empty(op, shape, dtype, grid.device());
  if (out.numel() > 0) {
    Launch<GridSampleArgs> call(op, kernel_for(op, entries[dtype], dtype));
    call.args = args;
    const Array places = prepared(op, grid, dtype);
    const Array from = x ? prepared(op, x, dtype) : x, up = g ? prepared(op, g, dtype) : g;
    call.read(&GridSampleArgs::grid, places);
    if (x) call.read(&GridSampleArgs::x, from);
    if (g) call.read(&GridSampleArgs::g, up);
    call.write(&GridSampleArgs::out, out);
    const int64_t taps = args.mode == kGridBicubic ? 16 : args.mode == kGridNearest ? 1 : 8;
    call.submit(static_cast<double>(2 * taps * args.batch * args.channels) *
                static_cast<double>(args.places));
  }
  return cast(op, out, given);
}

void check_types(const char* op, const Array& x, const Array& grid) {
  MO_CHECK_TYPE(is_floating(x.dtype()) && x.dtype() == grid.dtype(), op,
                "the input and the grid must have the same floating type, got ", name_of(x.dtype()), " and ",
                name_of(grid.dtype()));
}

}  // namespace

Array resample(const Array& x, const Dims& size, const std::vector<double>& factors, const std::string& mode,
               bool align_corners, bool antialias) {
  return resample_all("resample", x, x.shape(), size, factors, mode, align_corners, antialias, false);
}

Array resample_grad(const Array& g, const Dims& input_shape, const std::vector<double>& factors,
                    const std::string& mode, bool align_corners, bool antialias) {
  const char* op = "resample_grad";
  Dims size;
  bool fits = g.ndim() == input_shape.size() && g.ndim() >= 3 && g.ndim() <= 5;
  for (int i = 0; fits && i < g.ndim(); ++i) {
    if (i < 2)
      fits = g.size(i) == input_shape[i];
    else
      size.push_back(g.size(i));
  }
  MO_CHECK(fits, op, "g of shape ", g.shape(), " does not fit an input of shape ", input_shape);
  return resample_all(op, g, input_shape, size, factors, mode, align_corners, antialias, true);
}

Array grid_sample(const Array& x, const Array& grid, const std::string& mode, const std::string& padding_mode,
                  bool align_corners) {
  const char* op = "grid_sample";
  check_types(op, x, grid);
  const GridSampleArgs args = grid_args(op, x.shape(), grid, mode, padding_mode, align_corners);
  return grid_call(op, table_for(grid).grid_sample, args, x, grid, Array(), sampled_shape(x.shape(), grid),
                   x.dtype());
}

Array grid_sample_input_grad(const Array& g, const Array& grid, const Dims& input_shape,
                             const std::string& mode, const std::string& padding_mode, bool align_corners) {
  const char* op = "grid_sample_input_grad";
  check_types(op, g, grid);
  const GridSampleArgs args = grid_args(op, input_shape, grid, mode, padding_mode, align_corners);
  MO_CHECK(g.shape() == sampled_shape(input_shape, grid), op, "g has shape ", g.shape(), ", wanted ",
           sampled_shape(input_shape, grid));
  return grid_call(op, table_for(grid).grid_sample_input_grad, args, Array(), grid, g, input_shape,
                   g.dtype());
}

Array grid_sample_grid_grad(const Array& g, const Array& x, const Array& grid, const std::string& mode,
                            const std::string& padding_mode, bool align_corners) {
  const char* op = "grid_sample_grid_grad";
  check_types(op, x, grid);
  check_types(op, g, grid);
  const GridSampleArgs args = grid_args(op, x.shape(), grid, mode, padding_mode, align_corners);
  MO_CHECK(g.shape() == sampled_shape(x.shape(), grid), op, "g has shape ", g.shape(), ", wanted ",
           sampled_shape(x.shape(), grid));
  return grid_call(op, table_for(grid).grid_sample_grid_grad, args, x, grid, g, grid.shape(), g.dtype());
}

Array pad(const Array& x, const std::string& mode, const Dims& sides, Scalar value) {
  const char* op = "pad";
  const int axes = sides.size() / 2, lead = x.ndim() - axes;
  MO_CHECK(sides.size() == 2 * axes && axes >= 1 && axes <= 3 && lead >= 0, op,
           "wants two numbers for each of the last one to three dimensions of shape ", x.shape(), ", got ",
           sides);
  const bool constant = mode == "constant";
  MO_CHECK(constant || mode == "reflect" || mode == "replicate" || mode == "circular", op,
           "the mode must be constant, reflect, replicate or circular, got '", mode, "'");
  PadArgs args{};
  args.mode = constant              ? kPadConstant
              : mode == "reflect"   ? kPadReflect
              : mode == "replicate" ? kPadReplicate
                                    : kPadCircular;
  args.bytes = size_of(x.dtype());
  args.planes = 1;
  Dims shape = x.shape();
  for (int i = 0; i < lead; ++i) args.planes *= x.size(i);
  for (PadDim& d : args.dim) d = {1, 0, 0};
  for (int i = 0; i < axes; ++i) {
    const int at = x.ndim() - 1 - i;
    const int64_t n = x.size(at), before = sides[2 * i], after = sides[2 * i + 1];
    const int64_t most = mode == "reflect" ? n - 1 : mode == "circular" ? n : INT64_MAX;
    MO_CHECK(before >= 0 && after >= 0 && before <= most && after <= most &&
                 (constant || n > 0 || before + after == 0),
             op, "mode '", mode, "' cannot add ", before, " and ", after, " to a dimension of size ", n);
    args.dim[2 - i] = {n, before, after};
    shape[at] = checked_add(op, checked_add(op, n, before), after);
  }
  const Array in = contiguous(op, x), out = Array::empty(op, shape, x.dtype(), x.device());
  if (out.numel() == 0) return out;
  MO_CHECK_KIND(ErrorKind::kNotImplemented, table_for(x).pad.function, op, "has no kernel");
  Launch<PadArgs> call(op, make_kernel<PadArgs>(table_for(x).pad.name, table_for(x).pad.function));
  call.args = args;
  call.read(&PadArgs::in, in);
  Array one;
  if (constant) {
    one = Array::empty(op, {}, x.dtype(), x.device());
    fill(op, one, value);
    call.read(&PadArgs::value, one);
  }
  call.write(&PadArgs::out, out);
  call.submit(static_cast<double>(out.numel()));
  return out;
}

}  // namespace markone
