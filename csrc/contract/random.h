// Philox random numbers and dropout.
//
// A generator is an int64 pair in memory: state[0] the seed, state[1] the next block of its stream. A kernel
// takes the blocks that it needs by one atomic addition to state[1] when it starts, so a recorded call goes
// on from where the stream is, and two threads that share a generator never get the same block. Element i
// uses
//   block i / 4, word i % 4                       bits, uniform float32, bernoulli, dropout
//   block i / 4, words 2 ((i % 4) / 2) and + 1    normal float32: a pair of elements shares two words
//   block i / 2, words 2 (i % 2) and + 1          uniform float64, randint, randperm (its i-th exchange)
//   block i / 2, all four                         normal float64: a pair of elements shares the block
// Integers and uniforms are the same bits everywhere; normals agree within 2 units in the last place.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {

// Every array is contiguous, of n elements. `state` has two.
struct RandomBitsArgs {
  int64_t n;
  int64_t* state;
  uint32_t* out;
};

// out[i] = min(u[i] * scale + low, highest) in the type of out (float32 or float64), u in [0, 1).
struct UniformArgs {
  int64_t n;
  int64_t* state;
  void* out;
  double low, scale, highest;
};

// out[i] = mean + std * z[i], computed in double and rounded once to the type of out (float32 or float64).
struct NormalArgs {
  int64_t n;
  int64_t* state;
  void* out;
  double mean, std;
};

// out[i] in [low, low + range), 1 <= range <= 2^64 - 1.
struct RandintArgs {
  int64_t n;
  int64_t* state;
  int64_t* out;
  int64_t low;
  uint64_t range;
};

// out becomes a permutation of 0 .. n - 1 (Fisher and Yates, one thread).
struct RandpermArgs {
  int64_t n;
  int64_t* state;
  int64_t* out;
};

// out[i] = u[i] < p[i]. A p outside [0, 1] is reported in millionths, and its element is 0.
struct BernoulliArgs {
  int64_t n;
  int64_t* state;
  uint8_t* out;
  const float* p;
};

// mask[i] = (word >> 8) >= threshold, in [0, 2^24]; y[i] = mask[i] ? x[i] * scale : 0. float32 or float64.
struct DropoutArgs {
  int64_t n;
  int64_t* state;
  void* y;
  uint8_t* mask;
  const void* x;
  uint32_t threshold;
  double scale;
};

// dx[i] = mask[i] ? g[i] * scale : 0.
struct DropoutGradArgs {
  int64_t n;
  void* dx;
  const void* g;
  const uint8_t* mask;
  double scale;
};

struct RandomKernels {
  Entry<RandomBitsArgs> random_bits;
  Entry<UniformArgs> uniform[kDTypeCount];
  Entry<NormalArgs> normal[kDTypeCount];
  Entry<RandintArgs> randint;
  Entry<RandpermArgs> randperm;
  Entry<BernoulliArgs> bernoulli;
  Entry<DropoutArgs> dropout[kDTypeCount];
  Entry<DropoutGradArgs> dropout_grad[kDTypeCount];
};

}  // namespace markone
