// Resampling and sampling with the numbers of PyTorch's interpolate and grid_sample; boxes with
// torchvision's.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contract/elementwise.h"
#include "core/array.h"

namespace markone {

// x: [N, C, one to three dimensions], floating; size: their new sizes. factors: how many times larger each is
// meant to be, where that is not the ratio of the sizes; empty: it is. mode: nearest, nearest-exact, linear,
// cubic.
Array resample(const Array& x, const Dims& size, const std::vector<double>& factors, const std::string& mode,
               bool align_corners, bool antialias);
// The gradient of x, which has `input_shape`, from that of the result.
Array resample_grad(const Array& g, const Dims& input_shape, const std::vector<double>& factors,
                    const std::string& mode, bool align_corners, bool antialias);

// x: [N, C, (D,) H, W]; grid: [N, (OD,) OH, OW, 2 or 3]. mode: bilinear, nearest, bicubic; padding_mode:
// zeros, border, reflection.
Array grid_sample(const Array& x, const Array& grid, const std::string& mode, const std::string& padding_mode,
                  bool align_corners);
Array grid_sample_input_grad(const Array& g, const Array& grid, const Dims& input_shape,
                             const std::string& mode, const std::string& padding_mode, bool align_corners);
Array grid_sample_grid_grad(const Array& g, const Array& x, const Array& grid, const std::string& mode,
                            const std::string& padding_mode, bool align_corners);

// x: [..., one to three dimensions], which grow by before, after of the last one, then of the one before it
// and so on (numbers not negative). mode: constant, reflect, replicate, circular.
Array pad(const Array& x, const std::string& mode, const Dims& sides, Scalar value);

// Which boxes are kept, in the order given: bool [n]. boxes [n, 4]; order int64 [n]; groups int64 [n] or
// empty.
Array nms(const Array& boxes, const Array& order, const Array& groups, double threshold);

struct RoiOptions {
  Dims output_size;  // height and width
  double scale = 1;
  int64_t sampling_ratio = -1;
  bool aligned = false;
};
// x [N, C, H, W], boxes [K, 5] → [K, C, output_size].
Array roi_align(const Array& x, const Array& boxes, const RoiOptions& options);
Array roi_align_grad(const Array& g, const Array& boxes, const Dims& input_shape, const RoiOptions& options);
// And the flat place in its plane of each maximum (int64; -1 where a bin is empty).
std::pair<Array, Array> roi_pool(const Array& x, const Array& boxes, const RoiOptions& options);
Array roi_pool_grad(const Array& g, const Array& boxes, const Array& indices, const Dims& input_shape);

}  // namespace markone
