// What this machine can do at best, for benchmarks and profiles.
#pragma once
#include <vector>

#include "core/array.h"

namespace markone {

// x after `steps` of x = fma(x, 1/2, 1); 2 operations an element and step.
Array fma_chain(const Array& x, int64_t steps);

// Writes j + the sum of `reads` to write j, `repeats` times; a write may be one of the reads. Gives the sums
// of chunks of 16384 elements where there is nothing to write.
Array memory_stream(const std::vector<Array>& reads, const std::vector<Array>& writes, bool nontemporal,
                    int64_t repeats);

}  // namespace markone
