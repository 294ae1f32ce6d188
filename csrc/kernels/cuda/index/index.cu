// Gather and scatter. What reads goes in any order; what writes goes in the order of the indices, so that
// equal indices give the same bits every time: a thread owns a place in the slice, or a line.
#include "contract/index.h"
#include "kernels/cuda/device/each.cuh"
#include "kernels/cuda/device/scalar.cuh"

// After what says how functions are marked for the device.
#include "kernels/common/combine.h"

namespace markone::cuda {
namespace {

constexpr int kGet = -1;  // beside the ways to write

// Where tuple i points; false, and reported where `says` is set, when it is outside.
__device__ bool find(const IndexArgs& a, const Reporter& report, int64_t i, bool says, int64_t* at) {
  *at = 0;
  for (int64_t k = 0; k < a.index_count; ++k) {
    const int64_t value = a.index[k][i], size = a.size[k];
    if (value < -size || value >= size) {
      if (says) report(i, value, -size, size);
      return false;
    }
    *at += (value < 0 ? value + size : value) * a.x_index_stride[k];
  }
  return true;
}

template <class T>
void index_get(const IndexArgs* args, const Run* run) {
  const IndexArgs a = *args;
  const Reporter report = reporter(run);
  const int64_t* const strides[2] = {a.x_stride, a.y_stride};
  const Walk<2> slice = walk(a.ndim, a.shape, strides);
  int64_t size = 1;
  for (int64_t d = 0; d < a.ndim; ++d) size *= a.shape[d];
  each(run, a.count * size, [=] __device__(int64_t e) {
    const int64_t i = e / size;
    int64_t at, inside[2];
    const bool found = find(a, report, i, e % size == 0, &at);
    slice.at(e % size, inside);
    static_cast<T*>(a.y)[i * a.y_index_stride + inside[1]] =
        found ? static_cast<const T*>(a.x)[at + inside[0]] : T{};
  });
}
template <int kMode, class T>
void index_write(const IndexArgs* args, const Run* run) {
  const IndexArgs a = *args;
  const Reporter report = reporter(run);
  const int64_t* const strides[2] = {a.x_stride, a.y_stride};
  const Walk<2> slice = walk(a.ndim, a.shape, strides);
  int64_t size = 1;
  for (int64_t d = 0; d < a.ndim; ++d) size *= a.shape[d];
  each(run, size, [=] __device__(int64_t e) {
    int64_t at, inside[2];
    slice.at(e, inside);
    for (int64_t i = 0; i < a.count; ++i) {
      if (!find(a, report, i, e == 0, &at)) continue;
      act<kMode>(static_cast<T*>(a.x) + at + inside[0],
                 static_cast<T*>(a.y) + i * a.y_index_stride + inside[1]);
    }
  });
}

// The places of a line in x, y and the index.
struct Lines {
  int64_t lines, n, step[3];
  Walk<3> outer;
};
Lines lines_of(const GatherArgs* a) {
  const int64_t* const strides[3] = {a->x_stride, a->y_stride, a->index_stride};
  const int64_t last = a->ndim - 1;
  Lines out{1,
            a->shape[last],
            {a->x_stride[last], a->y_stride[last], a->index_stride[last]},
            walk(last, a->shape, strides)};
  for (int64_t d = 0; d < last; ++d) out.lines *= a->shape[d];
  return out;
}
template <int kMode, class T>
__device__ void gather_one(const GatherArgs& a, const Reporter& report, const Lines& l, int64_t line,
                           const int64_t (&place)[3], int64_t j) {
  const int64_t value = a.index[place[2] + j * l.step[2]];
  T* y = static_cast<T*>(a.y) + place[1] + j * l.step[1];
  if (value < -a.size || value >= a.size) {
    report(line * l.n + j, value, -a.size, a.size);
    if (kMode == kGet) *y = T{};
    return;
  }
  act<kMode>(static_cast<T*>(a.x) + place[0] + (value < 0 ? value + a.size : value) * l.step[0], y);
}
template <class T>
void gather(const GatherArgs* args, const Run* run) {
  const GatherArgs a = *args;
  const Lines l = lines_of(args);
  const Reporter report = reporter(run);
  each(run, l.lines * l.n, [=] __device__(int64_t e) {
    int64_t place[3];
    l.outer.at(e / l.n, place);
    gather_one<kGet, T>(a, report, l, e / l.n, place, e % l.n);
  });
}
template <int kMode, class T>
void scatter(const GatherArgs* args, const Run* run) {
  const GatherArgs a = *args;
  const Lines l = lines_of(args);
  const Reporter report = reporter(run);
  each(run, l.lines, [=] __device__(int64_t line) {
    int64_t place[3];
    l.outer.at(line, place);
    for (int64_t j = 0; j < l.n; ++j) gather_one<kMode, T>(a, report, l, line, place, j);
  });
}

// ---- the places of true elements, ranges ----

// One chunk by one team: counted, or written from where it starts.
struct Nonzero {
  NonzeroArgs a;
  template <class Team>
  __device__ void line(int64_t chunk) const {
    const int64_t first = chunk * kNonzeroChunk,
                  last = first + kNonzeroChunk < a.n ? first + kNonzeroChunk : a.n;
    int64_t before = a.out ? a.counts[chunk] : 0;
    for (int64_t i = first; i < last; i += Team::kSize) {
      const int64_t at = i + Team::rank();
      const int set = at < last && a.x[at] != 0;
      // How many lower threads have one, and all together.
      int64_t lower = 0, all = set;
      if (Team::kSize > 1) {
        __shared__ unsigned bits[kTeamThreads / 32];
        const unsigned mine = __ballot_sync(0xffffffffu, set);
        if (threadIdx.x % 32 == 0) bits[threadIdx.x / 32] = mine;
        Team::meet();
        const int warp = Team::rank() / 32, begin = static_cast<int>(threadIdx.x) / 32 - warp;
        all = 0;
        for (int w = 0; w < Team::kSize / 32; ++w) {
          if (w == warp) lower = all + __popc(mine & ((1u << (threadIdx.x % 32)) - 1));
          all += __popc(bits[begin + w]);
        }
        Team::meet();
      }
      if (a.out && set) {
        int64_t rest = at;
        for (int64_t d = a.ndim - 1; d >= 0; --d) {
          a.out[(before + lower) * a.ndim + d] = rest % a.shape[d];
          rest /= a.shape[d];
        }
      }
      before += all;
    }
    if (!a.out && Team::rank() == 0) a.counts[chunk] = before;
  }
};
void nonzero(const NonzeroArgs* args, const Run* run) {
  each_line(run, (args->n + kNonzeroChunk - 1) / kNonzeroChunk, args->n, 1, Nonzero{*args});
}

template <class T>
void in_range(const InRangeArgs* args, const Run* run) {
  const InRangeArgs a = *args;
  const Reporter report = reporter(run);
  each(run, a.n, [=] __device__(int64_t i) {
    const double value = cast_one<double>(static_cast<const T*>(a.x)[i]);
    if ((value >= a.low && value <= a.high) || (value != value && !a.nan)) return;
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    report(i, bits, 1, 0);
  });
}
template <class T>
__device__ T arange_at(const ArangeArgs& a, int64_t i) {
  if constexpr (__is_same(T, float) || __is_same(T, double) || __is_same(T, BF16) || __is_same(T, F16)) {
    return cast_one<T>(a.start.f + static_cast<double>(i) * a.step.f);
  } else {
    return cast_one<T>((Int(a.start.i) + Int(i) * Int(a.step.i)).v);
  }
}
template <class T>
void arange(const ArangeArgs* args, const Run* run) {
  const ArangeArgs a = *args;
  each(run, a.n, [=] __device__(int64_t i) { static_cast<T*>(a.out)[i] = arange_at<T>(a, i); });
}

// ---- the table ----

struct Names {
  const char *get, *gather, *arange, *in_range, *write[kWriteCount], *scatter[kWriteCount];
};
template <int kType, int kMode = 0>
void fill_writes(IndexKernels* table, const Names& names) {
  if constexpr (kMode < kWriteCount) {
    using T = typename TypeOf<kType>::type;
    table->index_write[kMode][kType] = {index_write<kMode, T>, names.write[kMode]};
    table->scatter[kMode][kType] = {scatter<kMode, T>, names.scatter[kMode]};
    fill_writes<kType, kMode + 1>(table, names);
  }
}
template <int kType = 0>
void fill_types(IndexKernels* table, const Names* names) {
  if constexpr (kType < kDTypeCount) {
    using T = typename TypeOf<kType>::type;
    using Raw = typename BitsOf<sizeof(T)>::type;
    table->index_get[kType] = {index_get<Raw>, names[kType].get};
    table->gather[kType] = {gather<Raw>, names[kType].gather};
    table->arange[kType] = {arange<T>, names[kType].arange};
    table->in_range[kType] = {in_range<T>, names[kType].in_range};
    fill_writes<kType>(table, names[kType]);
    fill_types<kType + 1>(table, names);
  }
}

#define MO_NAME(base, type) base "_" type "_cuda"
#define MO_WRITES(base, t)                                                                             \
  {MO_NAME(base "_put", t), MO_NAME(base "_add", t), MO_NAME(base "_mul", t), MO_NAME(base "_max", t), \
   MO_NAME(base "_min", t)}
#define MO_NAMES(t)                                                      \
  {MO_NAME("index_get", t), MO_NAME("gather", t),  MO_NAME("arange", t), \
   MO_NAME("in_range", t),  MO_WRITES("index", t), MO_WRITES("scatter", t)}
constexpr Names kNames[kDTypeCount] = {MO_NAMES("f32"), MO_NAMES("f64"), MO_NAMES("bf16"), MO_NAMES("f16"),
                                       MO_NAMES("i64"), MO_NAMES("i32"), MO_NAMES("u8"),   MO_NAMES("bool")};

}  // namespace

void fill_index(IndexKernels* table) {
  fill_types(table, kNames);
  table->nonzero = {nonzero, "nonzero_u8_cuda"};
}

}  // namespace markone::cuda
