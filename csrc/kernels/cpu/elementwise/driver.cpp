// The loop of every elementwise kernel: it cuts the index space into fixed chunks, and brings each operand
// that is broadcast, strided or of a storage type through a small buffer that stays in the first-level cache.
#include "kernels/cpu/elementwise/driver.h"

#include <stddef.h>

#include "kernels/common/scalar.h"
#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

constexpr int64_t kBlock = 1024;   // elements that go through the buffers at once
constexpr int64_t kChunk = 16384;  // elements that one thread takes at once
constexpr int64_t kLongRow = 128;  // rows from here on are walked one by one
constexpr int64_t kVector = 64;    // bytes of the widest vector

// Elements of a strided operand from index `at` on, in row-major order, to or from a contiguous buffer.
template <class T, bool kToBuffer>
void move_strided(T* buffer, T* base, int64_t ndim, const int64_t* shape, const int64_t* stride,
                  const int64_t* at, int64_t n) {
  int64_t index[8];
  T* row = base;
  for (int64_t d = 0; d < ndim; ++d) {
    index[d] = at[d];
    row += at[d] * stride[d];
  }
  const int64_t last = ndim - 1, step = stride[last];
  while (true) {
    const int64_t left = shape[last] - index[last], run = left < n ? left : n;
    if (kToBuffer) {
      if (step == 1) {
        __builtin_memcpy(buffer, row, static_cast<size_t>(run) * sizeof(T));
      } else {
        for (int64_t i = 0; i < run; ++i) buffer[i] = row[i * step];
      }
    } else {
      if (step == 1) {
        __builtin_memcpy(row, buffer, static_cast<size_t>(run) * sizeof(T));
      } else {
        for (int64_t i = 0; i < run; ++i) row[i * step] = buffer[i];
      }
    }
    buffer += run;
    n -= run;
    if (n == 0) return;
    row -= index[last] * step;
    index[last] = 0;
    for (int64_t d = last - 1; d >= 0; --d) {
      row += stride[d];
      if (++index[d] < shape[d]) break;
      row -= shape[d] * stride[d];
      index[d] = 0;
    }
  }
}

template <bool kToBuffer>
void move_bytes(int bytes, void* buffer, void* base, const ElementwiseArgs* args, const int64_t* stride,
                const int64_t* at, int64_t n) {
#define MO_MOVE(T)                                                                                    \
  move_strided<T, kToBuffer>(static_cast<T*>(buffer), static_cast<T*>(base), args->ndim, args->shape, \
                             stride, at, n)
  switch (bytes) {
    case 1:
      return MO_MOVE(uint8_t);
    case 2:
      return MO_MOVE(uint16_t);
    case 4:
      return MO_MOVE(uint32_t);
    default:
      return MO_MOVE(uint64_t);
  }
#undef MO_MOVE
}

// n copies of one element.
template <class T>
void splat_as(void* buffer, const void* value, int64_t n) {
  T x;
  __builtin_memcpy(&x, value, sizeof(T));
  auto* to = static_cast<T*>(buffer);
  for (int64_t i = 0; i < n; ++i) to[i] = x;
}
void splat(int bytes, void* buffer, const void* value, int64_t n) {
  switch (bytes) {
    case 1:
      return splat_as<uint8_t>(buffer, value, n);
    case 2:
      return splat_as<uint16_t>(buffer, value, n);
    case 4:
      return splat_as<uint32_t>(buffer, value, n);
    default:
      return splat_as<uint64_t>(buffer, value, n);
  }
}

template <class T>
void write_scalar(void* to, Scalar scalar) {
  const T value = __is_same(T, Bool) || __is_same(T, float) || __is_same(T, double) || __is_same(T, BF16) ||
                          __is_same(T, F16)
                      ? cast_one<T>(scalar.f)
                      : cast_one<T>(scalar.i);
  __builtin_memcpy(to, &value, sizeof(T));
}

void splat_scalar(DType type, int bytes, void* buffer, Scalar scalar, int64_t n) {
  constexpr void (*kWrite[])(void*, Scalar) = {
      write_scalar<float>,   write_scalar<double>,  write_scalar<BF16>,    write_scalar<F16>,
      write_scalar<int64_t>, write_scalar<int32_t>, write_scalar<uint8_t>, write_scalar<Bool>};
  alignas(8) char one[8] = {};
  kWrite[type](one, scalar);
  splat(bytes, buffer, one, n);
}

bool is_dense(const ElementwiseArgs* args, const int64_t* stride) {
  int64_t step = 1;
  for (int64_t d = args->ndim - 1; d >= 0; --d) {
    if (stride[d] != step && args->shape[d] != 1) return false;
    step *= args->shape[d];
  }
  return true;
}

MO_INLINE void convert(BlockFn fn, void* to, const void* from, int64_t n) {
  fn(to, from, nullptr, nullptr, n, 0);
}

struct DriverContext {
  const ElementwiseArgs* args;
  const Run* run;
  const KernelSpec* spec;
  int64_t total;
  bool rows;       // long rows are walked one by one, else the row-major order is walked as one
  bool direct[4];  // no buffer is needed: the inputs, then the output
  // Not 0: the input repeats after so many elements in row-major order, as a bias does, and fits in a buffer.
  int64_t period[3];
};

void report_zeros(const DriverContext& c, const void* divisor, int64_t first, int64_t n) {
  const auto* b = static_cast<const int64_t*>(divisor);
  for (int64_t i = 0; i < n; ++i) {
    if (b[i] == 0) return c.run->report(c.run, first + i, 0, 1, INT64_MAX);
  }
}

void drive_chunk(void* context, int64_t chunk, int) {
  const auto& c = *static_cast<const DriverContext*>(context);
  const ElementwiseArgs* args = c.args;
  const KernelSpec* spec = c.spec;
  alignas(64) char buffers[4][2 * kBlock * 8];  // twice, for what repeats
  alignas(64) char stored[kBlock * 8];
  const void* in[3] = {};
  const void* filled[3] = {};  // the element that fills buffer k
  bool buffered = !c.direct[3];
  const int64_t last = args->ndim - 1, row = args->shape[last];
  const int64_t fill = c.total < kBlock ? c.total : kBlock;
  int64_t repeated = 0;
  for (int k = 0; k < spec->inputs; ++k) {
    const bool same = !args->in[k] || (c.rows && args->in_stride[k][last] == 0);
    if (same && spec->repeats)
      repeated |= int64_t{1} << k;
    else
      buffered |= !args->in[k] || !c.direct[k];
    if (args->in[k]) continue;
    const int bytes = spec->in[k]->computed;
    splat_scalar(spec->in[k]->scalar, bytes, buffers[k], args->scalar[k],
                 spec->repeats ? kVector / bytes : fill);
    in[k] = buffers[k];
  }
  for (int k = 0; k < spec->inputs; ++k) {
    const int64_t period = c.period[k];
    if (!period) continue;
    const Format& f = *spec->in[k];
    if (f.load) {
      convert(f.load, buffers[k], args->in[k], period);
    } else {
      __builtin_memcpy(buffers[k], args->in[k], static_cast<size_t>(period * f.stored));
    }
    const int64_t wanted = fill + period;
    for (int64_t have = period; have < wanted;) {
      const int64_t left = wanted - have, n = have < left ? have : left;
      __builtin_memcpy(buffers[k] + have * f.computed, buffers[k], static_cast<size_t>(n * f.computed));
      have += n;
    }
  }
  const int64_t begin = chunk * kChunk, end = begin + kChunk < c.total ? begin + kChunk : c.total;
  int64_t at[8], left_over = begin;
  for (int64_t d = last; d >= 0; --d) {
    at[d] = left_over % args->shape[d];
    left_over /= args->shape[d];
  }
  for (int64_t i = begin; i < end;) {
    int64_t n = end - i;
    if (c.rows && row - at[last] < n) n = row - at[last];
    if (buffered && n > kBlock) n = kBlock;
    const auto offset = [&](const int64_t* stride) {
      int64_t sum = 0;
      for (int64_t d = 0; d <= last; ++d) sum += at[d] * stride[d];
      return sum;
    };
    for (int k = 0; k < spec->inputs; ++k) {
      if (!args->in[k]) continue;
      const Format& f = *spec->in[k];
      if (c.period[k]) {
        in[k] = buffers[k] + i % c.period[k] * f.computed;
        continue;
      }
      const int64_t* stride = args->in_stride[k];
      auto* base = static_cast<const char*>(args->in[k]);
      const char* here = base + (c.rows ? offset(stride) : i) * f.stored;
      if (c.direct[k]) {
        in[k] = here;
        continue;
      }
      in[k] = buffers[k];
      if (c.rows && stride[last] == 0) {
        if (filled[k] == here) continue;
        filled[k] = here;
        alignas(8) char one[8];
        __builtin_memcpy(one, here, static_cast<size_t>(f.stored));
        if (f.load) convert(f.load, one, here, 1);
        splat(f.computed, buffers[k], one,
              spec->repeats  ? kVector / f.computed
              : row < kBlock ? row
                             : kBlock);
        continue;
      }
      if (c.rows && stride[last] == 1 && f.load) {
        convert(f.load, buffers[k], here, n);
        continue;
      }
      void* to = f.load ? stored : buffers[k];
      move_bytes<true>(f.stored, to, const_cast<char*>(base), args, stride, at, n);
      if (f.load) convert(f.load, buffers[k], stored, n);
    }
    if (spec->divides) report_zeros(c, in[1], i, n);
    const Format& f = *spec->out;
    auto* base = static_cast<char*>(args->out);
    char* here = base + (c.rows ? offset(args->out_stride) : i) * f.stored;
    spec->block(c.direct[3] ? here : buffers[3], in[0], in[1], in[2], n, repeated);
    if (!c.direct[3]) {
      if (f.store && c.rows && args->out_stride[last] == 1) {
        convert(f.store, here, buffers[3], n);
      } else {
        void* from = buffers[3];
        if (f.store) {
          convert(f.store, stored, buffers[3], n);
          from = stored;
        }
        move_bytes<false>(f.stored, from, base, args, args->out_stride, at, n);
      }
    }
    i += n;
    at[last] += n;
    for (int64_t d = last; d > 0 && at[d] >= args->shape[d]; --d) {
      at[d - 1] += at[d] / args->shape[d];
      at[d] %= args->shape[d];
    }
  }
}

// The number of elements after which a dense operand repeats because its leading dimensions are broadcast; 0
// where it does not or does not fit.
int64_t period_of(const ElementwiseArgs* args, const int64_t* stride) {
  int64_t step = 1, d = args->ndim - 1;
  for (; d >= 0 && stride[d] == step; --d) step *= args->shape[d];
  for (; d >= 0; --d) {
    if (stride[d] != 0) return 0;
  }
  return step <= kBlock ? step : 0;
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void drive(const ElementwiseArgs* args, const Run* run, const KernelSpec* spec) {
  DriverContext c{args, run, spec, 1, false, {}, {}};
  for (int64_t d = 0; d < args->ndim; ++d) c.total *= args->shape[d];
  const int64_t last = args->ndim - 1;
  c.rows = args->ndim == 1 || args->shape[last] >= kLongRow;
  const auto direct = [&](const int64_t* stride, bool converts) {
    return !converts && (c.rows ? stride[last] == 1 || c.total == 1 : is_dense(args, stride));
  };
  for (int k = 0; k < spec->inputs; ++k) {
    c.direct[k] = direct(args->in_stride[k], spec->in[k]->load);
    if (!c.rows && !c.direct[k] && args->in[k]) c.period[k] = period_of(args, args->in_stride[k]);
  }
  c.direct[3] = direct(args->out_stride, spec->out->store);
  const int64_t chunks = (c.total + kChunk - 1) / kChunk;
  if (chunks == 1) return drive_chunk(&c, 0, 0);
  run->parallel(run, chunks, drive_chunk, &c);
}

}  // namespace markone::MARKONE_ISA
