#include "core/parallel.h"
#include "ops/conv_geometry.h"
#include "ops/elementwise.h"
#include "ops/tables.h"

namespace markone {
namespace {

// What unfold and fold have in common: the images [N, C, sizes..] and their columns.
struct Windows {
  UnfoldArgs args;
  Dims image, columns;
};

Windows windows_of(const char* op, const Dims& image, const Dims& taps_in, const ConvParams& params) {
  const int axes = image.size() - 2;
  MO_CHECK(axes >= 1 && axes <= 3, op, "wants images [N, C, H, W] (or one or three axes), got shape ", image);
  const Dims taps = check_axes(op, "kernel_size", taps_in, axes, 1);
  const Dims stride = check_axes(op, "stride", params.stride, axes, 1);
  const Dims padding = check_axes(op, "padding", params.padding, axes, 0);
  const Dims dilation = check_axes(op, "dilation", params.dilation, axes, 1);
  checked_numel(op, image);
  Windows w{{checked_mul(op, image[0], image[1]), kSinglePlace, kSinglePlace, kSinglePlace, nullptr, nullptr},
            image,
            {image[0], image[1], 1}};
  ConvAxis* const places[] = {&w.args.d, &w.args.h, &w.args.w};
  for (int i = 0; i < axes; ++i) {
    ConvAxis& axis = *places[3 - axes + i];
    axis = check_axis(op, i, axes, image[2 + i], taps[i], stride[i], padding[i], dilation[i]);
    w.columns[1] = checked_mul(op, w.columns[1], axis.taps);
    w.columns[2] = checked_mul(op, w.columns[2], axis.out);
  }
  checked_numel(op, w.columns);
  return w;
}

Array launch(const char* op, const Windows& windows, const Array& from_in, bool fold) {
  MO_CHECK_KIND(ErrorKind::kNotImplemented, is_floating(from_in.dtype()), op, "is not defined for ",
                name_of(from_in.dtype()));
  const DType dtype = is_half(from_in.dtype()) ? kF32 : from_in.dtype();
  const Array out = Array::empty(op, fold ? windows.image : windows.columns, dtype, from_in.device());
  if (out.numel() > 0) {
    const Array from = prepared(op, from_in, dtype);
    const KernelTable& table = table_for(out);
    Launch<UnfoldArgs> call(op, kernel_for(op, fold ? table.fold[dtype] : table.unfold[dtype], dtype));
    call.args = windows.args;
    call.read(&UnfoldArgs::from, from);
    call.write(&UnfoldArgs::to, out);
    const double moved = static_cast<double>(checked_numel(op, windows.columns));
    call.submit(fold ? moved : moved / 2);
  }
  return cast(op, out, from_in.dtype());
}

}  // namespace

Array unfold(const Array& x, const Dims& taps, const ConvParams& params) {
  return launch("unfold", windows_of("unfold", x.shape(), taps, params), x, false);
}

Array fold(const Array& columns, const Dims& sizes, const Dims& taps, const ConvParams& params) {
  const char* op = "fold";
  MO_CHECK(columns.ndim() == 3, op, "wants columns [N, C * taps, windows], got shape ", columns.shape());
  const int64_t count = checked_numel(op, check_axes(op, "kernel_size", taps, sizes.size(), 1));
  MO_CHECK(columns.size(1) % count == 0, op, "the columns have ", columns.size(1),
           " elements, not a multiple of the ", count, " of a window of ", taps);
  Dims image{columns.size(0), columns.size(1) / count};
  for (int64_t size : sizes) image.push_back(size);
  const Windows windows = windows_of(op, image, taps, params);
  MO_CHECK(windows.columns == columns.shape(), op, "images of ", sizes, " have ", windows.columns[2],
           " windows of ", taps, ", got columns of shape ", columns.shape());
  return launch(op, windows, columns, true);
}

}  // namespace markone
