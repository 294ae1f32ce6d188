// Reductions: in double or int64, in an order that the sizes alone set. Long ones take a block of threads an
// output, in chunks of kReduceBlock elements whose results wait in scratch; short ones a thread an output.
#include "contract/reduce.h"
#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/device/scalar.cuh"

namespace markone::cuda {
namespace {

constexpr int kThreads = 256;
// Below this many elements an output a block's threads would wait for each other more than they add.
constexpr int64_t kShort = 64;

MO_SCALAR Real<double> larger(Real<double> a, Real<double> b) { return b != b ? b : b > a ? b : a; }
MO_SCALAR Real<double> smaller(Real<double> a, Real<double> b) { return b != b ? b : b < a ? b : a; }
MO_SCALAR Int larger(Int a, Int b) { return b > a ? b : a; }
MO_SCALAR Int smaller(Int a, Int b) { return b < a ? b : a; }
MO_SCALAR Real<double> truth(Real<double> x) { return x.v != 0; }
MO_SCALAR Int truth(Int x) { return Int(static_cast<int64_t>(x.v != 0)); }
MO_SCALAR Real<double> root(Real<double> x) { return ::sqrt(x.v); }
MO_SCALAR Int root(Int x) { return x; }
MO_SCALAR Int operator/(Int a, double) { return a; }

template <bool kFirst, class A, class B>
struct Choice {
  using type = A;
};
template <class A, class B>
struct Choice<false, A, B> {
  using type = B;
};

template <class N>
struct Ends;
template <>
struct Ends<Real<double>> {
  static MO_SCALAR Real<double> lowest() { return -__builtin_inf(); }
  static MO_SCALAR Real<double> highest() { return __builtin_inf(); }
};
template <>
struct Ends<Int> {
  static MO_SCALAR Int lowest() { return Int(static_cast<int64_t>(INT64_MIN)); }
  static MO_SCALAR Int highest() { return Int(static_cast<int64_t>(INT64_MAX)); }
};

#define __builtin_sqrt(a) root(a)
#define MO_REDUCE(name, init_, map_, combine_, finish_, types)                           \
  struct Op_##name {                                                                     \
    static constexpr char kTypes = #types[0];                                            \
    template <class N>                                                                   \
    static MO_SCALAR N init() {                                                          \
      [[maybe_unused]] const N lowest = Ends<N>::lowest(), highest = Ends<N>::highest(); \
      return N(init_);                                                                   \
    }                                                                                    \
    template <class N>                                                                   \
    static MO_SCALAR N map(N x, [[maybe_unused]] N s) {                                  \
      return map_;                                                                       \
    }                                                                                    \
    template <class N>                                                                   \
    static MO_SCALAR N combine(N a, N b) {                                               \
      return combine_;                                                                   \
    }                                                                                    \
    template <class N>                                                                   \
    static MO_SCALAR N finish(N a, [[maybe_unused]] double d) {                          \
      return finish_;                                                                    \
    }                                                                                    \
  };
#include "kernels/common/reduce.def"
#undef __builtin_sqrt

struct Reduced {
  const void* in;
  const void* shift;
  void* out;
  void* partial;  // [outputs, chunks] computed numbers; null where there is one chunk
  int64_t outputs, count, chunks;
  double divisor;
  Walk<2> outer;  // in the input, in the output
  Walk<1> inner;
};

MO_SCALAR void load_wide(const void* base, int type, int64_t i, Real<double>* out) {
  if (type == kF64) {
    out->v = element<double>(base, i);
  } else {
    Real<float> x;
    load(base, type, i, &x);
    out->v = x.v;
  }
}
MO_SCALAR void load_wide(const void* base, int type, int64_t i, Int* out) { load(base, type, i, out); }
MO_SCALAR void store_wide(void* base, int type, int64_t i, Real<double> x) {
  if (type == kF64) {
    put<double>(base, i, x.v);
  } else if (type == kBool) {
    put<uint8_t>(base, i, x.v != 0);
  } else {
    store(base, type, i, Real<float>(static_cast<float>(x.v)));
  }
}
MO_SCALAR void store_wide(void* base, int type, int64_t i, Int x) { store(base, type, i, x); }

template <class N>
MO_SCALAR N from_lane(N x, int by) {
  N out;
  out.v = __shfl_down_sync(0xffffffffu, x.v, by);
  return out;
}

// Every thread gives one number; thread 0 gets them combined in the order of the threads.
template <class Op, class N>
__device__ N combine_block(N x) {
  __shared__ decltype(N::v) warps[kThreads / 32];
  for (int by = 1; by < 32; by *= 2) {
    const N other = from_lane(x, by);
    if (threadIdx.x % 32 + by < 32) x = Op::combine(x, other);
  }
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = x.v;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < kThreads / 32; ++w) {
      N other;
      other.v = warps[w];
      x = Op::combine(x, other);
    }
  }
  __syncthreads();
  return x;
}

template <class Op, class N>
__global__ void __launch_bounds__(kThreads) reduce_long_kernel(Reduced a, int type, int out_type) {
  for (int64_t task = blockIdx.x; task < a.outputs * a.chunks; task += gridDim.x) {
    const int64_t output = task / a.chunks, chunk = task % a.chunks;
    int64_t place[2];
    a.outer.at(output, place);
    N shift = N(0.0);
    if (a.shift) load_wide(a.shift, type, place[1], &shift);
    const int64_t first = chunk * kReduceBlock,
                  last = first + kReduceBlock < a.count ? first + kReduceBlock : a.count;
    N total = Op::template init<N>();
    for (int64_t i = first + threadIdx.x; i < last; i += kThreads) {
      int64_t inside[1];
      a.inner.at(i, inside);
      N x;
      load_wide(a.in, type, place[0] + inside[0], &x);
      total = Op::combine(total, Op::map(x, shift));
    }
    total = combine_block<Op>(total);
    if (threadIdx.x == 0) {
      if (a.partial) {
        static_cast<N*>(a.partial)[task] = total;
      } else {
        store_wide(a.out, out_type, place[1], Op::finish(total, a.divisor));
      }
    }
  }
}

template <class Op, class N>
__global__ void __launch_bounds__(kThreads) reduce_chunks_kernel(Reduced a, int out_type) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t o = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; o < a.outputs; o += stride) {
    const N* parts = static_cast<const N*>(a.partial) + o * a.chunks;
    N total = parts[0];
    for (int64_t c = 1; c < a.chunks; ++c) total = Op::combine(total, parts[c]);
    int64_t place[2];
    a.outer.at(o, place);
    store_wide(a.out, out_type, place[1], Op::finish(total, a.divisor));
  }
}

template <class Op, class N>
__global__ void __launch_bounds__(kThreads) reduce_short_kernel(Reduced a, int type, int out_type) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t o = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; o < a.outputs; o += stride) {
    int64_t place[2];
    a.outer.at(o, place);
    N shift = N(0.0);
    if (a.shift) load_wide(a.shift, type, place[1], &shift);
    N total = Op::template init<N>();
    for (int64_t i = 0; i < a.count; ++i) {
      int64_t inside[1];
      a.inner.at(i, inside);
      N x;
      load_wide(a.in, type, place[0] + inside[0], &x);
      total = Op::combine(total, Op::map(x, shift));
    }
    store_wide(a.out, out_type, place[1], Op::finish(total, a.divisor));
  }
}

template <class Op, class N, int kType, int kOut>
void reduce(const ReduceArgs* args, const Run* run) {
  const int64_t* const outer[2] = {args->outer_in_stride, args->outer_out_stride};
  const int64_t* const inner[1] = {args->inner_stride};
  const int64_t chunks = args->count > kReduceBlock ? (args->count + kReduceBlock - 1) / kReduceBlock : 1;
  const Reduced a{args->in,
                  args->shift,
                  args->out,
                  chunks > 1 ? run->scratch : nullptr,
                  args->outputs,
                  args->count,
                  chunks,
                  args->divisor,
                  walk(args->outer_ndim, args->outer_shape, outer),
                  walk(args->inner_ndim, args->inner_shape, inner)};
  // A column's neighbours in memory are its neighbours among the threads; a row's only within a block.
  const bool columns = args->inner_ndim > 0 && args->inner_stride[args->inner_ndim - 1] != 1 &&
                       args->outputs >= kThreads && args->count <= kReduceBlock;
  if (args->count <= kShort || columns) {
    launch(reduce_short_kernel<Op, N>, blocks_for(a.outputs, kThreads), kThreads, 0, run, a, kType, kOut);
    return;
  }
  launch(reduce_long_kernel<Op, N>, blocks_for(a.outputs * chunks, 1), kThreads, 0, run, a, kType, kOut);
  if (chunks > 1) {
    launch(reduce_chunks_kernel<Op, N>, blocks_for(a.outputs, kThreads), kThreads, 0, run, a, kOut);
  }
}

// ---- the index of the first extreme ----

template <bool kMax, class T>
__device__ bool better(T x, int64_t at, T best, int64_t best_at) {
  const bool nan = x != x, best_nan = best != best;
  if (nan || best_nan) return nan && (!best_nan || at < best_at);
  return kMax ? x > best || (x == best && at < best_at) : x < best || (x == best && at < best_at);
}

template <bool kMax, class T>
__global__ void __launch_bounds__(kThreads) arg_kernel(ArgReduceArgs a) {
  __shared__ T values[kThreads];
  __shared__ int64_t places[kThreads];
  for (int64_t task = blockIdx.x; task < a.outer * a.inner; task += gridDim.x) {
    const T* in = static_cast<const T*>(a.in) + task / a.inner * a.n * a.inner + task % a.inner;
    T best = in[0];
    int64_t at = 0;
    for (int64_t i = threadIdx.x; i < a.n; i += kThreads) {
      const T x = in[i * a.inner];
      if (better<kMax>(x, i, best, at)) best = x, at = i;
    }
    values[threadIdx.x] = best;
    places[threadIdx.x] = at;
    __syncthreads();
    for (int half = kThreads / 2; half > 0; half /= 2) {
      if (threadIdx.x < static_cast<unsigned>(half)) {
        const int other = threadIdx.x + half;
        if (better<kMax>(values[other], places[other], values[threadIdx.x], places[threadIdx.x])) {
          values[threadIdx.x] = values[other];
          places[threadIdx.x] = places[other];
        }
      }
      __syncthreads();
    }
    if (threadIdx.x == 0) a.out[task] = places[0];
    __syncthreads();
  }
}
template <bool kMax, class T>
void arg_reduce(const ArgReduceArgs* args, const Run* run) {
  launch(arg_kernel<kMax, T>, blocks_for(args->outer * args->inner, 1), kThreads, 0, run, *args);
}

template <class Op, int kType>
constexpr KernelFn<ReduceArgs> entry() {
  using N = typename Choice<(kType <= kF16), Real<double>, Int>::type;
  constexpr int kOut = Op::kTypes == 'B' ? kBool : kType <= kF16 || Op::kTypes == 'S' ? kType : kI64;
  return reduce<Op, N, kType, kOut>;
}

}  // namespace

void fill_reduce(ReduceKernels* table) {
#define MO_REDUCE(name, init, map, combine, finish, types)       \
  {                                                              \
    Entry<ReduceArgs>* entries = table->reduce[kReduce_##name];  \
    using Op = Op_##name;                                        \
    entries[kF32] = {entry<Op, kF32>(), #name "_f32_cuda"};      \
    entries[kF64] = {entry<Op, kF64>(), #name "_f64_cuda"};      \
    entries[kBF16] = {entry<Op, kBF16>(), #name "_bf16_cuda"};   \
    entries[kF16] = {entry<Op, kF16>(), #name "_f16_cuda"};      \
    if constexpr (Op::kTypes != 'F') {                           \
      entries[kI64] = {entry<Op, kI64>(), #name "_i64_cuda"};    \
      entries[kI32] = {entry<Op, kI32>(), #name "_i32_cuda"};    \
      entries[kU8] = {entry<Op, kU8>(), #name "_u8_cuda"};       \
      entries[kBool] = {entry<Op, kBool>(), #name "_bool_cuda"}; \
    }                                                            \
  }
#include "kernels/common/reduce.def"
  table->argmax[kF32] = {arg_reduce<true, float>, "argmax_f32_cuda"};
  table->argmax[kF64] = {arg_reduce<true, double>, "argmax_f64_cuda"};
  table->argmax[kI64] = {arg_reduce<true, int64_t>, "argmax_i64_cuda"};
  table->argmin[kF32] = {arg_reduce<false, float>, "argmin_f32_cuda"};
  table->argmin[kF64] = {arg_reduce<false, double>, "argmin_f64_cuda"};
  table->argmin[kI64] = {arg_reduce<false, int64_t>, "argmin_i64_cuda"};
}

}  // namespace markone::cuda
