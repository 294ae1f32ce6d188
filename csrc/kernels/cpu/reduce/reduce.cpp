// Reductions over any dimensions: one kernel for each entry of reduce.def and type.
#include "contract/reduce.h"

#include "kernels/cpu/vec_order.h"

MO_ISA_BEGIN

// Elements that one task of the parallel loop takes, about.
constexpr int64_t kTaskElements = 16384;
// Shorter runs are copied together before they are combined.
constexpr int64_t kRun = 128;
// Outputs whose elements lie between each other's, as channels do, that one task takes.
constexpr int64_t kBetween = 8;
// Fewer elements to an output than this are reduced across the outputs.
constexpr int64_t kFew = 48;

// A position in the reduced space.
struct Walk {
  const ReduceArgs* a;
  int64_t index[8];
  int64_t offset;  // in elements

  MO_INLINE Walk(const ReduceArgs* args, int64_t start) : a(args), offset(0) {
    for (int64_t d = a->inner_ndim - 1; d >= 0; --d) {
      const int64_t size = a->inner_shape[d];
      index[d] = d > 0 ? start % size : start;
      start = d > 0 ? start / size : 0;
      offset += index[d] * a->inner_stride[d];
    }
  }
  // How many elements follow with the last dimension's stride, at most n; then the walk stands after them.
  MO_INLINE int64_t run(int64_t n) const {
    const int64_t left = a->inner_shape[a->inner_ndim - 1] - index[a->inner_ndim - 1];
    return left < n ? left : n;
  }
  MO_INLINE void advance(int64_t n) {
    int64_t d = a->inner_ndim - 1;
    index[d] += n;
    offset += n * a->inner_stride[d];
    while (d > 0 && index[d] == a->inner_shape[d]) {
      offset -= index[d] * a->inner_stride[d];
      index[d] = 0;
      --d;
      ++index[d];
      offset += a->inner_stride[d];
    }
  }
};

struct Place {
  int64_t in, out;  // in elements
};
MO_INLINE Place place_of(const ReduceArgs& a, int64_t output) {
  if (a.outer_ndim == 1) return {output * a.outer_in_stride[0], output * a.outer_out_stride[0]};
  Place place = {0, 0};
  for (int64_t d = a.outer_ndim - 1; d >= 0; --d) {
    const int64_t i = d > 0 ? output % a.outer_shape[d] : output;
    output = d > 0 ? output / a.outer_shape[d] : 0;
    place.in += i * a.outer_in_stride[d];
    place.out += i * a.outer_out_stride[d];
  }
  return place;
}

// n elements from element `at`, `stride` apart, as C.
template <class T, class C>
void load_run(const void* in, int64_t at, int64_t stride, int64_t n, C* out) {
  const T* p = static_cast<const T*>(in) + at;
  if (stride == 1) {
    for (int64_t i = 0; i < n; ++i) out[i] = cast_one<C>(p[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = cast_one<C>(p[i * stride]);
  }
}
template <class Out>
void store_one(void* out, int64_t at, double value) {
  static_cast<Out*>(out)[at] = cast_one<Out>(value);
}
template <class Out>
void store_one(void* out, int64_t at, Int value) {
  static_cast<Out*>(out)[at] = cast_one<Out>(value.v);
}

// Several of one operation, `stride` apart.
template <class Op, class Out, class C>
void store_run(void* out, int64_t at, int64_t stride, const C* value, int64_t n, double divisor) {
  Out* to = static_cast<Out*>(out) + at;
  for (int64_t i = 0; i < n; ++i)
    to[i * stride] = cast_one<Out>(Op::finish(static_cast<typename Lanes<C>::Wide>(value[i]), divisor));
}

// The type of the result by the class of the list entry.
template <class T, class C, char kTypes>
struct ResultOf {
  using Type = T;  // F and S
};
template <class T>
struct ResultOf<T, int64_t, 'W'> {
  using Type = int64_t;
};
template <class T, class C>
struct ResultOf<T, C, 'B'> {
  using Type = Bool;
};

template <class Op, class C>
struct Reduction {
  using Wide = typename Lanes<C>::Wide;
  static constexpr int64_t kWidth = RowChunk<Op, C>::kWidth;

  const ReduceArgs* a;
  void (*load)(const void* in, int64_t at, int64_t stride, int64_t n, C* out);
  void (*put)(void* out, int64_t at, Wide value);
  void (*put_run)(void* out, int64_t at, int64_t stride, const C* value, int64_t n, double divisor);
  bool same;      // the input has the type that is computed in
  Wide* partial;  // [outputs, blocks]
  int64_t blocks;
  int64_t per_task;    // outputs along, tiles across, or 1 with more than one block
  int64_t run, tiles;  // across: outputs in a run, tiles of kWidth in it

  MO_INLINE void store(int64_t at, Wide value) const { put(a->out, at, Op::finish(value, a->divisor)); }
  MO_INLINE C shift_at(int64_t at) const { return a->shift ? static_cast<const C*>(a->shift)[at] : C(0); }
  MO_INLINE int64_t block_size(int64_t block) const {
    const int64_t left = a->count - block * kReduceBlock;
    return left < kReduceBlock ? left : kReduceBlock;
  }

  // One block of one output, along its elements.
  Wide along(int64_t base, C shift, int64_t block) const {
    const int64_t n = block_size(block);
    Walk walk(a, block * kReduceBlock);
    const int64_t stride = a->inner_stride[a->inner_ndim - 1];
    C buffer[kChunk];
    Wide total = Wide(0);
    for (int64_t i = 0; i == 0 || i < n; i += kChunk) {
      const int64_t m = n - i < kChunk ? n - i : kChunk;
      Wide value;
      if (same && m > 0 && stride == 1 && walk.run(m) == m) {
        value = Wide(reduce_chunk<Op, C>(static_cast<const C*>(a->in) + base + walk.offset, m, shift));
        walk.advance(m);
      } else {
        for (int64_t filled = 0; filled < m;) {
          const int64_t count = walk.run(m - filled);
          load(a->in, base + walk.offset, stride, count, buffer + filled);
          walk.advance(count);
          filled += count;
        }
        value = Wide(reduce_chunk<Op, C>(buffer, m, shift));
      }
      total = i == 0 ? value : Op::combine(total, value);
    }
    return total;
  }
  // Up to kBetween outputs whose elements lie between each other's, in runs: one run of each after the other,
  // in the order of memory.
  void between(int64_t first, int64_t count, int64_t block) const {
    const ReduceArgs& args = *a;
    Place place[kBetween];
    Pieces<Op, C> pieces[kBetween];
    for (int64_t k = 0; k < count; ++k) {
      place[k] = place_of(args, first + k);
      pieces[k].begin(shift_at(place[k].out));
    }
    const int64_t n = block_size(block);
    Walk walk(a, block * kReduceBlock);
    for (int64_t done = 0; done < n;) {
      const int64_t run = walk.run(n - done);
      for (int64_t k = 0; k < count; ++k)
        pieces[k].add(static_cast<const C*>(args.in) + place[k].in + walk.offset, run);
      walk.advance(run);
      done += run;
    }
    for (int64_t k = 0; k < count; ++k) {
      const Wide value = pieces[k].end();
      if (blocks > 1)
        partial[(first + k) * blocks + block] = value;
      else
        store(place[k].out, value);
    }
  }
  static void between_task(void* context, int64_t task, int) {
    const auto& r = *static_cast<const Reduction*>(context);
    const int64_t first = task / r.blocks * r.per_task, left = r.a->outputs - first;
    r.between(first, left < r.per_task ? left : r.per_task, task % r.blocks);
  }

  // Outputs whose elements are one chunk and lie one after the other: a vector's length of them folds its
  // lanes side by side.
  void rows(int64_t first, int64_t count) const {
    using V = typename Lanes<C>::V;
    V lanes[V::kLanes];
    Place place[V::kLanes];
    for (int64_t k = 0; k < V::kLanes; ++k) {
      place[k] = place_of(*a, k < count ? first + k : first);
      const C* p = static_cast<const C*>(a->in) + place[k].in;
      const V shift(shift_at(place[k].out));
      lanes[k] = combine_lanes<Op, C>(
          a->count, [&](int64_t i, int64_t left) { return Op::map(load_lanes<V>(p + i, left), shift); });
    }
    transpose(lanes);
    for (int half = V::kLanes / 2; half > 0; half /= 2) {
      for (int k = 0; k < half; ++k) lanes[k] = Op::combine(lanes[k], lanes[k + half]);
    }
    C value[V::kLanes];
    lanes[0].store(value);
    const int64_t beside = a->outer_out_stride[0];
    if (a->outer_ndim == 1) return put_run(a->out, place[0].out, beside, value, count, a->divisor);
    for (int64_t k = 0; k < count; ++k) store(place[k].out, Wide(value[k]));
  }
  static void rows_task(void* context, int64_t task, int) {
    const auto& r = *static_cast<const Reduction*>(context);
    constexpr int64_t kAtOnce = Lanes<C>::V::kLanes;
    const int64_t last = (task + 1) * r.per_task < r.a->outputs ? (task + 1) * r.per_task : r.a->outputs;
    for (int64_t o = task * r.per_task; o < last; o += kAtOnce)
      r.rows(o, last - o < kAtOnce ? last - o : kAtOnce);
  }
  static void along_task(void* context, int64_t task, int) {
    const auto& r = *static_cast<const Reduction*>(context);
    const ReduceArgs& a = *r.a;
    if (r.blocks > 1) {
      const Place place = place_of(a, task / r.blocks);
      r.partial[task] = r.along(place.in, r.shift_at(place.out), task % r.blocks);
      return;
    }
    const int64_t last = (task + 1) * r.per_task < a.outputs ? (task + 1) * r.per_task : a.outputs;
    for (int64_t o = task * r.per_task; o < last; ++o) {
      const Place place = place_of(a, o);
      r.store(place.out, r.along(place.in, r.shift_at(place.out), 0));
    }
  }

  // One block of up to kWidth outputs that lie beside each other.
  void across(int64_t output, int64_t width, int64_t block) const {
    const ReduceArgs& args = *a;
    const Place place = place_of(args, output);
    const int64_t out_stride = args.outer_out_stride[args.outer_ndim - 1];
    const int64_t n = block_size(block), stride = args.inner_stride[args.inner_ndim - 1];
    const int64_t in_stride = args.outer_in_stride[args.outer_ndim - 1];
    const bool direct = same && in_stride == 1;
    RowChunk<Op, C> rows;
    Wide total[kWidth];
    C row[kWidth];
    for (int64_t c = 0; c < kWidth; ++c)
      rows.shift[c] = c < width ? shift_at(place.out + c * out_stride) : C(0);
    Walk walk(a, block * kReduceBlock);
    for (int64_t i = 0; i == 0 || i < n; i += kChunk) {
      const int64_t m = n - i < kChunk ? n - i : kChunk;
      rows.begin(m, width);
      int64_t done = 0;
      if (direct && m > 0 && walk.run(m) == m) {
        rows.add_all(m, static_cast<const C*>(a->in) + place.in + walk.offset, stride, width);
        walk.advance(m);
        done = m;
      }
      while (done < m) {
        const int64_t count = walk.run(m - done);
        for (int64_t k = 0; k < count; ++k) {
          const int64_t at = place.in + walk.offset + k * stride;
          if (!direct) load(a->in, at, in_stride, width, row);
          rows.add(done + k, direct ? static_cast<const C*>(a->in) + at : row, width);
        }
        walk.advance(count);
        done += count;
      }
      rows.fold(width);
      for (int64_t c = 0; c < width; ++c) {
        const Wide value = Wide(rows.lanes[0][c]);
        total[c] = i == 0 ? value : Op::combine(total[c], value);
      }
    }
    for (int64_t c = 0; c < width; ++c) {
      if (blocks > 1)
        partial[(output + c) * blocks + block] = total[c];
      else
        store(place.out + c * out_stride, total[c]);
    }
  }
  static void across_task(void* context, int64_t task, int) {
    const auto& r = *static_cast<const Reduction*>(context);
    const int64_t first = task / r.blocks * r.per_task, all = r.a->outputs / r.run * r.tiles;
    const int64_t last = first + r.per_task < all ? first + r.per_task : all;
    for (int64_t tile = first; tile < last; ++tile) {
      const int64_t column = tile % r.tiles * kWidth;
      const int64_t width = r.run - column < kWidth ? r.run - column : kWidth;
      r.across(tile / r.tiles * r.run + column, width, task % r.blocks);
    }
  }

  static void combine_task(void* context, int64_t task, int) {
    const auto& r = *static_cast<const Reduction*>(context);
    const int64_t last = (task + 1) * r.per_task < r.a->outputs ? (task + 1) * r.per_task : r.a->outputs;
    for (int64_t o = task * r.per_task; o < last; ++o) {
      const Wide* p = r.partial + o * r.blocks;
      Wide total = p[0];
      for (int64_t b = 1; b < r.blocks; ++b) total = Op::combine(total, p[b]);
      r.store(place_of(*r.a, o).out, total);
    }
  }

  static void combine_blocks(Reduction& r, const Run* run) {
    if (r.blocks == 1) return;
    r.per_task = 1024;
    run->parallel(run, (r.a->outputs + r.per_task - 1) / r.per_task, combine_task, &r);
  }

  static void reduce(Reduction r, const ReduceArgs* args, const Run* run) {
    r.a = args;
    r.partial = static_cast<Wide*>(run->scratch);
    r.blocks = args->count > kReduceBlock ? (args->count + kReduceBlock - 1) / kReduceBlock : 1;
    const int64_t d = args->outer_ndim - 1, count = args->count > 0 ? args->count : 1;
    // Across where the outputs lie beside each other, and where each has so few elements that vectors along
    // them would be mostly empty. Both ways give the same bits.
    const bool beside = args->outer_in_stride[d] == 1 && args->inner_stride[args->inner_ndim - 1] != 1;
    const bool few = args->count < kFew && args->outer_shape[d] >= Lanes<C>::kLanes;
    const bool lines = r.same && args->inner_ndim == 1 && args->inner_stride[0] == 1 && args->count > 0 &&
                       args->count <= kChunk;
    if constexpr (!__is_same(C, int64_t)) {
      if (lines && args->outputs > 1) {
        r.per_task = count < kTaskElements ? kTaskElements / count : 1;
        return run->parallel(run, (args->outputs + r.per_task - 1) / r.per_task, rows_task, &r);
      }
      const int64_t inner = args->inner_ndim - 1;
      const bool runs = inner > 0 && args->inner_stride[inner] == 1 && args->inner_shape[inner] >= kRun;
      if (r.same && runs && args->outputs > 1) {
        // Few enough for eight tasks, where there are so many outputs and blocks.
        const int64_t fair = args->outputs * r.blocks / 8;
        r.per_task = fair < 1 ? 1 : fair < kBetween ? fair : kBetween;
        run->parallel(run, (args->outputs + r.per_task - 1) / r.per_task * r.blocks, between_task, &r);
        return combine_blocks(r, run);
      }
    }
    if (args->outer_shape[d] > 1 && (beside || few)) {
      r.run = args->outer_shape[d];
      r.tiles = (r.run + kWidth - 1) / kWidth;
      const int64_t all = args->outputs / r.run * r.tiles;
      const int64_t cost = count * (r.run < kWidth ? r.run : kWidth);
      r.per_task = cost < kTaskElements ? kTaskElements / cost : 1;
      run->parallel(run, (all + r.per_task - 1) / r.per_task * r.blocks, across_task, &r);
    } else {
      r.per_task = count < kTaskElements ? kTaskElements / count : 1;
      const int64_t tasks = (args->outputs + r.per_task - 1) / r.per_task;
      run->parallel(run, r.blocks > 1 ? args->outputs * r.blocks : tasks, along_task, &r);
    }
    combine_blocks(r, run);
  }
};

template <class Op, class T, class C>
void kernel(const ReduceArgs* args, const Run* run) {
  Reduction<Op, C> r;
  r.load = load_run<T, C>;
  using Out = typename ResultOf<T, C, Op::kTypes>::Type;
  r.put = store_one<Out>;
  if constexpr (__is_same(C, int64_t))
    r.put_run = nullptr;
  else
    r.put_run = store_run<Op, Out, C>;
  r.same = __is_same(T, C);
  Reduction<Op, C>::reduce(r, args, run);
}

template <class Op, class T, class C>
void put(Entry<ReduceArgs>* entries, DType dtype, const char* name) {
  entries[dtype] = {kernel<Op, T, C>, name};
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_reduce_index(ReduceKernels* table);

void fill_reduce(ReduceKernels* table) {
#define MO_REDUCE(name, init, map, combine, finish, types)                    \
  {                                                                           \
    Entry<ReduceArgs>* entries = table->reduce[kReduce_##name];               \
    using Op = Reduce_##name;                                                 \
    put<Op, float, float>(entries, kF32, MO_KERNEL_NAME(#name "_f32"));       \
    put<Op, double, double>(entries, kF64, MO_KERNEL_NAME(#name "_f64"));     \
    put<Op, BF16, float>(entries, kBF16, MO_KERNEL_NAME(#name "_bf16"));      \
    put<Op, F16, float>(entries, kF16, MO_KERNEL_NAME(#name "_f16"));         \
    if constexpr (Op::kTypes != 'F') {                                        \
      put<Op, int64_t, int64_t>(entries, kI64, MO_KERNEL_NAME(#name "_i64")); \
      put<Op, int32_t, int64_t>(entries, kI32, MO_KERNEL_NAME(#name "_i32")); \
      put<Op, uint8_t, int64_t>(entries, kU8, MO_KERNEL_NAME(#name "_u8"));   \
      put<Op, Bool, int64_t>(entries, kBool, MO_KERNEL_NAME(#name "_bool"));  \
    }                                                                         \
  }
#include "kernels/common/reduce.def"
  fill_reduce_index(table);
}

}  // namespace markone::MARKONE_ISA
