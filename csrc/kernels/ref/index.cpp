// Gather and scatter by integer arrays. Every instruction set uses these: the work is moving memory, and
// additions go one by one in a fixed order.
#include "contract/index.h"

#include <stddef.h>

#include "kernels/common/combine.h"

namespace markone::ref {
namespace {

// What one thread takes at once: index tuples where slices are only read, elements of a slice where slices
// are written (then a thread walks all tuples, in order).
constexpr int64_t kIndexChunkElements = 16384;
constexpr int64_t kSliceChunk = 64;

constexpr int kIndexGet = -1;  // beside the ways to write

struct IndexContext {
  const IndexArgs* args;
  const Run* run;
  int64_t slice, slice_chunks, tuples;
};

// False, and reported where `says` is set, when the tuple is outside.
MO_SCALAR bool place(const IndexArgs* args, const Run* run, int64_t i, bool says, int64_t* at) {
  *at = 0;
  for (int64_t k = 0; k < args->index_count; ++k) {
    const int64_t value = args->index[k][i], size = args->size[k], low = args->low[k];
    if (value < low || value >= size) {
      if (says) run->report(run, i, value, low, size);
      return false;
    }
    *at += (value < 0 ? value + size : value) * args->x_index_stride[k];
  }
  return true;
}

// Elements [begin, end) of a slice, in row-major order.
template <class T, int kMode>
void act_slice(const IndexArgs* args, T* x, T* y, bool inside, int64_t begin, int64_t end) {
  const int64_t last = args->ndim - 1, row = args->shape[last];
  const int64_t x_step = args->x_stride[last], y_step = args->y_stride[last];
  for (int64_t e = begin; e < end;) {
    int64_t rest = e / row;
    const int64_t at = e - rest * row, n = row - at < end - e ? row - at : end - e;
    T *to = x + at * x_step, *from = y + at * y_step;
    for (int64_t d = last - 1; d >= 0; --d) {
      const int64_t i = rest % args->shape[d];
      rest /= args->shape[d];
      to += i * args->x_stride[d];
      from += i * args->y_stride[d];
    }
    if (!inside) {
      for (int64_t i = 0; i < n; ++i) from[i * y_step] = T{};
    } else if (x_step == 1 && y_step == 1 && kMode <= kWritePut) {
      const bool reads = kMode == kIndexGet;
      __builtin_memcpy(reads ? from : to, reads ? to : from, static_cast<size_t>(n) * sizeof(T));
    } else if (x_step == 1 && y_step == 1) {
      for (int64_t i = 0; i < n; ++i) act<kMode>(to + i, from + i);
    } else {
      for (int64_t i = 0; i < n; ++i) act<kMode>(to + i * x_step, from + i * y_step);
    }
    e += n;
  }
}

template <class T>
void get_chunk(void* context, int64_t chunk, int) {
  const auto& c = *static_cast<const IndexContext*>(context);
  const int64_t end = (chunk + 1) * c.tuples < c.args->count ? (chunk + 1) * c.tuples : c.args->count;
  for (int64_t i = chunk * c.tuples; i < end; ++i) {
    int64_t at;
    const bool inside = place(c.args, c.run, i, true, &at);
    act_slice<T, kIndexGet>(c.args, static_cast<T*>(c.args->x) + at,
                            static_cast<T*>(c.args->y) + i * c.args->y_index_stride, inside, 0, c.slice);
  }
}
template <class T, int kMode>
void put_chunk(void* context, int64_t chunk, int) {
  const auto& c = *static_cast<const IndexContext*>(context);
  const int64_t begin = chunk * kSliceChunk,
                end = begin + kSliceChunk < c.slice ? begin + kSliceChunk : c.slice;
  for (int64_t i = 0; i < c.args->count; ++i) {
    int64_t at;
    if (!place(c.args, c.run, i, chunk == 0, &at)) continue;
    act_slice<T, kMode>(c.args, static_cast<T*>(c.args->x) + at,
                        static_cast<T*>(c.args->y) + i * c.args->y_index_stride, true, begin, end);
  }
}

template <class T, int kMode>
void index_kernel(const IndexArgs* args, const Run* run) {
  IndexContext c{args, run, 1, 0, 0};
  for (int64_t d = 0; d < args->ndim; ++d) c.slice *= args->shape[d];
  if constexpr (kMode == kIndexGet) {
    c.tuples = kIndexChunkElements / c.slice > 0 ? kIndexChunkElements / c.slice : 1;
    run->parallel(run, (args->count + c.tuples - 1) / c.tuples, get_chunk<T>, &c);
  } else {
    run->parallel(run, (c.slice + kSliceChunk - 1) / kSliceChunk, put_chunk<T, kMode>, &c);
  }
}

struct GatherContext {
  const GatherArgs* args;
  const Run* run;
  int64_t lines, lines_per_chunk;
};

// Lines along the last dimension are independent of each other; one goes in order.
template <class T, int kMode>
void gather_chunk(void* context, int64_t chunk, int) {
  const auto& c = *static_cast<const GatherContext*>(context);
  const GatherArgs* args = c.args;
  const int64_t last = args->ndim - 1, n = args->shape[last];
  const int64_t end = (chunk + 1) * c.lines_per_chunk < c.lines ? (chunk + 1) * c.lines_per_chunk : c.lines;
  for (int64_t line = chunk * c.lines_per_chunk; line < end; ++line) {
    auto *x = static_cast<T*>(args->x), *y = static_cast<T*>(args->y);
    const int64_t* index = args->index;
    int64_t rest = line;
    for (int64_t d = last - 1; d >= 0; --d) {
      const int64_t at = rest % args->shape[d];
      rest /= args->shape[d];
      x += at * args->x_stride[d];
      y += at * args->y_stride[d];
      index += at * args->index_stride[d];
    }
    for (int64_t j = 0; j < n; ++j) {
      const int64_t value = index[j * args->index_stride[last]];
      T* y_at = y + j * args->y_stride[last];
      if (value < args->low || value >= args->size) {
        c.run->report(c.run, line * n + j, value, args->low, args->size);
        if (kMode == kIndexGet) *y_at = T{};
        continue;
      }
      act<kMode>(x + (value < 0 ? value + args->size : value) * args->x_stride[last], y_at);
    }
  }
}

template <class T, int kMode>
void gather_kernel(const GatherArgs* args, const Run* run) {
  GatherContext c{args, run, 1, 1};
  for (int64_t d = 0; d + 1 < args->ndim; ++d) c.lines *= args->shape[d];
  const int64_t fit = kIndexChunkElements / args->shape[args->ndim - 1];
  c.lines_per_chunk = fit > 0 ? fit : 1;
  run->parallel(run, (c.lines + c.lines_per_chunk - 1) / c.lines_per_chunk, gather_chunk<T, kMode>, &c);
}

void nonzero_chunk(void* context, int64_t chunk, int) {
  const auto* args = static_cast<const NonzeroArgs*>(context);
  const int64_t begin = chunk * kNonzeroChunk,
                end = begin + kNonzeroChunk < args->n ? begin + kNonzeroChunk : args->n;
  if (!args->out) {
    int64_t count = 0;
    for (int64_t i = begin; i < end; ++i) count += args->x[i] != 0;
    args->counts[chunk] = count;
    return;
  }
  int64_t* out = args->out + args->counts[chunk] * args->ndim;
  for (int64_t i = begin; i < end; ++i) {
    if (!args->x[i]) continue;
    int64_t rest = i;
    for (int64_t d = args->ndim - 1; d >= 0; --d) {
      out[d] = rest % args->shape[d];
      rest /= args->shape[d];
    }
    out += args->ndim;
  }
}
void nonzero_kernel(const NonzeroArgs* args, const Run* run) {
  run->parallel(run, (args->n + kNonzeroChunk - 1) / kNonzeroChunk, nonzero_chunk,
                const_cast<NonzeroArgs*>(args));
}

template <class T>
void arange_chunk(void* context, int64_t chunk, int) {
  const auto* args = static_cast<const ArangeArgs*>(context);
  const int64_t begin = chunk * kIndexChunkElements;
  const int64_t end = begin + kIndexChunkElements < args->n ? begin + kIndexChunkElements : args->n;
  auto* out = static_cast<T*>(args->out);
  for (int64_t i = begin; i < end; ++i) {
    if constexpr (__is_same(T, float) || __is_same(T, double) || __is_same(T, BF16) || __is_same(T, F16)) {
      out[i] = cast_one<T>(args->start.f + static_cast<double>(i) * args->step.f);
    } else {
      out[i] = cast_one<T>((Int(args->start.i) + Int(i) * Int(args->step.i)).v);
    }
  }
}
template <class T>
void arange_kernel(const ArangeArgs* args, const Run* run) {
  run->parallel(run, (args->n + kIndexChunkElements - 1) / kIndexChunkElements, arange_chunk<T>,
                const_cast<ArangeArgs*>(args));
}

struct InRangeContext {
  const InRangeArgs* args;
  const Run* run;
};
template <class T>
void in_range_chunk(void* context, int64_t chunk, int) {
  const auto& c = *static_cast<const InRangeContext*>(context);
  const InRangeArgs& a = *c.args;
  const auto* x = static_cast<const T*>(a.x);
  const int64_t begin = chunk * kInRangeChunk,
                end = begin + kInRangeChunk < a.n ? begin + kInRangeChunk : a.n;
  int bad = 0;
  for (int64_t i = begin; i < end; ++i) {
    const double value = cast_one<double>(x[i]);
    bad |= !(value >= a.low) | !(value <= a.high);
  }
  for (int64_t i = begin; bad && i < end; ++i) {
    const double value = cast_one<double>(x[i]);
    if ((value >= a.low && value <= a.high) || (value != value && !a.nan)) continue;
    int64_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return c.run->report(c.run, i, bits, 1, 0);
  }
}
template <class T>
void in_range_kernel(const InRangeArgs* args, const Run* run) {
  InRangeContext c{args, run};
  run->parallel(run, (args->n + kInRangeChunk - 1) / kInRangeChunk, in_range_chunk<T>, &c);
}

struct IndexNames {
  const char *get, *gather, *arange, *in_range, *write[kWriteCount], *scatter[kWriteCount];
};

template <int kType, int kMode = 0>
void fill_index_writes(IndexKernels* table, const IndexNames& names) {
  if constexpr (kMode < kWriteCount) {
    using T = typename TypeOf<kType>::type;
    table->index_write[kMode][kType] = {index_kernel<T, kMode>, names.write[kMode]};
    table->scatter[kMode][kType] = {gather_kernel<T, kMode>, names.scatter[kMode]};
    fill_index_writes<kType, kMode + 1>(table, names);
  }
}
template <int kType = 0>
void fill_index_types(IndexKernels* table, const IndexNames* names) {
  if constexpr (kType < kDTypeCount) {
    using T = typename TypeOf<kType>::type;
    using Raw = typename BitsOf<sizeof(T)>::type;
    table->index_get[kType] = {index_kernel<Raw, kIndexGet>, names[kType].get};
    table->gather[kType] = {gather_kernel<Raw, kIndexGet>, names[kType].gather};
    table->arange[kType] = {arange_kernel<T>, names[kType].arange};
    table->in_range[kType] = {in_range_kernel<T>, names[kType].in_range};
    fill_index_writes<kType>(table, names[kType]);
    fill_index_types<kType + 1>(table, names);
  }
}

#define MO_INDEX_NAME(base, type) base "_" type "_ref"
#define MO_INDEX_WRITES(base, t)                                                                \
  {MO_INDEX_NAME(base "_put", t), MO_INDEX_NAME(base "_add", t), MO_INDEX_NAME(base "_mul", t), \
   MO_INDEX_NAME(base "_max", t), MO_INDEX_NAME(base "_min", t)}
#define MO_INDEX_NAMES(t)                                                                  \
  {MO_INDEX_NAME("index_get", t), MO_INDEX_NAME("gather", t),  MO_INDEX_NAME("arange", t), \
   MO_INDEX_NAME("in_range", t),  MO_INDEX_WRITES("index", t), MO_INDEX_WRITES("scatter", t)}
constexpr IndexNames kIndexNames[kDTypeCount] = {
    MO_INDEX_NAMES("f32"), MO_INDEX_NAMES("f64"), MO_INDEX_NAMES("bf16"), MO_INDEX_NAMES("f16"),
    MO_INDEX_NAMES("i64"), MO_INDEX_NAMES("i32"), MO_INDEX_NAMES("u8"),   MO_INDEX_NAMES("bool")};

}  // namespace

void fill_index(IndexKernels* table) {
  fill_index_types(table, kIndexNames);
  table->nonzero = {nonzero_kernel, MO_INDEX_NAME("nonzero", "u8")};
}

}  // namespace markone::ref
