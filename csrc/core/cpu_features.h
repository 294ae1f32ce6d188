// Which instruction sets this machine has and which one the kernels use.
#pragma once
#include <string>
#include <vector>

namespace markone {

// Ordered from the least to the most capable of one architecture. kRef is the plain C++ oracle.
enum class Isa : int { kRef, kBaseline, kAvx2, kAvx512, kNeon };

const char* name_of(Isa isa);

// The sets that both this build and this machine have, best last, kRef first.
const std::vector<Isa>& available_isas();

// The set in use: the best one, or MARKONE_ISA (ref, baseline, avx2, avx512, neon). Raises ValueError for a
// name that does not exist or that this machine cannot run.
Isa active_isa();
// For tests and benchmarks. Plans made for another set are not used again.
void set_active_isa(const std::string& name);

// Whether products of bfloat16 have their own instruction beside AVX-512.
bool has_avx512_bf16();

// The processor's own name for itself, "AMD EPYC 7543".
std::string cpu_name();

}  // namespace markone
