// Layer, group, instance and RMS norm: each row of memory by itself.
#include "contract/norm.h"
#include "kernels/cpu/norm/sums.h"

MO_ISA_BEGIN

template <class Args>
MO_INLINE bool by_element(const Args* a) {
  return a->wrap == 1 && a->inner == 1;
}

template <class C>
struct RowNorm {
  using V = Vec<C>;
  const RowNormArgs* a;
  int64_t per_task;

  MO_INLINE void row(int64_t r) const {
    const int64_t n = a->n;
    const C* x = static_cast<const C*>(a->x) + r * n;
    C* y = static_cast<C*>(a->y) + r * n;
    double mean = 0, square;
    if (a->centred) {
      Moments all;
      for (int64_t start = 0; start < n; start += kNormChunk)
        all.add<C>(1, n - start < kNormChunk ? n - start : kNormChunk,
                   [&](int64_t, int64_t i, int64_t left) { return load_lanes<V>(x + start + i, left); });
      mean = all.mean;
      square = all.square;
    } else {
      square = sum_along<C>(n, [&](int64_t i, int64_t left) {
        const V v = load_lanes<V>(x + i, left);
        return v * v;
      });
    }
    const C center = static_cast<C>(mean);
    const C scale = static_cast<C>(1.0 / __builtin_sqrt(square / static_cast<double>(n) + a->eps));
    static_cast<C*>(a->mean)[r] = center;
    static_cast<C*>(a->scale)[r] = scale;
    const C *weight = static_cast<const C*>(a->weight), *bias = static_cast<const C*>(a->bias);
    const V m(center), s(scale);
    if (by_element(a)) {
      each_vector<C>(n, [&](int64_t i, int64_t left) {
        V v = (load_lanes<V>(x + i, left) - m) * s;
        const V b = bias ? load_lanes<V>(bias + i, left) : V(0);
        v = weight ? fma(v, load_lanes<V>(weight + i, left), b) : v + b;
        store_lanes(v, y + i, left);
      });
      return;
    }
    const int64_t channels = n / a->inner, first = r % a->wrap * channels;
    for (int64_t j = 0; j < channels; ++j) {
      const V w(weight ? weight[first + j] : C(1)), b(bias ? bias[first + j] : C(0));
      const int64_t start = j * a->inner;
      each_vector<C>(a->inner, [&](int64_t i, int64_t left) {
        store_lanes(fma((load_lanes<V>(x + start + i, left) - m) * s, w, b), y + start + i, left);
      });
    }
  }
  static void task(void* context, int64_t task, int) {
    const RowNorm self = *static_cast<const RowNorm*>(context);
    const int64_t first = task * self.per_task;
    const int64_t last = first + self.per_task < self.a->rows ? first + self.per_task : self.a->rows;
    for (int64_t r = first; r < last; ++r) self.row(r);
  }
  static void kernel(const RowNormArgs* args, const Run* run) {
    RowNorm self{args, args->n < kNormTask ? kNormTask / args->n : 1};
    run->parallel(run, (args->rows + self.per_task - 1) / self.per_task, task, &self);
  }
};

// dx = scale * (gw - mean(gw) - unit * mean(gw * unit)) with gw = g * weight and unit = (x - mean) * scale.
template <class C>
struct RowNormGrad {
  using V = Vec<C>;
  static constexpr int64_t kTile = 64;  // columns whose parts are summed by one task
  const RowNormGradArgs* a;
  double* parts;     // by element: [blocks, 2, n]; by channel: [rows, channels of a row, 2]
  int64_t per_task;  // rows

  struct Row {
    const C *g, *x;
    C* dx;
    V mean, scale;
    double count;
  };
  MO_INLINE Row row_of(int64_t r) const {
    return {static_cast<const C*>(a->g) + r * a->n,
            static_cast<const C*>(a->x) + r * a->n,
            a->dx ? static_cast<C*>(a->dx) + r * a->n : nullptr,
            V(static_cast<const C*>(a->mean)[r]),
            V(static_cast<const C*>(a->scale)[r]),
            static_cast<double>(a->n)};
  }
  static MO_INLINE V unit(const Row& row, int64_t i, int64_t left) {
    return (load_lanes<V>(row.x + i, left) - row.mean) * row.scale;
  }

  MO_INLINE void row_by_element(int64_t r) const {
    const Row row = row_of(r);
    const C* weight = static_cast<const C*>(a->weight);
    const auto weighted = [&](int64_t i, int64_t left) {
      const V g = load_lanes<V>(row.g + i, left);
      return weight ? g * load_lanes<V>(weight + i, left) : g;
    };
    double sums[2] = {0, 0};  // of the weighted gradient, and along the unit
    add_along<C>(sums, a->n, [&](int64_t i, int64_t left, V(&v)[2]) {
      v[0] = weighted(i, left);
      v[1] = v[0] * unit(row, i, left);
    });
    const V p(static_cast<C>(a->centred ? sums[0] / row.count : 0)), q(static_cast<C>(-sums[1] / row.count));
    each_vector<C>(a->n, [&](int64_t i, int64_t left) {
      store_lanes(row.scale * fma(unit(row, i, left), q, weighted(i, left) - p), row.dx + i, left);
    });
  }
  // The block's part of dweight and dbias, column by column.
  MO_INLINE void columns(int64_t block, int64_t first, int64_t last) const {
    double *along = parts + block * 2 * a->n, *plain = along + a->n;
    each_strip<C>(a->n, [=, this]<int kStrip>(int64_t start, int64_t left) {
      V sum[kStrip], product[kStrip];
      for (int v = 0; v < kStrip; ++v) sum[v] = product[v] = V(0);
      for (int64_t r = first; r < last; ++r) {
        const Row row = row_of(r);
        for (int v = 0; v < kStrip; ++v) {
          const int64_t i = start + v * V::kLanes;
          const V g = load_lanes<V>(row.g + i, left);
          sum[v] = sum[v] + g;
          product[v] = fma(g, unit(row, i, left), product[v]);
        }
      }
      for (int v = 0; v < kStrip; ++v) {
        C lane[2][V::kLanes];
        product[v].store(lane[0]);
        sum[v].store(lane[1]);
        for (int64_t k = 0; k < V::kLanes && k < left; ++k) {
          along[start + v * V::kLanes + k] = lane[0][k];
          plain[start + v * V::kLanes + k] = lane[1][k];
        }
      }
    });
  }
  MO_INLINE void row_by_channel(int64_t r) const {
    const Row row = row_of(r);
    const C* weight = static_cast<const C*>(a->weight);
    const int64_t channels = a->n / a->inner, first = r % a->wrap * channels;
    double *part = parts + r * channels * 2, plain = 0, along = 0;
    for (int64_t j = 0; j < channels; ++j) {
      const int64_t start = j * a->inner;
      double sums[2] = {0, 0};
      add_along<C>(sums, a->inner, [&](int64_t i, int64_t left, V(&v)[2]) {
        v[1] = load_lanes<V>(row.g + start + i, left);
        v[0] = v[1] * unit(row, start + i, left);
      });
      part[2 * j] = sums[0];
      part[2 * j + 1] = sums[1];
      const double w = weight ? weight[first + j] : C(1);
      along += w * part[2 * j];
      plain += w * part[2 * j + 1];
    }
    if (!a->dx) return;
    const V p(static_cast<C>(a->centred ? plain / row.count : 0)), q(static_cast<C>(-along / row.count));
    for (int64_t j = 0; j < channels; ++j) {
      const V w(weight ? weight[first + j] : C(1));
      const int64_t start = j * a->inner;
      each_vector<C>(a->inner, [&](int64_t i, int64_t left) {
        const V gw = load_lanes<V>(row.g + start + i, left) * w;
        store_lanes(row.scale * fma(unit(row, start + i, left), q, gw - p), row.dx + start + i, left);
      });
    }
  }
  static void rows_task(void* context, int64_t task, int) {
    const RowNormGrad self = *static_cast<const RowNormGrad*>(context);
    const RowNormGradArgs* a = self.a;
    const int64_t first = task * self.per_task;
    const int64_t last = first + self.per_task < a->rows ? first + self.per_task : a->rows;
    if (!by_element(a)) {
      for (int64_t r = first; r < last; ++r) self.row_by_channel(r);
      return;
    }
    for (int64_t r = first; a->dx && r < last; ++r) self.row_by_element(r);
    if (a->dweight || a->dbias) self.columns(task, first, last);
  }
  // Adds the parts of channels [first, last) from the first row on.
  static void sums_task(void* context, int64_t task, int) {
    const RowNormGrad self = *static_cast<const RowNormGrad*>(context);
    const RowNormGradArgs* a = self.a;
    const int64_t all = a->wrap * (a->n / a->inner), first = task * kTile;
    const int64_t width = all - first < kTile ? all - first : kTile;
    double along[kTile] = {}, plain[kTile] = {};
    // By channel a repetition is a sample, whose rows hold all channels one after the other.
    const bool elements = by_element(a);
    const int64_t repeats = elements ? (a->rows + self.per_task - 1) / self.per_task : a->rows / a->wrap;
    const int64_t step = elements ? 1 : 2, other = elements ? all : 1;
    for (int64_t b = 0; b < repeats; ++b) {
      const double* part = self.parts + b * 2 * all + first * step;
      for (int64_t k = 0; k < width; ++k) {
        along[k] += part[k * step];
        plain[k] += part[k * step + other];
      }
    }
    for (int64_t k = 0; k < width; ++k) {
      if (a->dweight) static_cast<C*>(a->dweight)[first + k] = static_cast<C>(along[k]);
      if (a->dbias) static_cast<C*>(a->dbias)[first + k] = static_cast<C>(plain[k]);
    }
  }
  static void kernel(const RowNormGradArgs* args, const Run* run) {
    const int64_t few = args->n < kNormTask ? kNormTask / args->n : 1;
    RowNormGrad self{args, static_cast<double*>(run->scratch), by_element(args) ? args->block : few};
    run->parallel(run, (args->rows + self.per_task - 1) / self.per_task, rows_task, &self);
    if (!args->dweight && !args->dbias) return;
    run->parallel(run, (args->wrap * (args->n / args->inner) + kTile - 1) / kTile, sums_task, &self);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_batch_norm(NormKernels* table);
void fill_local_norm(NormKernels* table);

void fill_norm(NormKernels* table) {
  table->row_norm[kF32] = {RowNorm<float>::kernel, MO_KERNEL_NAME("row_norm_f32")};
  table->row_norm[kF64] = {RowNorm<double>::kernel, MO_KERNEL_NAME("row_norm_f64")};
  table->row_norm_grad[kF32] = {RowNormGrad<float>::kernel, MO_KERNEL_NAME("row_norm_grad_f32")};
  table->row_norm_grad[kF64] = {RowNormGrad<double>::kernel, MO_KERNEL_NAME("row_norm_grad_f64")};
  fill_batch_norm(table);
  fill_local_norm(table);
}

}  // namespace markone::MARKONE_ISA
