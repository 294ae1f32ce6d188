// Resampling, sampling at given places, padding from the image itself, and boxes.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

// Resampling is separable: output o of a dimension is the weighted sum of a few neighbours of source position
// o * scale (align_corners) or (o + 0.5) * scale - 0.5.
//   copy: the dimension stays as it is. nearest: place floor(o * scale). nearest_exact: floor((o + 0.5) *
//   scale). linear: two neighbours by distance. cubic: four (Keys 1981, a = -0.75, at the border the edge is
//   repeated). With antialias the triangle, or the cubic with a = -0.5, is stretched over `scale` places
//   where scale > 1, and its weights are divided by their sum.
enum : int64_t {
  kResampleCopy,
  kResampleNearest,
  kResampleNearestExact,
  kResampleLinear,
  kResampleCubic,
};
struct ResampleDim {
  int64_t size, out, mode, align_corners, antialias;
  int64_t taps;  // at least as many as any output uses
  double scale;  // source places per output
};
// Forward reads [planes, rows.size, columns.size] and writes [planes, rows.out, columns.out]; the gradient
// the other way round. Scratch: for each dimension out * (kResampleScratch + 8 * taps) bytes, then for each
// thread the larger of columns.size and kResampleRows * columns.out elements.
struct ResampleArgs {
  int64_t planes;
  ResampleDim rows, columns;
  const void* in;
  void* out;
};
enum : int64_t { kResampleScratch = 16, kResampleRows = 4 };

// y[n, c, p] = x[n, c] at the place grid[n, p], which holds (x, y) or (x, y, z) with -1 and 1 the borders.
enum : int64_t { kGridBilinear, kGridNearest, kGridBicubic };
enum : int64_t { kGridZeros, kGridBorder, kGridReflection };
struct GridSampleArgs {
  int64_t batch, channels, dims;  // dims: 2 or 3
  int64_t size[3];                // depth (1 where dims is 2), rows, columns of x
  int64_t places;                 // of the grid in one image
  int64_t mode, padding, align_corners;
  const void* x;     // [batch, channels, size]
  const void* grid;  // [batch, places, dims]
  const void* g;     // gradients: [batch, channels, places]
  void* out;         // y [batch, channels, places]; or the gradient of x, or that of the grid
};

// Each dimension of [planes, size 0, size 1, size 2] grows by `before` and `after`, with one value, or with
// what its own elements are when they go on mirrored without the border (at most size - 1), as the border, or
// from the other end (at most size). Elements of any type of `bytes` bytes.
enum : int64_t { kPadConstant, kPadReflect, kPadReplicate, kPadCircular };
struct PadDim {
  int64_t size, before, after;
};
struct PadArgs {
  int64_t planes, mode, bytes;
  PadDim dim[3];
  const void* in;
  const void* value;  // one element: the constant; else null
  void* out;
};

// Non-maximum suppression. keep[i] is 1 where box order[i] overlaps no kept box before it (of its group) by
// more than `threshold` of their union. Boxes are x1, y1, x2, y2. Scratch: 5 * count elements.
struct NmsArgs {
  int64_t count;
  double threshold;
  const void* boxes;      // [count, 4]
  const int64_t* order;   // [count], in [0, count)
  const int64_t* groups;  // [count] or null: all in one
  uint8_t* keep;          // [count]
};

// Pooling of regions of interest: boxes hold image, x1, y1, x2, y2, times `scale` in places of x.
//   align (He et al., "Mask R-CNN", 2017): the mean of bilinear samples, sampling_ratio^2 a bin, or ceil(bin
//   size) each way where it is <= 0. `aligned` shifts by half a place. pool (Girshick, "Fast R-CNN", 2015):
//   the maximum of whole places; indices -1 and 0 where there are none.
struct RoiArgs {
  int64_t batch, channels, h, w, count, out_h, out_w;
  int64_t sampling_ratio, aligned;
  double scale;
  const void* x;      // [batch, channels, h, w]
  const void* boxes;  // [count, 5]
  const void* g;      // gradient: [count, channels, out_h, out_w]
  void* out;          // [count, channels, out_h, out_w]; the gradient of x
  int64_t*
      indices;  // pool: the flat place in the plane, [count, channels, out_h, out_w]; read by its gradient
};

struct VisionKernels {
  Entry<PadArgs> pad;
  Entry<ResampleArgs> resample[kDTypeCount];
  Entry<ResampleArgs> resample_grad[kDTypeCount];
  Entry<GridSampleArgs> grid_sample[kDTypeCount];
  Entry<GridSampleArgs> grid_sample_input_grad[kDTypeCount];
  Entry<GridSampleArgs> grid_sample_grid_grad[kDTypeCount];
  Entry<NmsArgs> nms[kDTypeCount];
  Entry<RoiArgs> roi_align[kDTypeCount];
  Entry<RoiArgs> roi_align_grad[kDTypeCount];
  Entry<RoiArgs> roi_pool[kDTypeCount];
  Entry<RoiArgs> roi_pool_grad[kDTypeCount];
};

}  // namespace markone
