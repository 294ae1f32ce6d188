// Sorting and searching. A short line's elements each count those before them; a long line is merged, each
// element finding its place in the neighbouring run by binary search. Both are stable and of fixed order.
#include "contract/sort.h"
#include "kernels/cuda/device/each.cuh"
#include "kernels/cuda/device/scalar.cuh"

namespace markone::cuda {
namespace {

constexpr int64_t kShort = 1024;

// Whether a stands before b; NaN is the largest.
template <class T>
__device__ bool before(T a, T b, bool descending) {
  const auto x = Widen<T>::of(descending ? b : a), y = Widen<T>::of(descending ? a : b);
  return x < y || (y != y && x == x);
}

template <class T>
__device__ void put_rank(const SortArgs& a, int64_t line, int64_t rank, int64_t from, T x) {
  if (rank < a.first || rank >= a.last) return;
  const int64_t at = (line / a.inner * (a.last - a.first) + rank - a.first) * a.inner + line % a.inner;
  static_cast<T*>(a.values)[at] = x;
  a.indices[at] = from;
}
template <class T>
__device__ const T* line_of(const SortArgs& a, int64_t line) {
  return static_cast<const T*>(a.x) + line / a.inner * a.n * a.inner + line % a.inner;
}

template <class T>
void sort(const SortArgs* args, const Run* run) {
  const SortArgs a = *args;
  const bool descending = a.descending != 0;
  if (a.n <= kShort) {
    each(run, a.outer * a.inner * a.n, [=] __device__(int64_t e) {
      const int64_t line = e / a.n, i = e % a.n;
      const T* x = line_of<T>(a, line);
      const T mine = x[i * a.inner];
      int64_t rank = 0;
      for (int64_t j = 0; j < a.n; ++j) {
        const T other = x[j * a.inner];
        rank += j < i ? !before(mine, other, descending) : before(other, mine, descending);
      }
      put_rank(a, line, rank, i, mine);
    });
    return;
  }
  uint32_t *from = static_cast<uint32_t*>(run->scratch), *to = from + a.n;
  for (int64_t line = 0; line < a.outer * a.inner; ++line) {
    uint32_t* start = from;
    each(run, a.n, [=] __device__(int64_t i) { start[i] = static_cast<uint32_t>(i); });
    for (int64_t length = 1; length < a.n; length *= 2) {
      const uint32_t* in = from;
      uint32_t* out = to;
      each(run, a.n, [=] __device__(int64_t p) {
        const T* x = line_of<T>(a, line);
        const int64_t first = p / (2 * length) * (2 * length),
                      middle = first + length < a.n ? first + length : a.n,
                      end = middle + length < a.n ? middle + length : a.n;
        const bool left = p < middle;
        const T mine = x[in[p] * a.inner];
        // How many of the other run stand before it.
        int64_t low = left ? middle : first, high = left ? end : middle;
        const int64_t begin = low;
        while (low < high) {
          const int64_t half = (low + high) / 2;
          const T other = x[in[half] * a.inner];
          if (left ? before(other, mine, descending) : !before(mine, other, descending)) {
            low = half + 1;
          } else {
            high = half;
          }
        }
        out[first + (p - (left ? first : middle)) + (low - begin)] = in[p];
      });
      to = from;
      from = out;
    }
    const uint32_t* order = from;
    each(run, a.last - a.first, [=] __device__(int64_t k) {
      const int64_t at = order[a.first + k];
      put_rank(a, line, a.first + k, at, line_of<T>(a, line)[at * a.inner]);
    });
  }
}

template <class T>
void search(const SearchArgs* args, const Run* run) {
  const SearchArgs a = *args;
  const Reporter report = reporter(run);
  each(run, a.rows * a.m, [=] __device__(int64_t e) {
    const int64_t r = e / a.m, i = e % a.m;
    const T* seq = static_cast<const T*>(a.seq) + r * a.seq_stride;
    const int64_t* sorter = a.sorter ? a.sorter + r * a.seq_stride : nullptr;
    const T value = static_cast<const T*>(a.values)[r * a.value_stride + i];
    int64_t low = 0, high = a.n;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2, at = sorter ? sorter[middle] : middle;
      if (at < 0 || at >= a.n) {
        report(r * a.seq_stride + middle, at, 0, a.n);
        break;
      }
      // As written, so that a NaN value stands behind everything.
      if (a.right ? !(seq[at] > value) : !(seq[at] >= value)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    a.out[e] = low;
  });
}

}  // namespace

void fill_sort(SortKernels* table) {
  MO_CUDA_FLOATS(sort, sort, "sort")
  table->sort[kBF16] = {sort<BF16>, "sort_bf16_cuda"};
  table->sort[kF16] = {sort<F16>, "sort_f16_cuda"};
  table->sort[kI64] = {sort<int64_t>, "sort_i64_cuda"};
  table->sort[kI32] = {sort<int32_t>, "sort_i32_cuda"};
  table->sort[kU8] = {sort<uint8_t>, "sort_u8_cuda"};
  table->sort[kBool] = {sort<Bool>, "sort_bool_cuda"};
  MO_CUDA_FLOATS(search, search, "search")
  table->search[kI64] = {search<int64_t>, "search_i64_cuda"};
}

}  // namespace markone::cuda
