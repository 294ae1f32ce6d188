// Stable sorting by digits (Knuth, The Art of Computer Programming 3, 5.2.5): each element becomes an
// unsigned key of the same order with its index beside it; a few ranks are selected by digits from the top
// first.
#include "contract/sort.h"

#include "kernels/common/scalar.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

// Lines this short are sorted by insertion: counting digits costs more.
constexpr int64_t kInsertion = 32;
constexpr int64_t kSortTask = 8192;  // elements that one task takes, about
// So few first ranks are kept in order while the line goes by, this many keys at a time.
constexpr int64_t kKept = 16, kKeysAtOnce = 64;
// More of them are collected, and cut to the wanted ones when there are this many beyond twice as many.
constexpr int64_t kSpare = 512;

// An unsigned integer that orders as the value: NaN last, -0 as 0. `kBytes` of it are used.
template <class T>
struct KeyOf;
template <class U, class T, int kFraction>
MO_INLINE U real_key(T x) {
  constexpr U kTop = static_cast<U>(U(1) << (8 * sizeof(U) - 1));
  constexpr U kInfinity = static_cast<U>((kTop >> kFraction) - 1) << kFraction;
  U bits;
  __builtin_memcpy(&bits, &x, sizeof(U));
  const U body = static_cast<U>(bits & static_cast<U>(~kTop));
  if (body > kInfinity) return static_cast<U>(~U(0));
  if (body == 0) return kTop;
  return bits & kTop ? static_cast<U>(~bits) : static_cast<U>(bits | kTop);
}
#define MO_KEY(T, K, bytes, expression)               \
  template <>                                         \
  struct KeyOf<T> {                                   \
    using Key = K;                                    \
    static constexpr int kBytes = bytes;              \
    static MO_INLINE K of(T x) { return expression; } \
  };
MO_KEY(float, uint32_t, 4, (real_key<uint32_t, float, 23>(x)))
MO_KEY(double, uint64_t, 8, (real_key<uint64_t, double, 52>(x)))
MO_KEY(BF16, uint32_t, 2, (real_key<uint16_t, BF16, 7>(x)))
MO_KEY(F16, uint32_t, 2, (real_key<uint16_t, F16, 10>(x)))
MO_KEY(int64_t, uint64_t, 8, static_cast<uint64_t>(x) ^ (uint64_t(1) << 63))
MO_KEY(int32_t, uint32_t, 4, static_cast<uint32_t>(x) ^ (uint32_t(1) << 31))
MO_KEY(uint8_t, uint32_t, 1, x)
MO_KEY(Bool, uint32_t, 1, x.byte != 0)
#undef MO_KEY

// The integer of a key: reading it again, at a place of its own, would cost more.
MO_INLINE bool value_of(uint64_t key, int64_t* x) {
  *x = static_cast<int64_t>(key ^ (uint64_t(1) << 63));
  return true;
}
MO_INLINE bool value_of(uint32_t key, int32_t* x) {
  *x = static_cast<int32_t>(key ^ (uint32_t(1) << 31));
  return true;
}
template <class Key, class T>
MO_INLINE bool value_of(Key, T*) {
  return false;
}

template <class T, bool kDescending>
MO_INLINE typename KeyOf<T>::Key key_of(T x) {
  using Key = typename KeyOf<T>::Key;
  constexpr Key kAll = ~Key(0) >> (8 * (sizeof(Key) - KeyOf<T>::kBytes));
  return kDescending ? kAll - KeyOf<T>::of(x) : KeyOf<T>::of(x);
}

template <class T, bool kDescending>
struct Sort {
  using Key = typename KeyOf<T>::Key;
  static constexpr int kBytes = KeyOf<T>::kBytes;
  struct Item {
    Key key;
    uint32_t index;
  };
  static_assert(sizeof(Item) == (sizeof(T) == 8 ? 16 : 8), "scratch is counted by it");

  const SortArgs* a;
  const Run* run;
  int64_t per_task;
  // Of the line that all threads sort together.
  const T* x;
  Item *from, *to;
  int64_t* counts;
  int shift;  // the digit is the key's bits from here on, as many as `digits` counts
  int64_t digits;
  int64_t at;

  MO_INLINE int64_t long_digit_of(Key key) const { return static_cast<int64_t>(key >> shift) & (digits - 1); }
  static MO_INLINE int digit_of(Key key, int byte) { return static_cast<int>(key >> (8 * byte) & 255); }
  MO_INLINE int64_t item_bytes() const { return (2 * a->n * sizeof(Item) + 63) / 64 * 64; }
  MO_INLINE Item* items(int slot) const {
    return reinterpret_cast<Item*>(static_cast<char*>(run->scratch) + slot * item_bytes());
  }

  static void insertion(Item* items, int64_t n) {
    for (int64_t i = 1; i < n; ++i) {
      const Item item = items[i];
      int64_t k = i;
      for (; k > 0 && item.key < items[k - 1].key; --k) items[k] = items[k - 1];
      items[k] = item;
    }
  }
  // Sorts n items; `other` is scratch of the same size. Gives the one of the two that holds the result.
  static Item* by_digits(Item* items, Item* other, int64_t n) {
    if (n <= kInsertion) {
      insertion(items, n);
      return items;
    }
    uint32_t count[kBytes][256] = {};
    for (int64_t i = 0; i < n; ++i) {
      for (int b = 0; b < kBytes; ++b) ++count[b][digit_of(items[i].key, b)];
    }
    for (int b = 0; b < kBytes; ++b) {
      if (count[b][digit_of(items[0].key, b)] == n) continue;  // all alike
      uint32_t total = 0;
      for (uint32_t& c : count[b]) {
        const uint32_t here = c;
        c = total;
        total += here;
      }
      for (int64_t i = 0; i < n; ++i) other[count[b][digit_of(items[i].key, b)]++] = items[i];
      Item* swap = items;
      items = other;
      other = swap;
    }
    return items;
  }

  // Where the result of rank i of a line goes.
  MO_INLINE int64_t place(int64_t line, int64_t i) const {
    const int64_t kept = a->last - a->first;
    return (line / a->inner * kept + i) * a->inner + line % a->inner;
  }
  MO_INLINE void write(int64_t line, int64_t i, int64_t index, const T* in) const {
    const int64_t at = place(line, i);
    static_cast<T*>(a->values)[at] = in[index * a->inner];
    a->indices[at] = index;
  }
  MO_INLINE const T* line_at(int64_t line) const {
    return static_cast<const T*>(a->x) + line / a->inner * a->n * a->inner + line % a->inner;
  }

  // The key of rank `rank`, and how many keys are smaller. `keys` is scratch of n.
  Key threshold(const T* in, int64_t rank, Key* keys, int64_t* smaller) const {
    int64_t n = a->n;
    *smaller = 0;
    Key prefix = 0;
    for (int b = kBytes - 1; b >= 0; --b) {
      const bool fresh = b == kBytes - 1;
      int64_t count[256] = {};
      if (fresh) {
        for (int64_t i = 0; i < n; ++i) ++count[digit_of(key_of<T, kDescending>(in[i * a->inner]), b)];
      } else {
        for (int64_t i = 0; i < n; ++i) ++count[digit_of(keys[i], b)];
      }
      int d = 0;
      for (; *smaller + count[d] <= rank; ++d) *smaller += count[d];
      prefix |= static_cast<Key>(d) << (8 * b);
      if (b == 0) break;
      int64_t kept = 0;
      for (int64_t i = 0; i < n; ++i) {
        const Key key = fresh ? key_of<T, kDescending>(in[i * a->inner]) : keys[i];
        keys[kept] = key;
        kept += digit_of(key, b) == d;
      }
      n = kept;
    }
    return prefix;
  }
  // Keys from `start` on, at most kKeysAtOnce; how many.
  MO_INLINE int64_t keys_from(const T* in, int64_t start, Key* keys) const {
    const int64_t n = a->n - start < kKeysAtOnce ? a->n - start : kKeysAtOnce;
    if (a->inner == 1) {
      for (int64_t i = 0; i < n; ++i) keys[i] = key_of<T, kDescending>(in[start + i]);
    } else {
      for (int64_t i = 0; i < n; ++i) keys[i] = key_of<T, kDescending>(in[(start + i) * a->inner]);
    }
    return n;
  }
  static MO_INLINE bool any_below(const Key* keys, int64_t n, Key bound) {
    Key any = 0;
    for (int64_t i = 0; i < n; ++i) any |= keys[i] < bound;
    return any != 0;
  }
  // The ranks [0, last), last <= kKept. Most keys are larger than all that are kept, and a look at many of
  // them passes.
  void select_few(int64_t line) const {
    const T* in = line_at(line);
    const int64_t wanted = a->last;
    Item kept[kKept + 1];
    int64_t count = 0;
    Key keys[kKeysAtOnce];
    for (int64_t start = 0; start < a->n; start += kKeysAtOnce) {
      const int64_t n = keys_from(in, start, keys);
      if (count == wanted && !any_below(keys, n, kept[count - 1].key)) continue;
      for (int64_t i = 0; i < n; ++i) {
        if (count == wanted && keys[i] >= kept[count - 1].key) continue;
        int64_t k = count < wanted ? count++ : count - 1;
        for (; k > 0 && keys[i] < kept[k - 1].key; --k) kept[k] = kept[k - 1];
        kept[k] = {keys[i], static_cast<uint32_t>(start + i)};
      }
    }
    for (int64_t i = a->first; i < wanted; ++i) write(line, i - a->first, kept[i].index, in);
  }
  // The ranks [0, last) where those are a small part of the line: what is smaller than the last of the best
  // so far is collected, and cut to the best again when it is many.
  void select_part(int64_t line, int slot) const {
    const T* in = line_at(line);
    Item *const items = this->items(slot), *const other = items + a->n;
    const int64_t wanted = a->last, room = 2 * wanted + kSpare;
    int64_t count = 0;
    bool bounded = false;
    Key keys[kKeysAtOnce], bound = 0;
    for (int64_t start = 0; start < a->n; start += kKeysAtOnce) {
      const int64_t n = keys_from(in, start, keys);
      if (bounded && !any_below(keys, n, bound)) continue;
      for (int64_t i = 0; i < n; ++i) {
        items[count] = {keys[i], static_cast<uint32_t>(start + i)};
        count += !bounded || keys[i] < bound;
      }
      if (count <= room) continue;
      const Item* sorted = by_digits(items, other, count);
      if (sorted != items) __builtin_memcpy(items, sorted, static_cast<uint64_t>(wanted) * sizeof(Item));
      count = wanted;
      bound = items[wanted - 1].key;
      bounded = true;
    }
    const Item* sorted = by_digits(items, other, count);
    for (int64_t i = a->first; i < wanted; ++i) write(line, i - a->first, sorted[i].index, in);
  }
  // The ranks [first, last) alone.
  void select(int64_t line, int slot) const {
    if (a->last <= kKept) return select_few(line);
    if (8 * a->last + 4 * kSpare <= a->n) return select_part(line, slot);
    const T* in = line_at(line);
    Item *items = this->items(slot), *other = items + a->n;
    int64_t smaller;
    const Key key = threshold(in, a->last - 1, reinterpret_cast<Key*>(items), &smaller);
    int64_t equal = a->last - smaller;  // how many of those equal to the last are wanted
    if (a->first == a->last - 1) {
      int64_t i = 0;
      for (;; ++i) {
        if (key_of<T, kDescending>(in[i * a->inner]) == key && --equal == 0) break;
      }
      write(line, 0, i, in);
      return;
    }
    int64_t n = 0;
    for (int64_t i = 0; n < a->last; ++i) {
      const Key k = key_of<T, kDescending>(in[i * a->inner]);
      if (k < key || (k == key && equal-- > 0)) items[n++] = {k, static_cast<uint32_t>(i)};
    }
    items = by_digits(items, other, n);
    for (int64_t i = a->first; i < a->last; ++i) write(line, i - a->first, items[i].index, in);
  }

  static void lines_task(void* context, int64_t task, int slot) {
    const Sort& s = *static_cast<const Sort*>(context);
    const int64_t all = s.a->outer * s.a->inner, n = s.a->n;
    const int64_t end = (task + 1) * s.per_task < all ? (task + 1) * s.per_task : all;
    for (int64_t line = task * s.per_task; line < end; ++line) {
      if (s.a->last - s.a->first < n) {
        s.select(line, slot);
        continue;
      }
      const T* in = s.line_at(line);
      Item* items = s.items(slot);
      for (int64_t i = 0; i < n; ++i)
        items[i] = {key_of<T, kDescending>(in[i * s.a->inner]), static_cast<uint32_t>(i)};
      items = by_digits(items, items + n, n);
      for (int64_t i = 0; i < n; ++i) s.write(line, i, items[i].index, in);
    }
  }

  // One long line: chunks count their digits, then each puts its items where those of the chunks before end.
  MO_INLINE int64_t chunk_end(int64_t chunk) const {
    return (chunk + 1) * kSortChunk < a->n ? (chunk + 1) * kSortChunk : a->n;
  }
  static void make_task(void* context, int64_t chunk, int) {
    const Sort& s = *static_cast<const Sort*>(context);
    const Key first = key_of<T, kDescending>(s.x[0]);
    Key differs = 0;
    for (int64_t i = chunk * kSortChunk; i < s.chunk_end(chunk); ++i) {
      s.from[i] = {key_of<T, kDescending>(s.x[i * s.a->inner]), static_cast<uint32_t>(i)};
      differs |= s.from[i].key ^ first;
    }
    s.counts[chunk] = static_cast<int64_t>(differs);
  }
  static void count_task(void* context, int64_t chunk, int) {
    const Sort& s = *static_cast<const Sort*>(context);
    int64_t* count = s.counts + chunk * kSortDigits;
    for (int64_t d = 0; d < s.digits; ++d) count[d] = 0;
    for (int64_t i = chunk * kSortChunk; i < s.chunk_end(chunk); ++i) ++count[s.long_digit_of(s.from[i].key)];
  }
  static void move_task(void* context, int64_t chunk, int) {
    const Sort& s = *static_cast<const Sort*>(context);
    int64_t* place = s.counts + chunk * kSortDigits;
    for (int64_t i = chunk * kSortChunk; i < s.chunk_end(chunk); ++i)
      s.to[place[s.long_digit_of(s.from[i].key)]++] = s.from[i];
  }
  static void write_task(void* context, int64_t chunk, int) {
    const Sort& s = *static_cast<const Sort*>(context);
    for (int64_t i = chunk * kSortChunk; i < s.chunk_end(chunk); ++i) {
      const Item item = s.from[i];
      const int64_t at = s.place(s.at, i);
      T value;
      if (!value_of(kDescending ? static_cast<Key>(~item.key) : item.key, &value))
        value = s.x[item.index * s.a->inner];
      static_cast<T*>(s.a->values)[at] = value;
      s.a->indices[at] = item.index;
    }
  }
  void by_digit(int64_t chunks) {
    run->parallel(run, chunks, count_task, this);
    int64_t total = 0;
    for (int64_t d = 0; d < digits; ++d) {
      for (int64_t c = 0; c < chunks; ++c) {
        const int64_t here = counts[c * kSortDigits + d];
        counts[c * kSortDigits + d] = total;
        total += here;
      }
    }
    run->parallel(run, chunks, move_task, this);
    Item* swap = from;
    from = to;
    to = swap;
  }
  void long_line(int64_t line) {
    const int64_t chunks = (a->n + kSortChunk - 1) / kSortChunk;
    x = line_at(line);
    at = line;
    from = items(0);
    to = from + a->n;
    counts = reinterpret_cast<int64_t*>(static_cast<char*>(run->scratch) + run->threads * item_bytes());
    run->parallel(run, chunks, make_task, this);
    Key differs = 0;
    for (int64_t c = 0; c < chunks; ++c) differs |= static_cast<Key>(counts[c]);
    // Bits that are the same everywhere are left out; where the others are few they are one digit.
    const int low = differs ? __builtin_ctzll(differs) : 0;
    const bool one = differs >> low < kSortDigits;
    digits = one ? int64_t{kSortDigits} : 256;
    for (shift = one ? low : 0; shift < 8 * kBytes; shift += 8) {
      if ((differs >> shift & static_cast<Key>(digits - 1)) == 0) continue;
      by_digit(chunks);
      if (one) break;
    }
    run->parallel(run, chunks, write_task, this);
  }

  static void kernel(const SortArgs* args, const Run* run) {
    Sort s{};
    s.a = args;
    s.run = run;
    if (args->last - args->first == args->n && args->n > kSortChunk) {
      for (int64_t line = 0; line < args->outer * args->inner; ++line) s.long_line(line);
      return;
    }
    s.per_task = args->n < kSortTask ? kSortTask / args->n : 1;
    run->parallel(run, (args->outer * args->inner + s.per_task - 1) / s.per_task, lines_task, &s);
  }
};

template <class T>
void sort_kernel(const SortArgs* args, const Run* run) {
  args->descending ? Sort<T, true>::kernel(args, run) : Sort<T, false>::kernel(args, run);
}

// Binary search.
template <class T>
struct Search {
  const SearchArgs* a;
  const Run* run;

  static void task(void* context, int64_t task, int) {
    const Search& s = *static_cast<const Search*>(context);
    const SearchArgs& a = *s.a;
    const int64_t all = a.rows * a.m, end = (task + 1) * kSortTask < all ? (task + 1) * kSortTask : all;
    for (int64_t k = task * kSortTask; k < end; ++k) {
      const int64_t r = k / a.m;
      const T* seq = static_cast<const T*>(a.seq) + r * a.seq_stride;
      const T value = static_cast<const T*>(a.values)[r * a.value_stride + k - r * a.m];
      const int64_t* sorter = a.sorter ? a.sorter + r * a.seq_stride : nullptr;
      int64_t low = 0, high = a.n;
      while (low < high) {
        const int64_t middle = low + (high - low) / 2, at = sorter ? sorter[middle] : middle;
        if (at < 0 || at >= a.n) {
          s.run->report(s.run, r * a.seq_stride + middle, at, 0, a.n);
          break;
        }
        const bool passes = a.right ? !(seq[at] > value) : !(seq[at] >= value);
        low = passes ? middle + 1 : low;
        high = passes ? high : middle;
      }
      a.out[k] = low;
    }
  }
  static void kernel(const SearchArgs* args, const Run* run) {
    Search s{args, run};
    run->parallel(run, (args->rows * args->m + kSortTask - 1) / kSortTask, task, &s);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_sort(SortKernels* table) {
  table->sort[kF32] = {sort_kernel<float>, MO_KERNEL_NAME("sort_f32")};
  table->sort[kF64] = {sort_kernel<double>, MO_KERNEL_NAME("sort_f64")};
  table->sort[kBF16] = {sort_kernel<BF16>, MO_KERNEL_NAME("sort_bf16")};
  table->sort[kF16] = {sort_kernel<F16>, MO_KERNEL_NAME("sort_f16")};
  table->sort[kI64] = {sort_kernel<int64_t>, MO_KERNEL_NAME("sort_i64")};
  table->sort[kI32] = {sort_kernel<int32_t>, MO_KERNEL_NAME("sort_i32")};
  table->sort[kU8] = {sort_kernel<uint8_t>, MO_KERNEL_NAME("sort_u8")};
  table->sort[kBool] = {sort_kernel<Bool>, MO_KERNEL_NAME("sort_bool")};
  table->search[kF32] = {Search<float>::kernel, MO_KERNEL_NAME("search_f32")};
  table->search[kF64] = {Search<double>::kernel, MO_KERNEL_NAME("search_f64")};
  table->search[kI64] = {Search<int64_t>::kernel, MO_KERNEL_NAME("search_i64")};
}

}  // namespace markone::MARKONE_ISA
