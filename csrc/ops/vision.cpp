#include "ops/vision.h"

#include "core/parallel.h"
#include "ops/elementwise.h"
#include "ops/tables.h"

namespace markone {
namespace {

Array resize(const char* op, const Array& in, const Dims& input_shape, const Dims& result_shape,
             bool align_corners, bool grad) {
  MO_CHECK_TYPE(is_floating(in.dtype()), op, "wants a floating type, got ", name_of(in.dtype()));
  const int n = input_shape.size();
  MO_CHECK(n == 3 || n == 4, op, "the input must be [C, H, W] or [N, C, H, W], got ", input_shape);
  MO_CHECK(input_shape[n - 2] > 0 && input_shape[n - 1] > 0, op, "the input has no pixels, shape ",
           input_shape);
  MO_CHECK(result_shape[n - 2] > 0 && result_shape[n - 1] > 0, op, "the result has no pixels, shape ",
           result_shape);
  const DType dtype = is_half(in.dtype()) ? kF32 : in.dtype();
  const Array out = Array::empty(op, grad ? input_shape : result_shape, dtype, in.device());
  if (out.numel() > 0) {
    const Array source = prepared(op, in, dtype);
    const KernelTable& table = active_table();
    Launch<ResizeArgs> call(
        op, kernel_for(op, grad ? table.resize_bilinear_grad[dtype] : table.resize_bilinear[dtype], dtype));
    ResizeArgs& a = call.args;
    a.planes = input_shape[n - 3] * (n == 4 ? input_shape[0] : 1);
    a.h = input_shape[n - 2];
    a.w = input_shape[n - 1];
    a.out_h = result_shape[n - 2];
    a.out_w = result_shape[n - 1];
    a.align_corners = align_corners;
    call.read(&ResizeArgs::in, source);
    call.write(&ResizeArgs::out, out);
    const int64_t bytes = (a.out_h + a.out_w) * kResizeScratch + num_threads() * a.w * size_of(dtype);
    call.submit(8.0 * static_cast<double>(a.planes) * static_cast<double>(a.out_h * a.out_w), bytes);
  }
  return cast(op, out, in.dtype());
}

}  // namespace

Array resize_bilinear(const Array& x, const Dims& size, bool align_corners) {
  const char* op = "resize_bilinear";
  MO_CHECK(size.size() == 2, op, "the size must be (height, width), got ", size);
  MO_CHECK(x.ndim() == 3 || x.ndim() == 4, op, "the input must be [C, H, W] or [N, C, H, W], got ",
           x.shape());
  Dims shape = x.shape();
  shape[x.ndim() - 2] = size[0];
  shape[x.ndim() - 1] = size[1];
  return resize(op, x, x.shape(), shape, align_corners, false);
}

Array resize_bilinear_grad(const Array& g, const Dims& input_shape, bool align_corners) {
  const char* op = "resize_bilinear_grad";
  bool fits = g.ndim() == input_shape.size();
  for (int i = 0; fits && i < g.ndim() - 2; ++i) fits = g.size(i) == input_shape[i];
  MO_CHECK(fits, op, "g of shape ", g.shape(), " does not fit an input of shape ", input_shape);
  return resize(op, g, input_shape, g.shape(), align_corners, true);
}

}  // namespace markone
