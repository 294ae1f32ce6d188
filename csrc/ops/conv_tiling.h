// How a convolution is cut into chunks and where the kernel reads its input from. The choice depends on the
// shape of one image, never on the number of images or threads.
#pragma once
#include "contract/conv.h"

namespace markone {

// What the choice of an implementation looks at. No batch: the same one serves any number of images.
struct ConvProblem {
  ConvAxis d, h, w;
  int64_t groups, rows, depth, dtype;
  int64_t spread;
  int64_t winograd;  // tiles of at most so many outputs a side, 0: none
};

// Fills args->tiling for elements of `size` bytes; returns the bytes of scratch for args->tiling.slots
// threads.
int64_t plan_tiling(ConvArgs* args, int64_t size, int64_t slots);
// Also sets images and parts.
int64_t plan_tiling(ConvWeightGradArgs* args, int64_t size, int64_t slots);

// Winograd's filtering with tiles of out x out outputs.
int64_t plan_winograd(ConvArgs* args, int64_t out, int64_t slots);
int64_t plan_winograd(ConvWeightGradArgs* args, int64_t out, int64_t slots);
const char* refuse_winograd(const ConvProblem& problem, int64_t out);
const char* avoid_winograd(const ConvProblem& problem, int64_t out);

// A few channels a group, straight from their planes.
int64_t plan_depthwise(ConvArgs* args, int64_t size, int64_t slots);
int64_t plan_depthwise(ConvWeightGradArgs* args, int64_t size, int64_t slots);
const char* refuse_depthwise(const ConvProblem& problem);
const char* avoid_depthwise(const ConvProblem& problem);
// A product with every input, tap by tap, and a sum of what meets.
int64_t plan_columns(ConvArgs* args, int64_t size, int64_t slots);
const char* refuse_columns(const ConvProblem& problem);
const char* avoid_columns(const ConvProblem& problem);
const char* refuse_depthwise_weight_grad(const ConvProblem& problem);

}  // namespace markone
