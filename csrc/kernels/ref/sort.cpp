// Sorting by merging, and binary search, in plain loops.
#include "contract/sort.h"

#include "kernels/common/scalar.h"

namespace markone::ref {
namespace {

// a stands before b in ascending order; NaN is the largest.
template <class T>
bool before(T a, T b) {
  const auto x = Widen<T>::of(a), y = Widen<T>::of(b);
  return x < y || (y != y && x == x);
}

// `order` [n] becomes the stable order of x; `other` is scratch of the same size.
template <class T>
void merge_sort(const T* x, int64_t n, int64_t stride, bool descending, uint32_t* order, uint32_t* other) {
  for (int64_t i = 0; i < n; ++i) order[i] = static_cast<uint32_t>(i);
  uint32_t *from = order, *to = other;
  for (int64_t run = 1; run < n; run *= 2) {
    for (int64_t start = 0; start < n; start += 2 * run) {
      const int64_t middle = start + run < n ? start + run : n, end = middle + run < n ? middle + run : n;
      int64_t a = start, b = middle;
      for (int64_t i = start; i < end; ++i) {
        bool take_b = a >= middle;
        if (a < middle && b < end) {
          const T left = x[from[a] * stride], right = x[from[b] * stride];
          take_b = descending ? before(left, right) : before(right, left);
        }
        to[i] = take_b ? from[b++] : from[a++];
      }
    }
    uint32_t* swap = from;
    from = to;
    to = swap;
  }
  for (int64_t i = 0; from != order && i < n; ++i) order[i] = from[i];
}

template <class T>
void sort(const SortArgs* a, const Run* run) {
  uint32_t* order = static_cast<uint32_t*>(run->scratch);
  const int64_t kept = a->last - a->first;
  for (int64_t line = 0; line < a->outer * a->inner; ++line) {
    const int64_t o = line / a->inner, c = line % a->inner;
    const T* x = static_cast<const T*>(a->x) + o * a->n * a->inner + c;
    merge_sort(x, a->n, a->inner, a->descending != 0, order, order + a->n);
    for (int64_t i = 0; i < kept; ++i) {
      const int64_t at = (o * kept + i) * a->inner + c, from = order[a->first + i];
      static_cast<T*>(a->values)[at] = x[from * a->inner];
      a->indices[at] = from;
    }
  }
}

template <class T>
void search(const SearchArgs* a, const Run* run) {
  for (int64_t r = 0; r < a->rows; ++r) {
    const T* seq = static_cast<const T*>(a->seq) + r * a->seq_stride;
    const int64_t* sorter = a->sorter ? a->sorter + r * a->seq_stride : nullptr;
    for (int64_t i = 0; i < a->m; ++i) {
      const T value = static_cast<const T*>(a->values)[r * a->value_stride + i];
      int64_t low = 0, high = a->n;
      while (low < high) {
        const int64_t middle = low + (high - low) / 2, at = sorter ? sorter[middle] : middle;
        if (at < 0 || at >= a->n) {
          run->report(run, r * a->seq_stride + middle, at, 0, a->n);
          break;
        }
        // As written, so that a NaN value stands behind everything.
        if (a->right ? !(seq[at] > value) : !(seq[at] >= value))
          low = middle + 1;
        else
          high = middle;
      }
      a->out[r * a->m + i] = low;
    }
  }
}

}  // namespace

void fill_sort(SortKernels* table) {
  table->sort[kF32] = {sort<float>, "sort_f32_ref"};
  table->sort[kF64] = {sort<double>, "sort_f64_ref"};
  table->sort[kBF16] = {sort<BF16>, "sort_bf16_ref"};
  table->sort[kF16] = {sort<F16>, "sort_f16_ref"};
  table->sort[kI64] = {sort<int64_t>, "sort_i64_ref"};
  table->sort[kI32] = {sort<int32_t>, "sort_i32_ref"};
  table->sort[kU8] = {sort<uint8_t>, "sort_u8_ref"};
  table->sort[kBool] = {sort<Bool>, "sort_bool_ref"};
  table->search[kF32] = {search<float>, "search_f32_ref"};
  table->search[kF64] = {search<double>, "search_f64_ref"};
  table->search[kI64] = {search<int64_t>, "search_i64_ref"};
}

}  // namespace markone::ref
