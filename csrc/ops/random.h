// Random arrays, and dropout. Every number comes from a Generator: its state is an array that the kernels
// read and advance, so that a recorded call draws new numbers each time it is replayed. contract/random.h
// says which block of the stream an element uses.
#pragma once
#include <utility>

#include "core/array.h"

namespace markone {

class Generator {
 public:
  explicit Generator(uint64_t seed, Device device = {});

  // Starts the stream of `seed` from its first block.
  void manual_seed(uint64_t seed) const;
  uint64_t initial_seed() const;
  // A seed of the operating system's own randomness; sets it and returns it.
  uint64_t seed() const;
  // int64[2]: the seed and the next block. Shared with every copy of this generator.
  const Array& state() const { return state_; }
  Device device() const { return state_.device(); }
  void set_state(const Array& state) const;

 private:
  void write(uint64_t seed, uint64_t next) const;
  int64_t read(int place) const;
  Array state_;
};

// The generator of functions that are given none; starts from the operating system's randomness.
const Generator& default_generator(Device device = {});

// n words of 32 bits as int32: the stream itself.
Array random_bits(int64_t n, const Generator& generator);
// [low, high): floating types.
Array uniform(const Dims& shape, DType dtype, double low, double high, const Generator& generator);
void uniform_into(const Array& out, double low, double high, const Generator& generator);
Array normal(const Dims& shape, DType dtype, double mean, double std, const Generator& generator);
void normal_into(const Array& out, double mean, double std, const Generator& generator);
// Integers of [low, high) in any type that holds them.
Array randint(const Dims& shape, int64_t low, int64_t high, DType dtype, const Generator& generator);
// A random order of 0 .. n - 1, int64.
Array randperm(int64_t n, const Generator& generator);
// 1 with the probability that p gives, else 0, in the shape and type of p.
Array bernoulli(const Array& p, const Generator& generator);

// y = x / (1 - p) where the bool mask is true, else 0; an element is kept with probability 1 - p. Both
// contiguous.
std::pair<Array, Array> dropout(const Array& x, double p, const Generator& generator);
Array dropout_grad(const Array& g, const Array& mask, double p);

}  // namespace markone
