// The checks that convolution and unfolding share.
#pragma once
#include "contract/conv.h"
#include "ops/conv.h"

namespace markone {

// As many numbers as axes from one or that many, each at least `least`.
Dims check_axes(const char* op, const char* name, const Dims& given, int axes, int64_t least);

// The axis of `in` elements and so many taps, padded by the same on both sides; `i` counts from the first of
// `axes`. Raises where no window fits.
ConvAxis check_axis(const char* op, int i, int axes, int64_t in, int64_t taps, int64_t stride,
                    int64_t padding, int64_t dilation);

// What an image of fewer axes has in the place of the missing ones.
inline constexpr ConvAxis kSinglePlace{1, 1, 1, 1, 1, 0};

}  // namespace markone
