// Normalisation in plain loops over double.
#include "contract/norm.h"

#include <math.h>

namespace markone::ref {
namespace {

template <class T>
const T* in(const void* p) {
  return static_cast<const T*>(p);
}
template <class T>
T* out(void* p) {
  return static_cast<T*>(p);
}
// Element i of an optional array.
template <class T>
double at(const void* p, int64_t i, double otherwise) {
  return p ? static_cast<double>(in<T>(p)[i]) : otherwise;
}
template <class Args>
int64_t channel(const Args* a, int64_t row, int64_t i) {
  return row % a->wrap * (a->n / a->inner) + i / a->inner;
}

template <class T>
void row_norm(const RowNormArgs* a, const Run*) {
  for (int64_t r = 0; r < a->rows; ++r) {
    const T* x = in<T>(a->x) + r * a->n;
    double mean = 0, square = 0;
    for (int64_t i = 0; a->centred && i < a->n; ++i) mean += x[i];
    mean /= static_cast<double>(a->n);
    for (int64_t i = 0; i < a->n; ++i) square += (x[i] - mean) * (x[i] - mean);
    const double scale = 1 / sqrt(square / static_cast<double>(a->n) + a->eps);
    out<T>(a->mean)[r] = static_cast<T>(mean);
    out<T>(a->scale)[r] = static_cast<T>(scale);
    for (int64_t i = 0; i < a->n; ++i) {
      const int64_t c = channel(a, r, i);
      out<T>(a->y)[r * a->n + i] =
          static_cast<T>((x[i] - mean) * scale * at<T>(a->weight, c, 1) + at<T>(a->bias, c, 0));
    }
  }
}

template <class T>
void row_norm_grad(const RowNormGradArgs* a, const Run* run) {
  const int64_t channels = a->wrap * (a->n / a->inner);
  // The parameters' gradients collect in double.
  double* sums = static_cast<double*>(run->scratch);
  for (int64_t c = 0; c < 2 * channels; ++c) sums[c] = 0;
  for (int64_t r = 0; r < a->rows; ++r) {
    const T *x = in<T>(a->x) + r * a->n, *g = in<T>(a->g) + r * a->n;
    const double mean = in<T>(a->mean)[r], scale = in<T>(a->scale)[r], n = static_cast<double>(a->n);
    double plain = 0, along = 0;
    for (int64_t i = 0; i < a->n; ++i) {
      const int64_t c = channel(a, r, i);
      const double unit = (x[i] - mean) * scale, gw = g[i] * at<T>(a->weight, c, 1);
      plain += gw;
      along += gw * unit;
      sums[c] += g[i] * unit;
      sums[channels + c] += g[i];
    }
    if (!a->centred) plain = 0;
    for (int64_t i = 0; a->dx && i < a->n; ++i) {
      const double unit = (x[i] - mean) * scale, gw = g[i] * at<T>(a->weight, channel(a, r, i), 1);
      out<T>(a->dx)[r * a->n + i] = static_cast<T>(scale * (gw - plain / n - unit * (along / n)));
    }
  }
  for (int64_t c = 0; c < channels; ++c) {
    if (a->dweight) out<T>(a->dweight)[c] = static_cast<T>(sums[c]);
    if (a->dbias) out<T>(a->dbias)[c] = static_cast<T>(sums[channels + c]);
  }
}

// visit(flat index) for each element of a channel.
template <class Args, class Visit>
void each_in_channel(const Args* a, int64_t c, Visit visit) {
  for (int64_t o = 0; o < a->outer; ++o) {
    for (int64_t i = 0; i < a->inner; ++i) visit((o * a->channels + c) * a->inner + i);
  }
}

template <class T>
void batch_norm(const BatchNormArgs* a, const Run*) {
  const double count = static_cast<double>(a->outer * a->inner);
  for (int64_t c = 0; c < a->channels; ++c) {
    const T* x = in<T>(a->x);
    double mean = at<T>(a->running_mean, c, 0), variance = at<T>(a->running_var, c, 0);
    if (a->training) {
      double sum = 0, square = 0;
      each_in_channel(a, c, [&](int64_t i) { sum += x[i]; });
      const double center = sum / count;
      each_in_channel(a, c, [&](int64_t i) { square += (x[i] - center) * (x[i] - center); });
      const double mix = a->tracked ? 1.0 / static_cast<double>(*a->tracked) : a->momentum;
      if (a->running_mean) out<T>(a->running_mean)[c] = static_cast<T>((1 - mix) * mean + mix * center);
      if (a->running_var)
        out<T>(a->running_var)[c] = static_cast<T>((1 - mix) * variance + mix * (square / (count - 1)));
      mean = center;
      variance = square / count;
    }
    const double scale = 1 / sqrt(variance + a->eps);
    out<T>(a->mean)[c] = static_cast<T>(mean);
    out<T>(a->scale)[c] = static_cast<T>(scale);
    each_in_channel(a, c, [&](int64_t i) {
      out<T>(a->y)[i] = static_cast<T>((x[i] - mean) * scale * at<T>(a->weight, c, 1) + at<T>(a->bias, c, 0));
    });
  }
}

template <class T>
void batch_norm_grad(const BatchNormGradArgs* a, const Run*) {
  const double count = static_cast<double>(a->outer * a->inner);
  const T *x = in<T>(a->x), *g = in<T>(a->g);
  for (int64_t c = 0; c < a->channels; ++c) {
    const double mean = in<T>(a->mean)[c], scale = in<T>(a->scale)[c];
    double plain = 0, along = 0;
    each_in_channel(a, c, [&](int64_t i) {
      plain += g[i];
      along += g[i] * ((x[i] - mean) * scale);
    });
    if (a->dweight) out<T>(a->dweight)[c] = static_cast<T>(along);
    if (a->dbias) out<T>(a->dbias)[c] = static_cast<T>(plain);
    if (!a->dx) continue;
    if (!a->training) plain = along = 0;
    each_in_channel(a, c, [&](int64_t i) {
      const double unit = (x[i] - mean) * scale;
      out<T>(a->dx)[i] =
          static_cast<T>(at<T>(a->weight, c, 1) * scale * (g[i] - plain / count - unit * (along / count)));
    });
  }
}

// The channels whose window has channel c at `before` places from its end.
struct Window {
  int64_t first, last;
};
template <class Args>
Window window(const Args* a, int64_t c, int64_t before, int64_t after) {
  return {before < c ? c - before : 0, after < a->channels - 1 - c ? c + after : a->channels - 1};
}
template <class T, class Args>
double divisor(const Args* a, const T* x, int64_t c) {
  const Window w = window(a, c, a->size / 2, (a->size - 1) / 2);
  double sum = 0;
  for (int64_t j = w.first; j <= w.last; ++j)
    sum += static_cast<double>(x[j * a->inner]) * static_cast<double>(x[j * a->inner]);
  return a->k + a->alpha / static_cast<double>(a->size) * sum;
}

template <class T>
void local_norm(const LocalNormArgs* a, const Run*) {
  for (int64_t p = 0; p < a->outer * a->inner; ++p) {
    const int64_t start = p / a->inner * a->channels * a->inner + p % a->inner;
    const T* x = in<T>(a->x) + start;
    for (int64_t c = 0; c < a->channels; ++c)
      out<T>(a->y)[start + c * a->inner] = static_cast<T>(x[c * a->inner] * pow(divisor(a, x, c), -a->beta));
  }
}

template <class T>
void local_norm_grad(const LocalNormGradArgs* a, const Run*) {
  const double share = 2 * a->alpha * a->beta / static_cast<double>(a->size);
  for (int64_t p = 0; p < a->outer * a->inner; ++p) {
    const int64_t start = p / a->inner * a->channels * a->inner + p % a->inner;
    const T *x = in<T>(a->x) + start, *g = in<T>(a->g) + start;
    for (int64_t c = 0; c < a->channels; ++c) {
      const Window w = window(a, c, (a->size - 1) / 2, a->size / 2);
      double sum = 0;
      for (int64_t j = w.first; j <= w.last; ++j)
        sum += static_cast<double>(g[j * a->inner]) * x[j * a->inner] * pow(divisor(a, x, j), -a->beta - 1);
      out<T>(a->dx)[start + c * a->inner] =
          static_cast<T>(g[c * a->inner] * pow(divisor(a, x, c), -a->beta) - share * x[c * a->inner] * sum);
    }
  }
}

}  // namespace

#define MO_NORM(name)                                  \
  table->name[kF32] = {name<float>, #name "_f32_ref"}; \
  table->name[kF64] = {name<double>, #name "_f64_ref"};
void fill_norm(NormKernels* table) {
  MO_NORM(row_norm)
  MO_NORM(row_norm_grad)
  MO_NORM(batch_norm)
  MO_NORM(batch_norm_grad)
  MO_NORM(local_norm)
  MO_NORM(local_norm_grad)
}
#undef MO_NORM

}  // namespace markone::ref
