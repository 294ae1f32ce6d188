// Reading and writing rows and elements by index. Reads are cut by index tuples. Writes to one place must
// keep their order, so a task takes a part of the places (a range of the longest indexed dimension) and walks
// all tuples; which part is whose changes no bit. The reference keeps what is left: nonzero and arange.
#include "contract/index.h"

#include <stddef.h>

#include "kernels/common/combine.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

constexpr int64_t kIndexTask = 16384;  // elements that one task of reads takes, about
constexpr int64_t kPartElements =
    4096;                          // fewer elements than this are not worth a second walk over the tuples
constexpr int64_t kPartRows = 16;  // places of a part, at least
constexpr int64_t kAhead = 8;      // tuples whose rows are fetched before they are needed
constexpr int64_t kShortLine = 4;  // indices of a line, up to which the next lines are fetched
constexpr int64_t kColumns = 64;   // neighbouring lines that gather and scatter take together

template <int kMode, class T>
MO_INLINE void act_row(T* x, T* y, int64_t n) {
  if constexpr (kMode < 0) {
    __builtin_memcpy(y, x, static_cast<size_t>(n) * sizeof(T));
  } else if constexpr (kMode == kWritePut) {
    __builtin_memcpy(x, y, static_cast<size_t>(n) * sizeof(T));
  } else {
    for (int64_t i = 0; i < n; ++i) x[i] = combine_one<kMode>(x[i], y[i]);
  }
}

template <int kMode, class T>
struct Index {
  const IndexArgs* a;
  const Run* run;
  int64_t slice, tuples;
  int64_t split, part_size;  // which index array says whose a place is

  // The whole slice at x and y.
  MO_INLINE void act_slice(T* x, T* y) const {
    const int64_t last = a->ndim - 1, n = a->shape[last], xs = a->x_stride[last], ys = a->y_stride[last];
    const int64_t rows = slice / n;
    for (int64_t r = 0; r < rows; ++r) {
      int64_t rest = r;
      T *to = x, *from = y;
      for (int64_t d = last - 1; d >= 0; --d) {
        const int64_t i = rest % a->shape[d];
        rest /= a->shape[d];
        to += i * a->x_stride[d];
        from += i * a->y_stride[d];
      }
      if (xs == 1 && ys == 1)
        act_row<kMode>(to, from, n);
      else
        for (int64_t i = 0; i < n; ++i) act<kMode>(to + i * xs, from + i * ys);
    }
  }
  MO_INLINE void clear_slice(T* y) const {
    for (int64_t e = 0; e < slice; ++e) {
      int64_t rest = e;
      T* at = y;
      for (int64_t d = a->ndim - 1; d >= 0; --d) {
        at += rest % a->shape[d] * a->y_stride[d];
        rest /= a->shape[d];
      }
      *at = T{};
    }
  }
  // False, and reported where `says` is set, when tuple i is outside.
  MO_INLINE bool place(int64_t i, bool says, int64_t* at) const {
    *at = 0;
    for (int64_t k = 0; k < a->index_count; ++k) {
      const int64_t value = a->index[k][i], size = a->size[k], low = a->low[k];
      if (value < low || value >= size) {
        if (says) run->report(run, i, value, low, size);
        return false;
      }
      *at += (value < 0 ? value + size : value) * a->x_index_stride[k];
    }
    return true;
  }
  // A row that a later tuple needs; a wrong index fetches nothing.
  MO_INLINE void fetch(int64_t i) const {
    int64_t at;
    if (i < a->count && slice * static_cast<int64_t>(sizeof(T)) >= 64 && place(i, false, &at))
      __builtin_prefetch(static_cast<T*>(a->x) + at);
  }

  static void read_task(void* context, int64_t task, int) {
    const Index& s = *static_cast<const Index*>(context);
    const IndexArgs& a = *s.a;
    const int64_t end = (task + 1) * s.tuples < a.count ? (task + 1) * s.tuples : a.count;
    T *x = static_cast<T*>(a.x), *y = static_cast<T*>(a.y);
    for (int64_t i = task * s.tuples; i < end; ++i) {
      int64_t at;
      s.fetch(i + kAhead);
      T* to = y + i * a.y_index_stride;
      if (!s.place(i, true, &at))
        s.clear_slice(to);
      else if (s.slice == 1)
        *to = x[at];
      else
        s.act_slice(x + at, to);
    }
  }
  static void write_task(void* context, int64_t part, int) {
    const Index& s = *static_cast<const Index*>(context);
    const IndexArgs& a = *s.a;
    const int64_t size = a.size[s.split], begin = part * s.part_size;
    const int64_t end = begin + s.part_size < size ? begin + s.part_size : size;
    const int64_t* own = a.index[s.split];
    T *x = static_cast<T*>(a.x), *y = static_cast<T*>(a.y);
    for (int64_t i = 0; i < a.count; ++i) {
      const int64_t value = own[i], wrapped = value < 0 ? value + size : value;
      // Part 0 looks at what is outside too, and reports it.
      const bool outside = value < a.low[s.split] || value >= size;
      if (outside ? part != 0 : wrapped < begin || wrapped >= end) continue;
      int64_t at;
      if (!s.place(i, true, &at)) continue;
      T* from = y + i * a.y_index_stride;
      if (s.slice == 1)
        act<kMode>(x + at, from);
      else
        s.act_slice(x + at, from);
    }
  }
  static void kernel(const IndexArgs* args, const Run* run) {
    Index s{args, run, 1, 1, 0, 0};
    for (int64_t d = 0; d < args->ndim; ++d) s.slice *= args->shape[d];
    if constexpr (kMode < 0) {
      if (s.slice < kIndexTask) s.tuples = kIndexTask / s.slice;
      run->parallel(run, (args->count + s.tuples - 1) / s.tuples, read_task, &s);
    } else {
      for (int64_t k = 1; k < args->index_count; ++k) {
        if (args->size[k] > args->size[s.split]) s.split = k;
      }
      const int64_t size = args->size[s.split], most = size / kPartRows;
      int64_t parts = args->count * s.slice < kPartElements ? 1 : run->threads;
      parts = parts < most ? parts : most > 0 ? most : 1;
      s.part_size = size > 0 ? (size + parts - 1) / parts : 1;
      run->parallel(run, parts, write_task, &s);
    }
  }
};

// Lines along the last dimension are independent. Where the dimension before it lies in memory, its lines are
// taken together, a step of all of them at a time.
template <int kMode, class T>
struct Gather {
  const GatherArgs* a;
  const Run* run;
  int64_t lines, per_task, tiles, width;

  MO_INLINE void step(T* x, T* y, const int64_t* index, int64_t flat) const {
    const int64_t value = *index, size = a->size;
    if (value < a->low || value >= size) {
      run->report(run, flat, value, a->low, size);
      if (kMode < 0) *y = T{};
      return;
    }
    act<kMode>(x + (value < 0 ? value + size : value) * a->x_stride[a->ndim - 1], y);
  }
  // Whether n indices are all inside, so that none needs a look of its own, and none is negative.
  enum Look { kOutside, kInside, kPlain };
  MO_INLINE Look look(const int64_t* index, int64_t n, int64_t stride) const {
    const int64_t size = a->size, low = a->low;
    int64_t outside = 0, negative = 0;
    if (stride == 1) {
      for (int64_t j = 0; j < n; ++j) {
        outside |= (index[j] < low) | (index[j] >= size);
        negative |= index[j];
      }
    } else {
      for (int64_t j = 0; j < n; ++j) {
        outside |= (index[j * stride] < low) | (index[j * stride] >= size);
        negative |= index[j * stride];
      }
    }
    return outside ? kOutside : negative < 0 ? kInside : kPlain;
  }
  // Elements j < n from indices that are inside; the first of x, y and index, and the steps from one to the
  // next. `along` is the step of one index in x.
  template <bool kWraps>
  MO_INLINE void steps(T* x, T* y, const int64_t* index, int64_t n, int64_t x_step, int64_t y_step,
                       int64_t index_step, int64_t along) const {
    const int64_t size = a->size;
#pragma GCC unroll 4
    for (int64_t j = 0; j < n; ++j) {
      const int64_t value = index[j * index_step];
      act<kMode>(x + j * x_step + (kWraps ? value + (value >> 63 & size) : value) * along, y + j * y_step);
    }
  }
  MO_INLINE void steps_inside(Look seen, T* x, T* y, const int64_t* index, int64_t n, int64_t x_step,
                              int64_t y_step, int64_t index_step) const {
    const int64_t along = a->x_stride[a->ndim - 1];
    if (y_step == 1 && index_step == 1 && x_step == 0 && along == 1 && seen == kPlain)
      steps<false>(x, y, index, n, 0, 1, 1, 1);
    else if (y_step == 1 && index_step == 1 && x_step == 1 && seen == kPlain)
      steps<false>(x, y, index, n, 1, 1, 1, along);
    else
      steps<true>(x, y, index, n, x_step, y_step, index_step, along);
  }
  // Where line (or, without the dimension before the last, group of lines) `line` starts.
  MO_INLINE void start(int64_t line, int64_t dims, T** x, T** y, const int64_t** index) const {
    *x = static_cast<T*>(a->x);
    *y = static_cast<T*>(a->y);
    *index = a->index;
    for (int64_t d = dims - 1; d >= 0; --d) {
      const int64_t at = line % a->shape[d];
      line /= a->shape[d];
      *x += at * a->x_stride[d];
      *y += at * a->y_stride[d];
      *index += at * a->index_stride[d];
    }
  }
  // What a line kAhead further on needs; a wrong index fetches nothing.
  MO_INLINE void fetch(T* x, const int64_t* index) const {
    const int64_t d = a->ndim - 2, value = index[kAhead * a->index_stride[d]], size = a->size;
    if (value < a->low || value >= size) return;
    __builtin_prefetch(x + kAhead * a->x_stride[d] + (value < 0 ? value + size : value) * a->x_stride[d + 1]);
  }
  static void lines_task(void* context, int64_t task, int) {
    const Gather& s = *static_cast<const Gather*>(context);
    const int64_t last = s.a->ndim - 1, n = s.a->shape[last];
    const int64_t end = (task + 1) * s.per_task < s.lines ? (task + 1) * s.per_task : s.lines;
    const int64_t* shape = s.a->shape;
    T *x, *y;
    const int64_t* index;
    int64_t at[8], rest = task * s.per_task;
    s.start(rest, last, &x, &y, &index);
    for (int64_t d = last - 1; d >= 0; --d) {
      at[d] = rest % shape[d];
      rest /= shape[d];
    }
    for (int64_t line = task * s.per_task; line < end; ++line) {
      if (n <= kShortLine && last > 0 && at[last - 1] + kAhead < shape[last - 1]) s.fetch(x, index);
      if (const Look seen = s.look(index, n, s.a->index_stride[last])) {
        s.steps_inside(seen, x, y, index, n, 0, s.a->y_stride[last], s.a->index_stride[last]);
      } else {
        for (int64_t j = 0; j < n; ++j)
          s.step(x, y + j * s.a->y_stride[last], index + j * s.a->index_stride[last], line * n + j);
      }
      for (int64_t d = last - 1; d >= 0; --d) {
        x += s.a->x_stride[d];
        y += s.a->y_stride[d];
        index += s.a->index_stride[d];
        if (++at[d] < shape[d]) break;
        x -= at[d] * s.a->x_stride[d];
        y -= at[d] * s.a->y_stride[d];
        index -= at[d] * s.a->index_stride[d];
        at[d] = 0;
      }
    }
  }
  static void columns_task(void* context, int64_t task, int) {
    const Gather& s = *static_cast<const Gather*>(context);
    const GatherArgs& a = *s.a;
    const int64_t last = a.ndim - 1, n = a.shape[last], across = last - 1;
    const int64_t group = task / s.tiles, column = task % s.tiles * s.width;
    const int64_t width = a.shape[across] - column < s.width ? a.shape[across] - column : s.width;
    T *x, *y;
    const int64_t* index;
    s.start(group, across, &x, &y, &index);
    x += column * a.x_stride[across];
    y += column * a.y_stride[across];
    index += column * a.index_stride[across];
    for (int64_t j = 0; j < n; ++j) {
      if (const Look seen = s.look(index + j * a.index_stride[last], width, a.index_stride[across])) {
        s.steps_inside(seen, x, y + j * a.y_stride[last], index + j * a.index_stride[last], width,
                       a.x_stride[across], a.y_stride[across], a.index_stride[across]);
        continue;
      }
      for (int64_t c = 0; c < width; ++c) {
        s.step(x + c * a.x_stride[across], y + c * a.y_stride[across] + j * a.y_stride[last],
               index + c * a.index_stride[across] + j * a.index_stride[last],
               (group * a.shape[across] + column + c) * n + j);
      }
    }
  }
  static void kernel(const GatherArgs* args, const Run* run) {
    Gather s{args, run, 1, 1, 1, kColumns};
    const int64_t last = args->ndim - 1, n = args->shape[last];
    for (int64_t d = 0; d < last; ++d) s.lines *= args->shape[d];
    if (last > 0 && args->y_stride[last - 1] == 1 && args->y_stride[last] != 1 && args->shape[last - 1] > 1) {
      s.tiles = (args->shape[last - 1] + s.width - 1) / s.width;
      run->parallel(run, s.lines / args->shape[last - 1] * s.tiles, columns_task, &s);
      return;
    }
    if (n < kIndexTask) s.per_task = kIndexTask / n;
    run->parallel(run, (s.lines + s.per_task - 1) / s.per_task, lines_task, &s);
  }
};

struct IndexNames {
  const char *get, *gather, *write[kWriteCount], *scatter[kWriteCount];
};

template <int kType, int kMode = 0>
void fill_writes(IndexKernels* table, const IndexNames& names) {
  if constexpr (kMode < kWriteCount) {
    using T = typename TypeOf<kType>::type;
    table->index_write[kMode][kType] = {Index<kMode, T>::kernel, names.write[kMode]};
    table->scatter[kMode][kType] = {Gather<kMode, T>::kernel, names.scatter[kMode]};
    fill_writes<kType, kMode + 1>(table, names);
  }
}
template <int kType = 0>
void fill_types(IndexKernels* table, const IndexNames* names) {
  if constexpr (kType < kDTypeCount) {
    using Raw = typename BitsOf<sizeof(typename TypeOf<kType>::type)>::type;
    table->index_get[kType] = {Index<-1, Raw>::kernel, names[kType].get};
    table->gather[kType] = {Gather<-1, Raw>::kernel, names[kType].gather};
    fill_writes<kType>(table, names[kType]);
    fill_types<kType + 1>(table, names);
  }
}

#define MO_INDEX_WRITES(base, t)                                                                   \
  {MO_KERNEL_NAME(base "_put_" t), MO_KERNEL_NAME(base "_add_" t), MO_KERNEL_NAME(base "_mul_" t), \
   MO_KERNEL_NAME(base "_max_" t), MO_KERNEL_NAME(base "_min_" t)}
#define MO_INDEX_NAMES(t)                                                                    \
  {MO_KERNEL_NAME("index_get_" t), MO_KERNEL_NAME("gather_" t), MO_INDEX_WRITES("index", t), \
   MO_INDEX_WRITES("scatter", t)}
constexpr IndexNames kIndexNames[kDTypeCount] = {
    MO_INDEX_NAMES("f32"), MO_INDEX_NAMES("f64"), MO_INDEX_NAMES("bf16"), MO_INDEX_NAMES("f16"),
    MO_INDEX_NAMES("i64"), MO_INDEX_NAMES("i32"), MO_INDEX_NAMES("u8"),   MO_INDEX_NAMES("bool")};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_index(IndexKernels* table) { fill_types(table, kIndexNames); }

}  // namespace markone::MARKONE_ISA
