// What the files of the kernels' self-test share.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/array.h"

namespace markone::selftest {

// A case gives the same results on every instruction set. `tolerance` is in units of the type's epsilon,
// relative to the largest of |reference| and `floor`; integers agree exactly. `op` names the operation's list
// of implementations where it has one: each is forced in turn.
void add(std::string name, double tolerance, double floor, std::function<std::vector<Array>()> run,
         std::string op = "");

// The same numbers in every run of a case.
Array random_array(const Dims& shape, DType dtype, double low = -2, double high = 2);
// int64 in [0, count).
Array labels(const Dims& shape, int64_t count);

inline constexpr DType kFloats[] = {kF32, kF64, kBF16, kF16};

// The cases, by theme.
void add_elementwise();
void add_products();
void add_reductions();
void add_images();
void add_random();
void add_optimisers();
void add_norms();
void add_lines();
void add_indexing();
void add_recurrent();

}  // namespace markone::selftest
