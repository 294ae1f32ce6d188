// The machine's measures as plain loops.
#include "contract/machine.h"

namespace markone::ref {
namespace {

template <class T>
void fma_chain(const FmaChainArgs* a, const Run*) {
  for (int64_t i = 0; i < a->n; ++i) {
    double y = static_cast<double>(static_cast<const T*>(a->x)[i]);
    for (int64_t step = 0; step < a->steps; ++step) y = y * 0.5 + 1;
    static_cast<T*>(a->y)[i] = static_cast<T>(y);
  }
}

void stream(const StreamArgs* a, const Run*) {
  for (int64_t repeat = 0; repeat < a->repeats; ++repeat) {
    for (int64_t first = 0; first < a->n; first += kStreamChunk) {
      double sum = 0;
      for (int64_t i = first; i < a->n && i < first + kStreamChunk; ++i) {
        double value = 0;
        for (int64_t r = 0; r < a->reads; ++r) value += static_cast<double>(a->read[r][i]);
        for (int64_t w = 0; w < a->writes; ++w)
          a->write[w][i] = static_cast<float>(value + static_cast<double>(w));
        sum += value;
      }
      if (a->writes == 0) a->sums[first / kStreamChunk] = static_cast<float>(sum);
    }
  }
}

}  // namespace

void fill_machine(MachineKernels* table) {
  table->fma_chain[kF32] = {fma_chain<float>, "fma_chain_f32_ref"};
  table->fma_chain[kF64] = {fma_chain<double>, "fma_chain_f64_ref"};
  table->stream = {stream, "stream_f32_ref"};
}

}  // namespace markone::ref
