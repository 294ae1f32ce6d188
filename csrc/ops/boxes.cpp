// Non-maximum suppression and pooling of regions.
#include "ops/elementwise.h"
#include "ops/pool.h"
#include "ops/tables.h"
#include "ops/vision.h"

namespace markone {
namespace {

RoiArgs roi_args(const char* op, const Dims& shape, const Array& boxes, const RoiOptions& o) {
  MO_CHECK(shape.size() == 4, op, "the input must be [N, C, H, W], got ", shape);
  MO_CHECK(boxes.ndim() == 2 && boxes.size(1) == 5, op, "the boxes must be [K, 5], got ", boxes.shape());
  MO_CHECK(o.output_size.size() == 2 && o.output_size[0] > 0 && o.output_size[1] > 0 &&
               o.output_size[0] <= INT32_MAX && o.output_size[1] <= INT32_MAX,
           op, "output_size must be two numbers above 0, got ", o.output_size);
  MO_CHECK(o.sampling_ratio <= 4096, op, "sampling_ratio must be at most 4096, got ", o.sampling_ratio);
  RoiArgs a{};
  a.batch = shape[0];
  a.channels = shape[1];
  a.h = shape[2];
  a.w = shape[3];
  MO_CHECK(a.h > 0 && a.w > 0, op, "the input has no pixels, shape ", shape);
  a.count = boxes.size(0);
  a.out_h = o.output_size[0];
  a.out_w = o.output_size[1];
  a.sampling_ratio = o.sampling_ratio;
  a.aligned = o.aligned;
  a.scale = o.scale;
  return a;
}

// x or g, and the boxes; forward or gradient by `shape`.
Array roi_call(const char* op, const Entry<RoiArgs>* entries, const RoiArgs& args, const Array& x,
               const Array& g, const Array& boxes, Array* indices, bool picks, const Dims& shape) {
  const Array& in = x ? x : g;
  const DType dtype = pool_type(op, in);
  MO_CHECK_TYPE(boxes.dtype() == in.dtype(), op, "the input and the boxes must have the same type, got ",
                name_of(in.dtype()), " and ", name_of(boxes.dtype()));
  const Array out = Array::empty(op, shape, dtype, in.device());
  if (picks) *indices = Array::empty(op, shape, kI64, in.device());
  if (out.numel() > 0) {
    Launch<RoiArgs> call(op, kernel_for(op, entries[dtype], dtype));
    call.args = args;
    const Array source = prepared(op, in, dtype), regions = prepared(op, boxes, dtype);
    call.read(x ? &RoiArgs::x : &RoiArgs::g, source);
    call.read(&RoiArgs::boxes, regions);
    call.write(&RoiArgs::out, out);
    Array places;
    if (indices) {
      places = contiguous(op, *indices);
      call.args.indices = places.as<int64_t>();
      call.touch(&call.args.indices, places, picks);
    }
    call.values(indices && !picks ? "boxes or indices" : "boxes");
    call.submit(8.0 * static_cast<double>(args.count * args.channels) * static_cast<double>(args.h * args.w));
  }
  return cast(op, out, in.dtype());
}

Dims pooled_shape(const RoiArgs& a) { return {a.count, a.channels, a.out_h, a.out_w}; }

}  // namespace

Array nms(const Array& boxes, const Array& order, const Array& groups, double threshold) {
  const char* op = "nms";
  MO_CHECK(boxes.ndim() == 2 && boxes.size(1) == 4, op, "the boxes must be [n, 4], got ", boxes.shape());
  const Dims wanted{boxes.size(0)};
  MO_CHECK(order.shape() == wanted && order.dtype() == kI64, op, "the order must be int64 ", wanted, ", got ",
           name_of(order.dtype()), " ", order.shape());
  MO_CHECK(!groups || (groups.shape() == wanted && groups.dtype() == kI64), op, "the groups must be int64 ",
           wanted);
  const DType dtype = pool_type(op, boxes);
  const Array keep = Array::empty(op, wanted, kBool, boxes.device());
  if (keep.numel() == 0) return keep;
  const Array corners = prepared(op, boxes, dtype), places = contiguous(op, order);
  const Array kinds = groups ? contiguous(op, groups) : groups;
  Launch<NmsArgs> call(op, kernel_for(op, table_for(boxes).nms[dtype], dtype));
  call.args.count = boxes.size(0);
  call.args.threshold = threshold;
  call.read(&NmsArgs::boxes, corners);
  call.read(&NmsArgs::order, places);
  if (groups) call.read(&NmsArgs::groups, kinds);
  call.write(&NmsArgs::keep, keep);
  call.values("order");
  const auto n = static_cast<double>(call.args.count);
  call.submit(6 * n * n, checked_mul(op, 5 * size_of(dtype), call.args.count));
  return keep;
}

Array roi_align(const Array& x, const Array& boxes, const RoiOptions& options) {
  const char* op = "roi_align";
  const RoiArgs a = roi_args(op, x.shape(), boxes, options);
  return roi_call(op, table_for(boxes).roi_align, a, x, Array(), boxes, nullptr, false, pooled_shape(a));
}

Array roi_align_grad(const Array& g, const Array& boxes, const Dims& input_shape, const RoiOptions& options) {
  const char* op = "roi_align_grad";
  const RoiArgs a = roi_args(op, input_shape, boxes, options);
  MO_CHECK(g.shape() == pooled_shape(a), op, "g has shape ", g.shape(), ", wanted ", pooled_shape(a));
  return roi_call(op, table_for(boxes).roi_align_grad, a, Array(), g, boxes, nullptr, false, input_shape);
}

std::pair<Array, Array> roi_pool(const Array& x, const Array& boxes, const RoiOptions& options) {
  const char* op = "roi_pool";
  const RoiArgs a = roi_args(op, x.shape(), boxes, options);
  Array indices;
  const Array y =
      roi_call(op, table_for(boxes).roi_pool, a, x, Array(), boxes, &indices, true, pooled_shape(a));
  return {y, indices};
}

Array roi_pool_grad(const Array& g, const Array& boxes, const Array& indices, const Dims& input_shape) {
  const char* op = "roi_pool_grad";
  MO_CHECK(g.ndim() == 4 && g.shape() == indices.shape() && indices.dtype() == kI64, op, "g has shape ",
           g.shape(), " but the indices are ", name_of(indices.dtype()), " ", indices.shape());
  RoiOptions options;
  options.output_size = {g.size(2), g.size(3)};
  const RoiArgs a = roi_args(op, input_shape, boxes, options);
  MO_CHECK(g.shape() == pooled_shape(a), op, "g has shape ", g.shape(), ", wanted ", pooled_shape(a));
  Array places = indices;
  return roi_call(op, table_for(boxes).roi_pool_grad, a, Array(), g, boxes, &places, false, input_shape);
}

}  // namespace markone
