// How a convolution is cut into chunks and where the kernel reads its input from. The choice depends on the
// shape of one image, never on the number of images or threads.
#pragma once
#include "contract/conv.h"

namespace markone {

// Fills args->tiling for elements of `size` bytes; returns the bytes of scratch for args->tiling.slots
// threads.
int64_t plan_tiling(ConvArgs* args, int64_t size, int64_t slots);
// Also sets images and parts.
int64_t plan_tiling(ConvWeightGradArgs* args, int64_t size, int64_t slots);

}  // namespace markone
