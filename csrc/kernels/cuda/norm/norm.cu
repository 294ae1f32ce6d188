// Normalisation: a team of threads a row or channel, in two passes; sums in double.
#include "contract/norm.h"
#include "kernels/cuda/device/each.cuh"
#include "kernels/cuda/device/scalar.cuh"

namespace markone::cuda {
namespace {

// Element i of an optional array.
template <class T>
__device__ double at(const void* p, int64_t i, double otherwise) {
  return p ? static_cast<double>(static_cast<const T*>(p)[i]) : otherwise;
}
template <class T>
__device__ void set(void* p, int64_t i, double x) {
  static_cast<T*>(p)[i] = static_cast<T>(x);
}
template <class Args>
__device__ int64_t channel(const Args& a, int64_t row, int64_t i) {
  return row % a.wrap * (a.n / a.inner) + i / a.inner;
}

template <class T>
struct RowNorm {
  RowNormArgs a;
  template <class Team>
  __device__ void line(int64_t r) const {
    const T* x = static_cast<const T*>(a.x) + r * a.n;
    const double n = static_cast<double>(a.n);
    double mean = 0, square = 0;
    if (a.centred) {
      for (int64_t i = Team::rank(); i < a.n; i += Team::kSize) mean += x[i];
      mean = Team::sum(mean) / n;
    }
    for (int64_t i = Team::rank(); i < a.n; i += Team::kSize) square += (x[i] - mean) * (x[i] - mean);
    const double scale = 1 / ::sqrt(Team::sum(square) / n + a.eps);
    if (Team::rank() == 0) {
      set<T>(a.mean, r, mean);
      set<T>(a.scale, r, scale);
    }
    for (int64_t i = Team::rank(); i < a.n; i += Team::kSize) {
      const int64_t c = channel(a, r, i);
      set<T>(a.y, r * a.n + i, (x[i] - mean) * scale * at<T>(a.weight, c, 1) + at<T>(a.bias, c, 0));
    }
  }
};
template <class T>
void row_norm(const RowNormArgs* args, const Run* run) {
  each_line(run, args->rows, args->n, 1, RowNorm<T>{*args});
}

template <class T>
struct RowNormInput {
  RowNormGradArgs a;
  template <class Team>
  __device__ void line(int64_t r) const {
    const T *x = static_cast<const T*>(a.x) + r * a.n, *g = static_cast<const T*>(a.g) + r * a.n;
    const double mean = at<T>(a.mean, r, 0), scale = at<T>(a.scale, r, 0), n = static_cast<double>(a.n);
    double plain = 0, along = 0;
    for (int64_t i = Team::rank(); i < a.n; i += Team::kSize) {
      const double gw = g[i] * at<T>(a.weight, channel(a, r, i), 1);
      plain += gw;
      along += gw * ((x[i] - mean) * scale);
    }
    plain = a.centred ? Team::sum(plain) / n : 0;
    along = Team::sum(along) / n;
    for (int64_t i = Team::rank(); i < a.n; i += Team::kSize) {
      const double unit = (x[i] - mean) * scale, gw = g[i] * at<T>(a.weight, channel(a, r, i), 1);
      set<T>(a.dx, r * a.n + i, scale * (gw - plain - unit * along));
    }
  }
};
// The gradients of one channel's weight and bias: over the rows that have it, and its places in each.
template <class T>
struct RowNormWeight {
  RowNormGradArgs a;
  template <class Team>
  __device__ void line(int64_t c) const {
    const int64_t wide = a.n / a.inner, first = c / wide, place = c % wide * a.inner;
    const int64_t rows = a.rows > first ? (a.rows - first + a.wrap - 1) / a.wrap : 0;
    double along = 0, plain = 0;
    for (int64_t k = Team::rank(); k < rows * a.inner; k += Team::kSize) {
      const int64_t r = first + k / a.inner * a.wrap, i = r * a.n + place + k % a.inner;
      const double g = static_cast<const T*>(a.g)[i];
      along += g * ((static_cast<const T*>(a.x)[i] - at<T>(a.mean, r, 0)) * at<T>(a.scale, r, 0));
      plain += g;
    }
    along = Team::sum(along);
    plain = Team::sum(plain);
    if (Team::rank() != 0) return;
    if (a.dweight) set<T>(a.dweight, c, along);
    if (a.dbias) set<T>(a.dbias, c, plain);
  }
};
template <class T>
void row_norm_grad(const RowNormGradArgs* args, const Run* run) {
  if (args->dx) each_line(run, args->rows, args->n, 1, RowNormInput<T>{*args});
  const int64_t wide = args->n / args->inner;
  if (args->dweight || args->dbias) {
    each_line(run, args->wrap * wide, args->rows / args->wrap * args->inner, args->inner == 1 ? wide : 1,
              RowNormWeight<T>{*args});
  }
}

// ---- of channels ----

template <class Args>
__device__ int64_t place(const Args& a, int64_t c, int64_t k) {
  return (k / a.inner * a.channels + c) * a.inner + k % a.inner;
}

template <class T>
struct BatchNorm {
  BatchNormArgs a;
  template <class Team>
  __device__ void line(int64_t c) const {
    const T* x = static_cast<const T*>(a.x);
    const int64_t n = a.outer * a.inner;
    const double count = static_cast<double>(n);
    double mean = at<T>(a.running_mean, c, 0), variance = at<T>(a.running_var, c, 0);
    Team::meet();  // before they are written
    if (a.training) {
      double sum = 0, square = 0;
      for (int64_t k = Team::rank(); k < n; k += Team::kSize) sum += x[place(a, c, k)];
      const double center = Team::sum(sum) / count;
      for (int64_t k = Team::rank(); k < n; k += Team::kSize) {
        const double off = x[place(a, c, k)] - center;
        square += off * off;
      }
      square = Team::sum(square);
      const double mix = a.tracked ? 1.0 / static_cast<double>(*a.tracked) : a.momentum;
      if (Team::rank() == 0 && a.running_mean) set<T>(a.running_mean, c, (1 - mix) * mean + mix * center);
      if (Team::rank() == 0 && a.running_var)
        set<T>(a.running_var, c, (1 - mix) * variance + mix * (square / (count - 1)));
      mean = center;
      variance = square / count;
    }
    const double scale = 1 / ::sqrt(variance + a.eps);
    if (Team::rank() == 0) {
      set<T>(a.mean, c, mean);
      set<T>(a.scale, c, scale);
    }
    const double weight = scale * at<T>(a.weight, c, 1), bias = at<T>(a.bias, c, 0);
    for (int64_t k = Team::rank(); k < n; k += Team::kSize) {
      const int64_t i = place(a, c, k);
      set<T>(a.y, i, (x[i] - mean) * weight + bias);
    }
  }
};
template <class T>
void batch_norm(const BatchNormArgs* args, const Run* run) {
  each_line(run, args->channels, args->outer * args->inner, 1, BatchNorm<T>{*args});
}

template <class T>
struct BatchNormGrad {
  BatchNormGradArgs a;
  template <class Team>
  __device__ void line(int64_t c) const {
    const T *x = static_cast<const T*>(a.x), *g = static_cast<const T*>(a.g);
    const int64_t n = a.outer * a.inner;
    const double count = static_cast<double>(n), mean = at<T>(a.mean, c, 0), scale = at<T>(a.scale, c, 0);
    double plain = 0, along = 0;
    for (int64_t k = Team::rank(); k < n; k += Team::kSize) {
      const int64_t i = place(a, c, k);
      plain += g[i];
      along += g[i] * ((x[i] - mean) * scale);
    }
    plain = Team::sum(plain);
    along = Team::sum(along);
    if (Team::rank() == 0) {
      if (a.dweight) set<T>(a.dweight, c, along);
      if (a.dbias) set<T>(a.dbias, c, plain);
    }
    if (!a.dx) return;
    if (!a.training) plain = along = 0;
    const double weight = at<T>(a.weight, c, 1) * scale;
    for (int64_t k = Team::rank(); k < n; k += Team::kSize) {
      const int64_t i = place(a, c, k);
      set<T>(a.dx, i, weight * (g[i] - plain / count - (x[i] - mean) * scale * (along / count)));
    }
  }
};
template <class T>
void batch_norm_grad(const BatchNormGradArgs* args, const Run* run) {
  each_line(run, args->channels, args->outer * args->inner, 1, BatchNormGrad<T>{*args});
}

// ---- by neighbouring channels ----

// visit(channel) for those whose window has channel c at `before` places from its start.
template <class Args, class Visit>
__device__ void each_near(const Args& a, int64_t c, int64_t before, int64_t after, Visit visit) {
  const int64_t last = after < a.channels - 1 - c ? c + after : a.channels - 1;
  for (int64_t j = before < c ? c - before : 0; j <= last; ++j) visit(j);
}
template <class T, class Args>
__device__ double divisor(const Args& a, const T* x, int64_t c) {
  double sum = 0;
  each_near(a, c, a.size / 2, (a.size - 1) / 2,
            [&](int64_t j) { sum += static_cast<double>(x[j * a.inner]) * x[j * a.inner]; });
  return a.k + a.alpha / static_cast<double>(a.size) * sum;
}
template <class T>
void local_norm(const LocalNormArgs* args, const Run* run) {
  const LocalNormArgs a = *args;
  each(run, a.outer * a.channels * a.inner, [=] __device__(int64_t i) {
    const int64_t c = i / a.inner % a.channels;
    const T* x = static_cast<const T*>(a.x) + (i - c * a.inner);
    set<T>(a.y, i, x[c * a.inner] * ::pow(divisor(a, x, c), -a.beta));
  });
}
template <class T>
void local_norm_grad(const LocalNormGradArgs* args, const Run* run) {
  const LocalNormGradArgs a = *args;
  each(run, a.outer * a.channels * a.inner, [=] __device__(int64_t i) {
    const int64_t c = i / a.inner % a.channels;
    const T *x = static_cast<const T*>(a.x) + (i - c * a.inner),
            *g = static_cast<const T*>(a.g) + (i - c * a.inner);
    double sum = 0;
    each_near(a, c, (a.size - 1) / 2, a.size / 2, [&](int64_t j) {
      sum += static_cast<double>(g[j * a.inner]) * x[j * a.inner] * ::pow(divisor(a, x, j), -a.beta - 1);
    });
    const double share = 2 * a.alpha * a.beta / static_cast<double>(a.size);
    set<T>(a.dx, i, g[c * a.inner] * ::pow(divisor(a, x, c), -a.beta) - share * x[c * a.inner] * sum);
  });
}

}  // namespace

void fill_norm(NormKernels* table) {
  MO_CUDA_FLOATS(row_norm, row_norm, "row_norm")
  MO_CUDA_FLOATS(row_norm_grad, row_norm_grad, "row_norm_grad")
  MO_CUDA_FLOATS(batch_norm, batch_norm, "batch_norm")
  MO_CUDA_FLOATS(batch_norm_grad, batch_norm_grad, "batch_norm_grad")
  MO_CUDA_FLOATS(local_norm, local_norm, "local_norm")
  MO_CUDA_FLOATS(local_norm_grad, local_norm_grad, "local_norm_grad")
}

}  // namespace markone::cuda
