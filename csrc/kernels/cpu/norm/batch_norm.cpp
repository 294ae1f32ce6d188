// Batch norm: each channel over the whole batch. A channel is one task, so that it is read from memory once
// where it fits the cache.
#include "contract/norm.h"
#include "kernels/cpu/norm/sums.h"

MO_ISA_BEGIN

constexpr int64_t kRowsAtOnce =
    64;  // rows whose sums are kept in the lanes, where channels lie beside each other
constexpr int64_t kChannels = 64;      // channels of a task there
constexpr int64_t kGivenTask = 16384;  // elements of a task, about, where the statistics are given

// Cuts a channel of an [outer, channels, inner] array into chunks of about kNormChunk: chunk(start, rows, n)
// for rows of n places, `channels * inner` apart.
template <class Args, class Chunk>
MO_INLINE void each_chunk(const Args* a, int64_t channel, Chunk chunk) {
  const int64_t rows = a->inner < kNormChunk ? kNormChunk / a->inner : 1;
  for (int64_t o = 0; o < a->outer; o += rows) {
    for (int64_t i = 0; i < a->inner; i += kNormChunk) {
      chunk((o * a->channels + channel) * a->inner + i, a->outer - o < rows ? a->outer - o : rows,
            a->inner - i < kNormChunk ? a->inner - i : kNormChunk);
    }
  }
}
// change(flat index, left) for every vector of a channel.
template <class C, class Args, class Change>
MO_INLINE void each_in_channel(const Args* a, int64_t channel, Change change) {
  for (int64_t o = 0; o < a->outer; ++o) {
    const int64_t start = (o * a->channels + channel) * a->inner;
    each_vector<C>(a->inner, [&](int64_t i, int64_t left) { change(start + i, left); });
  }
}

// Copies rows of `width` channels to lie kChannels apart: rows that are pages apart push each other out of
// the cache, and what is read twice is read together.
template <class C>
MO_INLINE void gather(C* tile, const C* from, int64_t rows, int64_t stride, int64_t width) {
  for (int64_t r = 0; r < rows; ++r)
    each_vector<C>(width, [&](int64_t i, int64_t left) {
      store_lanes(load_lanes<Vec<C>>(from + r * stride + i, left), tile + r * kChannels + i, left);
    });
}

template <class C>
struct BatchNorm {
  using V = Vec<C>;
  const BatchNormArgs* a;

  // Leaves mean and scale of n channels and moves the running ones. `square` is the sum over `count`.
  MO_INLINE void settle(int64_t first, int64_t n, const double* mean, const double* square,
                        double count) const {
    C* running_mean = a->running_mean ? static_cast<C*>(a->running_mean) + first : nullptr;
    C* running_var = a->running_var ? static_cast<C*>(a->running_var) + first : nullptr;
    C *mean_out = static_cast<C*>(a->mean) + first, *scale = static_cast<C*>(a->scale) + first;
    const auto scale_of = [&](double variance) {
      return static_cast<C>(1.0 / __builtin_sqrt(variance + a->eps));
    };
    if (!a->training) {
      for (int64_t k = 0; k < n; ++k) mean_out[k] = running_mean[k];
      for (int64_t k = 0; k < n; ++k) scale[k] = scale_of(static_cast<double>(running_var[k]));
      return;
    }
    const double mix = a->tracked ? 1.0 / static_cast<double>(*a->tracked) : a->momentum;
    const auto move = [&](C* to, const double* seen, double by) {
      for (int64_t k = 0; to && k < n; ++k)
        to[k] = static_cast<C>((1 - mix) * static_cast<double>(to[k]) + mix * (seen[k] / by));
    };
    move(running_mean, mean, 1);
    move(running_var, square, count - 1);
    for (int64_t k = 0; k < n; ++k) mean_out[k] = static_cast<C>(mean[k]);
    for (int64_t k = 0; k < n; ++k) scale[k] = scale_of(square[k] / count);
  }

  static void plane_task(void* context, int64_t c, int) {
    const BatchNorm self = *static_cast<const BatchNorm*>(context);
    const BatchNormArgs* a = self.a;
    const C* x = static_cast<const C*>(a->x);
    Moments seen;
    if (a->training) {
      const int64_t stride = a->channels * a->inner;
      each_chunk(a, c, [&](int64_t start, int64_t rows, int64_t n) {
        seen.add<C>(rows, n, [&](int64_t r, int64_t i, int64_t left) {
          return load_lanes<V>(x + start + r * stride + i, left);
        });
      });
    }
    self.settle(c, 1, &seen.mean, &seen.square, seen.count);
    for (int64_t o = 0; o < a->outer; ++o) self.normalize(o * a->channels + c);
  }
  // One image's plane of a channel, its mean and scale known.
  MO_INLINE void normalize(int64_t plane) const {
    const int64_t c = plane % a->channels, start = plane * a->inner;
    const V m(static_cast<C*>(a->mean)[c]), scale(static_cast<C*>(a->scale)[c]);
    const V w = a->weight ? scale * V(static_cast<const C*>(a->weight)[c]) : scale;
    const V b(a->bias ? static_cast<const C*>(a->bias)[c] : C(0));
    const C* x = static_cast<const C*>(a->x) + start;
    C* y = static_cast<C*>(a->y) + start;
    each_vector<C>(a->inner, [&](int64_t i, int64_t left) {
      store_lanes(fma(load_lanes<V>(x + i, left) - m, w, b), y + i, left);
    });
  }
  // The statistics are given: the planes in the order of memory.
  static void given_task(void* context, int64_t task, int) {
    const BatchNorm self = *static_cast<const BatchNorm*>(context);
    const int64_t all = self.a->outer * self.a->channels, per_task = planes_per_task(*self.a);
    const int64_t last = (task + 1) * per_task < all ? (task + 1) * per_task : all;
    for (int64_t plane = task * per_task; plane < last; ++plane) self.normalize(plane);
  }
  static MO_INLINE int64_t planes_per_task(const BatchNormArgs& args) {
    return args.inner < kGivenTask ? kGivenTask / args.inner : 1;
  }

  // inner == 1: channels lie beside each other.
  static void column_task(void* context, int64_t task, int) {
    const BatchNorm self = *static_cast<const BatchNorm*>(context);
    const BatchNormArgs* a = self.a;
    const int64_t first = task * kChannels, stride = a->channels;
    const int64_t width = stride - first < kChannels ? stride - first : kChannels;
    const C* x = static_cast<const C*>(a->x) + first;
    C* y = static_cast<C*>(a->y) + first;
    double seen_mean[kChannels] = {}, seen_square[kChannels] = {}, count = 0;
    alignas(64) C tile[kRowsAtOnce * kChannels], center[kChannels], off[kChannels], square[kChannels];
    for (int64_t start = 0; a->training && start < a->outer; start += kRowsAtOnce) {
      const int64_t rows = a->outer - start < kRowsAtOnce ? a->outer - start : kRowsAtOnce;
      const V count_of(static_cast<C>(rows));
      gather(tile, x + start * stride, rows, stride, width);
      each_strip<C>(width, [&]<int kStrip>(int64_t i, int64_t left) {
        const C* p = tile + i;
        V m[kStrip], rest[kStrip], squares[kStrip];
        for (int v = 0; v < kStrip; ++v) m[v] = rest[v] = squares[v] = V(0);
        for (int64_t r = 0; r < rows; ++r) {
          for (int v = 0; v < kStrip; ++v)
            m[v] = m[v] + load_lanes<V>(p + r * kChannels + v * V::kLanes, left);
        }
        for (int v = 0; v < kStrip; ++v) m[v] = m[v] / count_of;
        for (int64_t r = 0; r < rows; ++r) {
          for (int v = 0; v < kStrip; ++v) {
            const V d = load_lanes<V>(p + r * kChannels + v * V::kLanes, left) - m[v];
            rest[v] = rest[v] + d;
            squares[v] = fma(d, d, squares[v]);
          }
        }
        for (int v = 0; v < kStrip; ++v) {
          store_lanes(m[v], center + i + v * V::kLanes, left);
          store_lanes(rest[v], off + i + v * V::kLanes, left);
          store_lanes(squares[v], square + i + v * V::kLanes, left);
        }
      });
      // As Moments::merge, for all; what the rounded mean leaves over corrects it.
      const double n = static_cast<double>(rows), share = n / (count + n);
      for (int64_t k = 0; k < width; ++k) {
        const double rest = static_cast<double>(off[k]) / n;
        const double away = static_cast<double>(center[k]) + rest - seen_mean[k];
        seen_mean[k] += away * share;
        seen_square[k] += static_cast<double>(square[k]) - rest * rest * n + away * away * (count * share);
      }
      count += n;
    }
    self.settle(first, width, seen_mean, seen_square, count);
    const C *mean = static_cast<const C*>(a->mean) + first, *scale = static_cast<const C*>(a->scale) + first;
    const C* weight = a->weight ? static_cast<const C*>(a->weight) + first : nullptr;
    const C* bias = a->bias ? static_cast<const C*>(a->bias) + first : nullptr;
    C *w = center, *b = off;
    each_vector<C>(width, [&](int64_t i, int64_t left) {
      const V s = load_lanes<V>(scale + i, left);
      store_lanes(weight ? s * load_lanes<V>(weight + i, left) : s, w + i, left);
      store_lanes(bias ? load_lanes<V>(bias + i, left) : V(0), b + i, left);
    });
    for (int64_t r = 0; r < a->outer; ++r) {
      each_vector<C>(width, [&](int64_t i, int64_t left) {
        const V away = load_lanes<V>(x + r * stride + i, left) - load_lanes<V>(mean + i, left);
        store_lanes(fma(away, load_lanes<V>(w + i, left), load_lanes<V>(b + i, left)), y + r * stride + i,
                    left);
      });
    }
  }
  static void kernel(const BatchNormArgs* args, const Run* run) {
    BatchNorm self{args};
    if (args->inner == 1) {
      run->parallel(run, (args->channels + kChannels - 1) / kChannels, column_task, &self);
    } else if (args->training) {
      run->parallel(run, args->channels, plane_task, &self);
    } else {
      self.settle(0, args->channels, nullptr, nullptr, 0);
      const int64_t per_task = planes_per_task(*args);
      run->parallel(run, (args->outer * args->channels + per_task - 1) / per_task, given_task, &self);
    }
  }
};

// dx = weight * scale * (g - mean(g) - unit * mean(g * unit)), the means being 0 where the statistics were
// given.
template <class C>
struct BatchNormGrad {
  using V = Vec<C>;
  const BatchNormGradArgs* a;

  struct Means {
    C plain, along;
  };
  // Leaves the gradients of weight and bias; gives the means that dx needs.
  MO_INLINE Means settle(int64_t c, double plain, double along) const {
    if (a->dweight) static_cast<C*>(a->dweight)[c] = static_cast<C>(along);
    if (a->dbias) static_cast<C*>(a->dbias)[c] = static_cast<C>(plain);
    if (!a->training) return {0, 0};
    const double count = static_cast<double>(a->outer * a->inner);
    return {static_cast<C>(plain / count), static_cast<C>(along / count)};
  }

  static void plane_task(void* context, int64_t c, int) {
    const BatchNormGrad self = *static_cast<const BatchNormGrad*>(context);
    const BatchNormGradArgs* a = self.a;
    const C *g = static_cast<const C*>(a->g), *x = static_cast<const C*>(a->x);
    const V mean(static_cast<const C*>(a->mean)[c]), scale(static_cast<const C*>(a->scale)[c]);
    double sums[2] = {0, 0};  // of the gradient, and along the unit
    if (a->training || a->dweight || a->dbias) {
      const int64_t stride = a->channels * a->inner;
      each_chunk(a, c, [&](int64_t start, int64_t rows, int64_t n) {
        add_chunk<C>(sums, rows, n, [&](int64_t r, int64_t i, int64_t left, V(&v)[2]) {
          const int64_t at = start + r * stride + i;
          v[0] = load_lanes<V>(g + at, left);
          v[1] = v[0] * ((load_lanes<V>(x + at, left) - mean) * scale);
        });
      });
    }
    const Means means = self.settle(c, sums[0], sums[1]);
    if (!a->dx) return;
    C* dx = static_cast<C*>(a->dx);
    const V w = a->weight ? scale * V(static_cast<const C*>(a->weight)[c]) : scale;
    const V p(means.plain), q = -(V(means.along) * scale);
    each_in_channel<C>(a, c, [&](int64_t i, int64_t left) {
      const V away = load_lanes<V>(x + i, left) - mean;
      store_lanes(w * fma(away, q, load_lanes<V>(g + i, left) - p), dx + i, left);
    });
  }

  static void column_task(void* context, int64_t task, int) {
    const BatchNormGrad self = *static_cast<const BatchNormGrad*>(context);
    const BatchNormGradArgs* a = self.a;
    const int64_t first = task * kChannels, stride = a->channels;
    const int64_t width = stride - first < kChannels ? stride - first : kChannels;
    const C *g = static_cast<const C*>(a->g) + first, *x = static_cast<const C*>(a->x) + first;
    const C *mean = static_cast<const C*>(a->mean) + first, *scale = static_cast<const C*>(a->scale) + first;
    double plain[kChannels] = {}, along[kChannels] = {};
    alignas(64) C part[2][kChannels], tile[2][kRowsAtOnce * kChannels];
    for (int64_t start = 0; start < a->outer; start += kRowsAtOnce) {
      const int64_t rows = a->outer - start < kRowsAtOnce ? a->outer - start : kRowsAtOnce;
      gather(tile[0], g + start * stride, rows, stride, width);
      gather(tile[1], x + start * stride, rows, stride, width);
      each_strip<C>(width, [&]<int kStrip>(int64_t i, int64_t left) {
        V m[kStrip], s[kStrip], sum[kStrip], product[kStrip];
        for (int v = 0; v < kStrip; ++v) {
          m[v] = load_lanes<V>(mean + i + v * V::kLanes, left);
          s[v] = load_lanes<V>(scale + i + v * V::kLanes, left);
          sum[v] = product[v] = V(0);
        }
        for (int64_t r = 0; r < rows; ++r) {
          for (int v = 0; v < kStrip; ++v) {
            const int64_t at = r * kChannels + i + v * V::kLanes;
            const V up = load_lanes<V>(tile[0] + at, left);
            sum[v] = sum[v] + up;
            product[v] = fma(up, (load_lanes<V>(tile[1] + at, left) - m[v]) * s[v], product[v]);
          }
        }
        for (int v = 0; v < kStrip; ++v) {
          store_lanes(sum[v], part[0] + i + v * V::kLanes, left);
          store_lanes(product[v], part[1] + i + v * V::kLanes, left);
        }
      });
      for (int64_t k = 0; k < width; ++k) {
        plain[k] += part[0][k];
        along[k] += part[1][k];
      }
    }
    for (int64_t k = 0; k < width; ++k) {
      const Means means = self.settle(first + k, plain[k], along[k]);
      part[0][k] = means.plain;
      part[1][k] = means.along;
    }
    if (!a->dx) return;
    const C* weight = a->weight ? static_cast<const C*>(a->weight) + first : nullptr;
    C* dx = static_cast<C*>(a->dx) + first;
    C w[kChannels];
    each_vector<C>(width, [&](int64_t i, int64_t left) {
      const V s = load_lanes<V>(scale + i, left);
      store_lanes(weight ? s * load_lanes<V>(weight + i, left) : s, w + i, left);
      store_lanes(-(load_lanes<V>(part[1] + i, left) * s), part[1] + i, left);
    });
    for (int64_t r = 0; r < a->outer; ++r) {
      each_vector<C>(width, [&](int64_t i, int64_t left) {
        const int64_t at = r * stride + i;
        const V away = load_lanes<V>(x + at, left) - load_lanes<V>(mean + i, left);
        const V up = load_lanes<V>(g + at, left) - load_lanes<V>(part[0] + i, left);
        store_lanes(load_lanes<V>(w + i, left) * fma(away, load_lanes<V>(part[1] + i, left), up), dx + at,
                    left);
      });
    }
  }
  static void kernel(const BatchNormGradArgs* args, const Run* run) {
    BatchNormGrad self{args};
    if (args->inner == 1)
      run->parallel(run, (args->channels + kChannels - 1) / kChannels, column_task, &self);
    else
      run->parallel(run, args->channels, plane_task, &self);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_batch_norm(NormKernels* table) {
  table->batch_norm[kF32] = {BatchNorm<float>::kernel, MO_KERNEL_NAME("batch_norm_f32")};
  table->batch_norm[kF64] = {BatchNorm<double>::kernel, MO_KERNEL_NAME("batch_norm_f64")};
  table->batch_norm_grad[kF32] = {BatchNormGrad<float>::kernel, MO_KERNEL_NAME("batch_norm_grad_f32")};
  table->batch_norm_grad[kF64] = {BatchNormGrad<double>::kernel, MO_KERNEL_NAME("batch_norm_grad_f64")};
}

}  // namespace markone::MARKONE_ISA
