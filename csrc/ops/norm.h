// Normalisation. Half types are computed in float32 and rounded once; weights may be wider than the input.
#pragma once
#include <string>
#include <tuple>

#include "core/array.h"

namespace markone {

using Three = std::tuple<Array, Array, Array>;

// layer_norm and rms_norm over the trailing dimensions `size`; group_norm and instance_norm of [N, C, ...] in
// size[0] groups. Weight and bias may be empty. Gives y, the mean and 1 / sqrt(variance + eps) of each row.
Three row_norm(const std::string& kind, const Array& x, const Dims& size, const Array& weight,
               const Array& bias, double eps);
// The gradients of x, weight and bias; empty where not wanted.
Three row_norm_grad(const std::string& kind, const Array& g, const Array& x, const Dims& size,
                    const Array& weight, const Array& mean, const Array& scale, bool want_x, bool want_weight,
                    bool want_bias);

// Of [N, C, ...]. Training moves the running arrays, where they are not empty, by `momentum`, or 1 / tracked
// where that int64 count is not empty. Gives y, mean and 1 / sqrt(variance + eps) of each channel.
Three batch_norm(const Array& x, const Array& weight, const Array& bias, const Array& running_mean,
                 const Array& running_var, bool training, double momentum, double eps, const Array& tracked);
Three batch_norm_grad(const Array& g, const Array& x, const Array& weight, const Array& mean,
                      const Array& scale, bool training, bool want_x, bool want_weight, bool want_bias);

// Across the channels of [N, C, ...].
Array local_response_norm(const Array& x, int64_t size, double alpha, double beta, double k);
Array local_response_norm_grad(const Array& g, const Array& x, int64_t size, double alpha, double beta,
                               double k);

}  // namespace markone
