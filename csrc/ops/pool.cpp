#include "ops/pool.h"

#include "ops/elementwise.h"
#include "ops/plan.h"

namespace markone {

int64_t pool_out_size(const char* op, int64_t size, int64_t kernel, int64_t stride, int64_t pad,
                      int64_t dilation, bool ceil_mode) {
  MO_CHECK(pad <= kernel / 2, op, "the padding must be at most half of the kernel, got padding ", pad,
           " for kernel ", kernel);
  const int64_t span = checked_add(op, checked_mul(op, dilation, kernel - 1), 1);
  const int64_t room = checked_add(op, size, checked_mul(op, pad, 2)) - span;
  MO_CHECK(room >= 0, op, "the window is too large: kernel ", kernel, " with dilation ", dilation, " spans ",
           span, ", the input has ", size, " and padding ", pad, " on each side");
  int64_t out = room / stride + 1;
  if (ceil_mode && room % stride != 0 && out <= (size + pad - 1) / stride) ++out;
  return out;
}

DType pool_type(const char* op, const Array& x) {
  MO_CHECK_TYPE(is_floating(x.dtype()), op, "wants a floating type, got ", name_of(x.dtype()));
  return is_half(x.dtype()) ? kF32 : x.dtype();
}

namespace {

struct Problem {
  int64_t dtype, h, w, out_w;
  int64_t kernel_w, stride_w, pad_w, dilation_w;
  int64_t row_elements, indices;
};

int64_t scratch_bytes(const Problem& p, int threads) {
  return threads * p.row_elements * size_of(DType(p.dtype));
}

const char* refuse_rows(const Problem& p, const KernelTable&) {
  // Only a kernel wider than the input allows this; its rows of padding would be all that is read.
  if (p.pad_w > p.w) return "the padding is wider than the input";
  const int64_t limit = p.dtype == kF32 ? int64_t{1} << 24 : int64_t{1} << 31;
  if (p.indices && p.h >= limit / p.w) return "an index does not fit the type of the vectors";
  return nullptr;
}

using List = Implementation<Problem, PoolArgs>[2];
constexpr List kMaxList = {
    {"rows", refuse_rows,
     [](const Problem& p, const KernelTable& t) -> const Entry<PoolArgs>& {
       return t.max_pool_rows[p.dtype];
     },
     scratch_bytes},
    {"ref", nullptr,
     [](const Problem& p, const KernelTable& t) -> const Entry<PoolArgs>& { return t.max_pool_ref[p.dtype]; },
     nullptr},
};
constexpr List kAvgList = {
    {"rows", refuse_rows,
     [](const Problem& p, const KernelTable& t) -> const Entry<PoolArgs>& {
       return t.avg_pool_rows[p.dtype];
     },
     scratch_bytes},
    {"ref", nullptr,
     [](const Problem& p, const KernelTable& t) -> const Entry<PoolArgs>& { return t.avg_pool_ref[p.dtype]; },
     nullptr},
};
Chooser<Problem, PoolArgs, 2>& max_chooser() {
  static Chooser<Problem, PoolArgs, 2> chooser("max_pool2d", kMaxList);
  return chooser;
}
Chooser<Problem, PoolArgs, 2>& avg_chooser() {
  static Chooser<Problem, PoolArgs, 2> chooser("avg_pool2d", kAvgList);
  return chooser;
}

// One number for both directions, or two.
void pair(const char* op, const char* what, const Dims& dims, int64_t low, int64_t* h, int64_t* w) {
  MO_CHECK(dims.size() == 1 || dims.size() == 2, op, what, " must be one number or two, got ", dims);
  *h = dims[0];
  *w = dims[dims.size() - 1];
  MO_CHECK(std::min(*h, *w) >= low && std::max(*h, *w) <= INT32_MAX, op, what, " must be from ", low, " to ",
           INT32_MAX, ", got ", dims);
}

PoolArgs make_args(const char* op, const Dims& shape, const PoolOptions& o) {
  MO_CHECK(shape.size() == 3 || shape.size() == 4, op, "the input must be [C, H, W] or [N, C, H, W], got ",
           shape);
  PoolArgs a{};
  a.h = shape[shape.size() - 2];
  a.w = shape[shape.size() - 1];
  MO_CHECK(a.h > 0 && a.w > 0 && shape[shape.size() - 3] > 0, op,
           "the input must not be empty but for its batch, got ", shape);
  a.planes = checked_mul(op, shape[shape.size() - 3], shape.size() == 4 ? shape[0] : 1);
  pair(op, "kernel", o.kernel, 1, &a.kernel_h, &a.kernel_w);
  pair(op, "stride", o.stride.empty() ? o.kernel : o.stride, 1, &a.stride_h, &a.stride_w);
  pair(op, "padding", o.padding.empty() ? Dims{0} : o.padding, 0, &a.pad_h, &a.pad_w);
  pair(op, "dilation", o.dilation.empty() ? Dims{1} : o.dilation, 1, &a.dilation_h, &a.dilation_w);
  a.out_h = pool_out_size(op, a.h, a.kernel_h, a.stride_h, a.pad_h, a.dilation_h, o.ceil_mode);
  a.out_w = pool_out_size(op, a.w, a.kernel_w, a.stride_w, a.pad_w, a.dilation_w, o.ceil_mode);
  MO_CHECK(!o.divisor_override || *o.divisor_override != 0, op, "divisor_override must not be zero");
  a.count_include_pad = o.count_include_pad;
  a.divisor_override = o.divisor_override.value_or(0);
  // What the windows of a row reach, where that is not far more than the row itself.
  const int64_t reach = a.pad_w > a.w ? 0 : (a.out_w - 1) * a.stride_w + (a.kernel_w - 1) * a.dilation_w + 1;
  a.row_elements = (std::max(reach, a.w + 2 * std::min(a.pad_w, a.w)) + a.out_w + kPoolSlack + 15) / 16 * 16;
  return a;
}

Dims with_plane(const Dims& shape, int64_t h, int64_t w) {
  Dims out = shape;
  out[out.size() - 2] = h;
  out[out.size() - 1] = w;
  return out;
}

// About one operation for each tap; memory usually decides.
double flops(const PoolArgs& a) {
  const auto taps = static_cast<double>(std::min(a.kernel_h, a.h) * std::min(a.kernel_w, a.w));
  return taps * static_cast<double>(a.planes * a.out_h * a.out_w);
}

Array pool(const char* op, Chooser<Problem, PoolArgs, 2>& chooser, const Array& x, const PoolOptions& options,
           Array* indices) {
  const PoolArgs args = make_args(op, x.shape(), options);
  const DType dtype = pool_type(op, x);
  const Dims shape = with_plane(x.shape(), args.out_h, args.out_w);
  const Array out = Array::empty(op, shape, dtype, x.device());
  if (indices) *indices = Array::empty(op, shape, kI64, x.device());
  if (out.numel() > 0) {
    const Problem problem{dtype,         args.h,     args.w,          args.out_w,        args.kernel_w,
                          args.stride_w, args.pad_w, args.dilation_w, args.row_elements, indices != nullptr};
    const auto choice = chooser.choose(problem, table_for(x));
    const Array in = prepared(op, x, dtype);
    Launch<PoolArgs> call(op, choice.kernel, choice.plan);
    call.args = args;
    call.read(&PoolArgs::x, in);
    call.write(&PoolArgs::y, out);
    if (indices) call.write(&PoolArgs::indices, *indices);
    call.submit(flops(args), choice.scratch_bytes);
  }
  return cast(op, out, x.dtype());
}

}  // namespace

std::pair<Array, Array> max_pool2d(const Array& x, const PoolOptions& options, bool indices) {
  Array places;
  const Array y = pool("max_pool2d", max_chooser(), x, options, indices ? &places : nullptr);
  return {y, places};
}

Array avg_pool2d(const Array& x, const PoolOptions& options) {
  return pool("avg_pool2d", avg_chooser(), x, options, nullptr);
}

Array max_pool_grad(const Array& g, const Array& indices, const Dims& input_shape, int spatial) {
  const char* op = "max_pool_grad";
  const DType dtype = pool_type(op, g);
  MO_CHECK(g.shape() == indices.shape(), op, "g has shape ", g.shape(), " but the indices have ",
           indices.shape());
  MO_CHECK_TYPE(indices.dtype() == kI64, op, "the indices must be int64, got ", name_of(indices.dtype()));
  const int n = input_shape.size();
  bool fits = spatial >= 1 && n >= spatial && g.ndim() == n;
  for (int i = 0; fits && i < n - spatial; ++i) fits = g.size(i) == input_shape[i];
  MO_CHECK(fits, op, "input shape ", input_shape, " does not fit g of shape ", g.shape(), " in ", spatial,
           " pooled dimensions");
  const Array out = Array::empty(op, input_shape, dtype, g.device());
  if (out.numel() > 0) {
    const Array up = prepared(op, g, dtype), places = contiguous(op, indices);
    Launch<MaxPoolGradArgs> call(op, kernel_for(op, table_for(g).max_pool_grad[dtype], dtype));
    call.args.planes = call.args.in_size = call.args.out_size = 1;
    for (int i = 0; i < n; ++i) {
      if (i < n - spatial) {
        call.args.planes *= g.size(i);
      } else {
        call.args.in_size *= input_shape[i];
        call.args.out_size *= g.size(i);
      }
    }
    call.read(&MaxPoolGradArgs::g, up);
    call.read(&MaxPoolGradArgs::indices, places);
    call.write(&MaxPoolGradArgs::dx, out);
    call.values("indices");
    call.submit(static_cast<double>(g.numel()) * 4);
  }
  return cast(op, out, g.dtype());
}

Array avg_pool2d_grad(const Array& g, const Dims& input_shape, const PoolOptions& options) {
  const char* op = "avg_pool2d_grad";
  const DType dtype = pool_type(op, g);
  const PoolArgs args = make_args(op, input_shape, options);
  const Dims wanted = with_plane(input_shape, args.out_h, args.out_w);
  MO_CHECK(g.shape() == wanted, op, "g has shape ", g.shape(), ", wanted ", wanted);
  const Array out = Array::empty(op, input_shape, dtype, g.device());
  if (out.numel() > 0) {
    const Array up = prepared(op, g, dtype);
    Launch<AvgPoolGradArgs> call(op, kernel_for(op, table_for(g).avg_pool_grad[dtype], dtype));
    call.args.pool = args;
    call.read(&AvgPoolGradArgs::g, up);
    call.write(&AvgPoolGradArgs::dx, out);
    call.submit(flops(args), num_threads() * args.row_elements * size_of(dtype));
  }
  return cast(op, out, g.dtype());
}

}  // namespace markone
