// Local response normalisation: tiles of columns, each with all of its channels.
#include "contract/norm.h"
#include "kernels/cpu/norm/sums.h"
#include "kernels/cpu/vec_math.h"

MO_ISA_BEGIN

constexpr int64_t kLocalColumns = 64;  // of a tile

// d^-beta; the published beta has two square roots.
template <class V>
MO_INLINE V lowered(V d, double beta) {
  if (beta == 0.75) {
    const V root = sqrt(d);
    return V(1) / (root * sqrt(root));
  }
  return pow(d, V(-beta));
}

template <class C, class Args>
struct Columns {
  using V = Vec<C>;
  const Args* a;
  C* scratch;

  // value(j) added over the channels from c - before to c + after that exist.
  template <class Value>
  MO_INLINE V around(int64_t c, int64_t before, int64_t after, Value value) const {
    const int64_t first = before < c ? c - before : 0;
    const int64_t last = after < a->channels - 1 - c ? c + after : a->channels - 1;
    V sum(0);
    for (int64_t j = first; j <= last; ++j) sum = sum + value(j);
    return sum;
  }
  MO_INLINE V divisor(const C* x, int64_t c, int64_t left) const {
    const V squares = around(c, a->size / 2, (a->size - 1) / 2, [=, this](int64_t j) {
      const V v = load_lanes<V>(x + j * a->inner, left);
      return v * v;
    });
    return fma(V(a->alpha / static_cast<double>(a->size)), squares, V(a->k));
  }
  // visit(flat index of channel 0, left) for each vector of the tile.
  template <class Visit>
  MO_INLINE void each(int64_t task, const Visit& visit) const {
    const int64_t tiles = (a->inner + kLocalColumns - 1) / kLocalColumns;
    const int64_t column = task % tiles * kLocalColumns;
    const int64_t start = task / tiles * a->channels * a->inner + column;
    const int64_t width = a->inner - column < kLocalColumns ? a->inner - column : kLocalColumns;
    each_vector<C>(width, [&](int64_t i, int64_t left) { visit(start + i, left); });
  }
  static void run_all(const Args* args, const Run* run, ChunkFn task) {
    Columns self{args, static_cast<C*>(run->scratch)};
    run->parallel(run, args->outer * ((args->inner + kLocalColumns - 1) / kLocalColumns), task, &self);
  }
};

template <class C>
struct LocalNorm {
  using V = Vec<C>;
  static void task(void* context, int64_t task, int) {
    const auto self = *static_cast<const Columns<C, LocalNormArgs>*>(context);
    const LocalNormArgs* a = self.a;
    self.each(task, [&](int64_t start, int64_t left) {
      const C* x = static_cast<const C*>(a->x) + start;
      C* y = static_cast<C*>(a->y) + start;
      for (int64_t c = 0; c < a->channels; ++c) {
        const V v = load_lanes<V>(x + c * a->inner, left);
        store_lanes(v * lowered(self.divisor(x, c, left), a->beta), y + c * a->inner, left);
      }
    });
  }
  static void kernel(const LocalNormArgs* args, const Run* run) {
    Columns<C, LocalNormArgs>::run_all(args, run, task);
  }
};

template <class C>
struct LocalNormGrad {
  using V = Vec<C>;
  static void task(void* context, int64_t task, int slot) {
    const auto self = *static_cast<const Columns<C, LocalNormGradArgs>*>(context);
    const LocalNormGradArgs* a = self.a;
    C* spread = self.scratch + slot * a->channels * 16;
    const V share(-2 * a->alpha * a->beta / static_cast<double>(a->size));
    self.each(task, [&](int64_t start, int64_t left) {
      const C *x = static_cast<const C*>(a->x) + start, *g = static_cast<const C*>(a->g) + start;
      C* dx = static_cast<C*>(a->dx) + start;
      for (int64_t c = 0; c < a->channels; ++c) {
        const int64_t at = c * a->inner;
        const V d = self.divisor(x, c, left), own = load_lanes<V>(g + at, left) * lowered(d, a->beta);
        store_lanes(own, dx + at, left);
        (own * load_lanes<V>(x + at, left) / d).store(spread + c * V::kLanes);
      }
      for (int64_t c = 0; c < a->channels; ++c) {
        const int64_t at = c * a->inner;
        const V sum = self.around(c, (a->size - 1) / 2, a->size / 2,
                                  [&](int64_t j) { return V::load(spread + j * V::kLanes); });
        const V v = load_lanes<V>(x + at, left);
        store_lanes(fma(share * v, sum, load_lanes<V>(dx + at, left)), dx + at, left);
      }
    });
  }
  static void kernel(const LocalNormGradArgs* args, const Run* run) {
    Columns<C, LocalNormGradArgs>::run_all(args, run, task);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_local_norm(NormKernels* table) {
  table->local_norm[kF32] = {LocalNorm<float>::kernel, MO_KERNEL_NAME("local_norm_f32")};
  table->local_norm[kF64] = {LocalNorm<double>::kernel, MO_KERNEL_NAME("local_norm_f64")};
  table->local_norm_grad[kF32] = {LocalNormGrad<float>::kernel, MO_KERNEL_NAME("local_norm_grad_f32")};
  table->local_norm_grad[kF64] = {LocalNormGrad<double>::kernel, MO_KERNEL_NAME("local_norm_grad_f64")};
}

}  // namespace markone::MARKONE_ISA
