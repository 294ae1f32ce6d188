// Running sums, products, extremes and log-sums. Along a line (inner == 1) four segments go side by side, so
// that their additions do not wait for each other; down the columns of a matrix all columns of a tile do.
#include "contract/scan.h"

#include <math.h>

#include "kernels/common/scalar.h"
#include "kernels/cpu/vec_lanes.h"
#include "kernels/cpu/vec_math.h"

MO_ISA_BEGIN

constexpr int64_t kScanTask = 16384;  // elements that one task takes, about
constexpr int64_t kScanWidth = 64;    // columns that one task takes where inner > 1
constexpr int kSegments = 4;
constexpr int64_t kLogLines = 16;  // lines that log-sums take together

template <int kOp, class W>
MO_INLINE W scan_step(W a, W x) {
  return kOp == kCumprod ? a * x : a + x;
}
template <class T>
MO_INLINE T scan_out(double x) {
  return static_cast<T>(x);
}
template <class T>
MO_INLINE T scan_out(Int x) {
  return x.v;
}

// Sums and products.
template <int kOp, class T>
struct Accumulate {
  using W = typename Lanes<T>::Wide;
  const ScanArgs* a;
  int64_t chunks, per_task, tiles, last_size;
  W* sums;  // [lines, chunks], where a line has more than one

  MO_INLINE int64_t size_of_chunk(int64_t c) const {
    return c + 1 < chunks ? int64_t{kScanChunk} : last_size;
  }
  // The first element of chunk c of a line, and the step to the next one.
  MO_INLINE int64_t start_of(int64_t line, int64_t c) const {
    const int64_t i = c * kScanChunk;
    return line * a->n + (a->reverse ? a->n - 1 - i : i);
  }
  template <int kCount>
  MO_INLINE void segments(const int64_t* start, const W* before, int64_t n) const {
    const T* x[kCount];
    T* y[kCount];
    W acc[kCount];
    const int64_t step = a->reverse ? -1 : 1;
    for (int k = 0; k < kCount; ++k) {
      x[k] = static_cast<const T*>(a->x) + start[k];
      y[k] = static_cast<T*>(a->y) + start[k];
      acc[k] = before[k];
    }
    for (int64_t i = 0; i < n; ++i) {
      for (int k = 0; k < kCount; ++k) {
        acc[k] = scan_step<kOp, W>(acc[k], W(x[k][i * step]));
        y[k][i * step] = scan_out<T>(acc[k]);
      }
    }
  }
  // Segments are numbered chunk by chunk within a line, line by line.
  static void along_task(void* context, int64_t task, int) {
    const auto& s = *static_cast<const Accumulate*>(context);
    const int64_t all = s.a->outer * s.chunks;
    const int64_t end = (task + 1) * s.per_task < all ? (task + 1) * s.per_task : all;
    int64_t start[kSegments];
    W before[kSegments];
    for (int64_t g = task * s.per_task; g < end;) {
      int count = 0;
      int64_t n = 0;
      while (count < kSegments && g < end) {
        const int64_t c = g % s.chunks, size = s.size_of_chunk(c);
        if (count > 0 && size != n) break;
        n = size;
        start[count] = s.start_of(g / s.chunks, c);
        before[count++] = s.chunks > 1 ? s.sums[g] : kOp == kCumprod ? W(1) : W(0);
        ++g;
      }
      switch (count) {
        case 4:
          s.template segments<4>(start, before, n);
          break;
        case 3:
          s.template segments<3>(start, before, n);
          break;
        case 2:
          s.template segments<2>(start, before, n);
          break;
        default:
          s.template segments<1>(start, before, n);
      }
    }
  }
  // The sum of one chunk, in 8 partial sums.
  static void sum_task(void* context, int64_t g, int) {
    const auto& s = *static_cast<const Accumulate*>(context);
    const int64_t c = g % s.chunks, n = s.size_of_chunk(c), step = s.a->reverse ? -1 : 1;
    const T* x = static_cast<const T*>(s.a->x) + s.start_of(g / s.chunks, c);
    W part[8];
    for (W& p : part) p = W(0);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
      for (int k = 0; k < 8; ++k) part[k] = part[k] + W(x[(i + k) * step]);
    }
    for (int k = 0; i < n; ++i, ++k) part[k] = part[k] + W(x[i * step]);
    for (int half = 4; half > 0; half /= 2) {
      for (int k = 0; k < half; ++k) part[k] = part[k] + part[k + half];
    }
    s.sums[g] = part[0];
  }
  // The chunks of one column are taken one after the other, each from the sum of those before, as above.
  static void across_task(void* context, int64_t task, int) {
    const auto& s = *static_cast<const Accumulate*>(context);
    const ScanArgs& a = *s.a;
    const int64_t first = task * s.per_task, all = a.outer * s.tiles;
    const int64_t last = first + s.per_task < all ? first + s.per_task : all;
    for (int64_t tile = first; tile < last; ++tile) {
      const int64_t column = tile % s.tiles * kScanWidth;
      const int64_t width = a.inner - column < kScanWidth ? a.inner - column : kScanWidth;
      const int64_t base = tile / s.tiles * a.n * a.inner + column;
      const T* x = static_cast<const T*>(a.x) + base;
      T* y = static_cast<T*>(a.y) + base;
      W acc[kScanWidth], before[kScanWidth], part[8][kScanWidth];
      for (W& b : before) b = kOp == kCumprod ? W(1) : W(0);
      for (int64_t c = 0; c < s.chunks; ++c) {
        const int64_t n = s.size_of_chunk(c);
        const bool sums = c + 1 < s.chunks;
        for (int64_t k = 0; k < width; ++k) acc[k] = before[k];
        for (int64_t p = 0; sums && p < 8; ++p) {
          for (int64_t k = 0; k < width; ++k) part[p][k] = W(0);
        }
        for (int64_t i = 0; i < n; ++i) {
          const int64_t row = c * kScanChunk + i, at = (a.reverse ? a.n - 1 - row : row) * a.inner;
          for (int64_t k = 0; k < width; ++k) {
            acc[k] = scan_step<kOp, W>(acc[k], W(x[at + k]));
            y[at + k] = scan_out<T>(acc[k]);
          }
          for (int64_t k = 0; sums && k < width; ++k) part[i % 8][k] = part[i % 8][k] + W(x[at + k]);
        }
        if (!sums) break;
        for (int half = 4; half > 0; half /= 2) {
          for (int p = 0; p < half; ++p) {
            for (int64_t k = 0; k < width; ++k) part[p][k] = part[p][k] + part[p + half][k];
          }
        }
        for (int64_t k = 0; k < width; ++k) before[k] = before[k] + part[0][k];
      }
    }
  }
  static void kernel(const ScanArgs* args, const Run* run) {
    Accumulate s{};
    s.a = args;
    // A product of chunks could overflow where the running product does not: it goes in one.
    s.chunks = kOp == kCumsum ? (args->n + kScanChunk - 1) / kScanChunk : 1;
    s.last_size = args->n - (s.chunks - 1) * kScanChunk;
    if (args->inner > 1) {
      s.tiles = (args->inner + kScanWidth - 1) / kScanWidth;
      const int64_t cost = args->n * (args->inner < kScanWidth ? args->inner : kScanWidth);
      s.per_task = cost < kScanTask ? kScanTask / cost : 1;
      run->parallel(run, (args->outer * s.tiles + s.per_task - 1) / s.per_task, across_task, &s);
      return;
    }
    const int64_t all = args->outer * s.chunks;
    if (s.chunks > 1) {
      s.sums = static_cast<W*>(run->scratch);
      run->parallel(run, all, sum_task, &s);
      for (int64_t line = 0; line < args->outer; ++line) {
        W total(0);
        for (int64_t c = 0; c < s.chunks; ++c) {
          W& here = s.sums[line * s.chunks + c];
          const W before = total;
          total = total + here;
          here = before;
        }
      }
    }
    s.per_task = args->n < kScanTask / kSegments ? kScanTask / args->n : kSegments;
    run->parallel(run, (all + s.per_task - 1) / s.per_task, along_task, &s);
  }
};

// What keeps more than a number a line: tiles of columns, one row after the other.
template <class Scan, class Args>
struct Columns {
  const Args* a;
  int64_t per_task, tiles;

  static void task(void* context, int64_t task, int) {
    const auto& s = *static_cast<const Columns*>(context);
    const int64_t first = task * s.per_task, all = s.a->outer * s.tiles;
    const int64_t last = first + s.per_task < all ? first + s.per_task : all;
    for (int64_t tile = first; tile < last; ++tile) {
      const int64_t column = tile % s.tiles * kScanWidth;
      const int64_t width = s.a->inner - column < kScanWidth ? s.a->inner - column : kScanWidth;
      Scan::tile(*s.a, tile / s.tiles * s.a->n * s.a->inner + column, width);
    }
  }
  static void kernel(const Args* args, const Run* run) {
    Columns s{args, 1, (args->inner + kScanWidth - 1) / kScanWidth};
    const int64_t cost = args->n * (args->inner < kScanWidth ? args->inner : kScanWidth);
    if (cost < kScanTask) s.per_task = kScanTask / cost;
    run->parallel(run, (args->outer * s.tiles + s.per_task - 1) / s.per_task, task, &s);
  }
};

template <bool kMax, class T>
struct Extreme {
  // Lines beside each other in registers, so that one does not wait for the other's comparison.
  template <int kCount>
  static void lines(const ScanArgs& a, int64_t base) {
    const T* x = static_cast<const T*>(a.x) + base;
    T* y = static_cast<T*>(a.y) + base;
    int64_t* indices = a.indices + base;
    T best[kCount] = {};
    int64_t found[kCount] = {};
    for (int64_t row = 0; row < a.n; ++row) {
      const int64_t i = a.reverse ? a.n - 1 - row : row;
#pragma GCC unroll 4
      for (int k = 0; k < kCount; ++k) {
        const T v = x[k * a.n + i];
        const bool take = row == 0 || v != v || (best[k] == best[k] && (kMax ? v >= best[k] : v <= best[k]));
        best[k] = take ? v : best[k];
        found[k] = take ? i : found[k];
        y[k * a.n + i] = best[k];
        indices[k * a.n + i] = found[k];
      }
    }
  }
  static void lines_task(void* context, int64_t task, int) {
    const ScanArgs& a = *static_cast<const ScanArgs*>(context);
    const int64_t first = task * kSegments;
    if (first + kSegments <= a.outer) return lines<kSegments>(a, first * a.n);
    for (int64_t line = first; line < a.outer; ++line) lines<1>(a, line * a.n);
  }
  static void kernel(const ScanArgs* args, const Run* run) {
    if (args->inner > 1) return Columns<Extreme, ScanArgs>::kernel(args, run);
    ScanArgs a = *args;
    run->parallel(run, (a.outer + kSegments - 1) / kSegments, lines_task, &a);
  }
  static void tile(const ScanArgs& a, int64_t base, int64_t width) {
    const T* x = static_cast<const T*>(a.x) + base;
    T* y = static_cast<T*>(a.y) + base;
    T best[kScanWidth];
    int64_t found[kScanWidth];
    for (int64_t row = 0; row < a.n; ++row) {
      const int64_t i = a.reverse ? a.n - 1 - row : row, at = i * a.inner;
      for (int64_t k = 0; k < width; ++k) {
        const T v = x[at + k];
        const bool take = row == 0 || v != v || (best[k] == best[k] && (kMax ? v >= best[k] : v <= best[k]));
        best[k] = take ? v : best[k];
        found[k] = take ? i : found[k];
        y[at + k] = best[k];
        a.indices[base + at + k] = found[k];
      }
    }
  }
};

template <class T>
struct LogSum {
  static void tile(const ScanArgs& a, int64_t base, int64_t width) { columns(a, base, width, a.inner, 1); }
  // Where inner == 1 lines are taken as columns beside each other, so that their exponentials fill vectors.
  static void lines_task(void* context, int64_t task, int) {
    const ScanArgs& a = *static_cast<const ScanArgs*>(context);
    const int64_t line = task * kLogLines, left = a.outer - line;
    columns(a, line * a.n, left < kLogLines ? left : kLogLines, 1, a.n);
  }
  static void kernel(const ScanArgs* args, const Run* run) {
    if (args->inner > 1) return Columns<LogSum, ScanArgs>::kernel(args, run);
    ScanArgs a = *args;
    run->parallel(run, (a.outer + kLogLines - 1) / kLogLines, lines_task, &a);
  }
  // `width` columns, column_step apart, their elements row_step apart.
  static MO_INLINE void columns(const ScanArgs& a, int64_t base, int64_t width, int64_t row_step,
                                int64_t column_step) {
    const T* x = static_cast<const T*>(a.x) + base;
    T* y = static_cast<T*>(a.y) + base;
    double top[kScanWidth], sum[kScanWidth];
    for (int64_t k = 0; k < width; ++k) {
      top[k] = -__builtin_inf();
      sum[k] = 0;
    }
    for (int64_t row = 0; row < a.n; ++row) {
      const int64_t at = (a.reverse ? a.n - 1 - row : row) * row_step;
      for (int64_t k = 0; k < width; k += VecD::kLanes) {
        const int64_t left = width - k < VecD::kLanes ? width - k : int64_t{VecD::kLanes};
        double lane[VecD::kLanes] = {};
        for (int64_t l = 0; l < left; ++l) lane[l] = static_cast<double>(x[at + (k + l) * column_step]);
        const VecD v = VecD::load(lane), t = VecD::load(top + k), zero(0);
        const VecD now = larger(t, v);
        // Where a difference would be inf - inf the terms are equal.
        const VecD s =
            VecD::load(sum + k) * exp(where(t == now, zero, t - now)) + exp(where(v == now, zero, v - now));
        now.store(top + k);
        s.store(sum + k);
        (now + log(s)).store(lane);
        for (int64_t l = 0; l < left; ++l) y[at + (k + l) * column_step] = static_cast<T>(lane[l]);
      }
    }
  }
};

template <class T>
struct LogSumGrad {
  static void tile(const LogcumsumexpGradArgs& a, int64_t base, int64_t width) {
    const T *g = static_cast<const T*>(a.g) + base, *x = static_cast<const T*>(a.x) + base,
            *y = static_cast<const T*>(a.y) + base;
    T* dx = static_cast<T*>(a.dx) + base;
    double rest[kScanWidth], next[kScanWidth];
    for (int64_t row = a.n - 1; row >= 0; --row) {
      const int64_t at = row * a.inner;
      for (int64_t k = 0; k < width; ++k) {
        const double now = static_cast<double>(y[at + k]), v = static_cast<double>(x[at + k]);
        const bool last = row == a.n - 1;
        rest[k] = static_cast<double>(g[at + k]) +
                  (last ? 0 : rest[k] * (now == next[k] ? 1 : ::exp(now - next[k])));
        dx[at + k] = static_cast<T>(rest[k] * (v == now ? 1 : ::exp(v - now)));
        next[k] = now;
      }
    }
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

#define MO_SCAN_TYPES(op, name, Kernel32, Kernel64, Kernel_i64)    \
  table->scan[op][kF32] = {Kernel32, MO_KERNEL_NAME(name "_f32")}; \
  table->scan[op][kF64] = {Kernel64, MO_KERNEL_NAME(name "_f64")}; \
  table->scan[op][kI64] = {Kernel_i64, MO_KERNEL_NAME(name "_i64")};

void fill_scan(ScanKernels* table) {
  MO_SCAN_TYPES(kCumsum, "cumsum", (Accumulate<kCumsum, float>::kernel),
                (Accumulate<kCumsum, double>::kernel), (Accumulate<kCumsum, int64_t>::kernel))
  MO_SCAN_TYPES(kCumprod, "cumprod", (Accumulate<kCumprod, float>::kernel),
                (Accumulate<kCumprod, double>::kernel), (Accumulate<kCumprod, int64_t>::kernel))
  MO_SCAN_TYPES(kCummax, "cummax", (Extreme<true, float>::kernel), (Extreme<true, double>::kernel),
                (Extreme<true, int64_t>::kernel))
  MO_SCAN_TYPES(kCummin, "cummin", (Extreme<false, float>::kernel), (Extreme<false, double>::kernel),
                (Extreme<false, int64_t>::kernel))
  table->scan[kLogcumsumexp][kF32] = {LogSum<float>::kernel, MO_KERNEL_NAME("logcumsumexp_f32")};
  table->scan[kLogcumsumexp][kF64] = {LogSum<double>::kernel, MO_KERNEL_NAME("logcumsumexp_f64")};
  table->logcumsumexp_grad[kF32] = {Columns<LogSumGrad<float>, LogcumsumexpGradArgs>::kernel,
                                    MO_KERNEL_NAME("logcumsumexp_grad_f32")};
  table->logcumsumexp_grad[kF64] = {Columns<LogSumGrad<double>, LogcumsumexpGradArgs>::kernel,
                                    MO_KERNEL_NAME("logcumsumexp_grad_f64")};
}

}  // namespace markone::MARKONE_ISA
