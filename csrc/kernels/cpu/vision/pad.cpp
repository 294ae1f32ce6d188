// Padding, a row of the result at a time: its middle is a row of the input.
#include "kernels/common/pad.h"

#include "kernels/cpu/vec.h"

MO_ISA_BEGIN

constexpr int64_t kPadTask = 16384;  // elements

template <class T>
struct Pad {
  const PadArgs* a;
  int64_t rows, per_task;
  T value;

  MO_INLINE void fill_row(const T* in, T* out) const {
    const PadDim& w = a->dim[2];
    const int64_t width = padded_size(w);
    const auto side = [&](int64_t j) {
      const int64_t from = pad_source(w, a->mode, j);
      out[j] = from >= 0 ? in[from] : value;
    };
    for (int64_t j = 0; j < w.before; ++j) side(j);
    __builtin_memcpy(out + w.before, in, static_cast<uint64_t>(w.size) * sizeof(T));
    for (int64_t j = w.before + w.size; j < width; ++j) side(j);
  }
  static void task(void* context, int64_t task, int) {
    const auto& s = *static_cast<const Pad*>(context);
    const PadArgs& a = *s.a;
    const PadDim &d = a.dim[0], &h = a.dim[1], &w = a.dim[2];
    const int64_t width = padded_size(w), out_h = padded_size(h), out_d = padded_size(d);
    const int64_t end = (task + 1) * s.per_task < s.rows ? (task + 1) * s.per_task : s.rows;
    int64_t i = task * s.per_task % out_h, k = task * s.per_task / out_h % out_d;
    int64_t plane = task * s.per_task / out_h / out_d;
    for (int64_t r = task * s.per_task; r < end; ++r) {
      const int64_t slice = pad_source(d, a.mode, k), row = pad_source(h, a.mode, i);
      T* out = static_cast<T*>(a.out) + r * width;
      if (slice >= 0 && row >= 0)
        s.fill_row(static_cast<const T*>(a.in) + ((plane * d.size + slice) * h.size + row) * w.size, out);
      else
        for (int64_t j = 0; j < width; ++j) out[j] = s.value;
      if (++i < out_h) continue;
      i = 0;
      if (++k < out_d) continue;
      k = 0;
      ++plane;
    }
  }
  static void kernel(const PadArgs* args, const Run* run) {
    const int64_t width = padded_size(args->dim[2]);
    Pad s{args, args->planes * padded_size(args->dim[0]) * padded_size(args->dim[1]),
          width < kPadTask ? kPadTask / width : 1, T(0)};
    if (args->value) __builtin_memcpy(&s.value, args->value, sizeof(T));
    run->parallel(run, (s.rows + s.per_task - 1) / s.per_task, task, &s);
  }
};

void pad(const PadArgs* args, const Run* run) {
  switch (args->bytes) {
    case 1:
      return Pad<uint8_t>::kernel(args, run);
    case 2:
      return Pad<uint16_t>::kernel(args, run);
    case 4:
      return Pad<uint32_t>::kernel(args, run);
    default:
      return Pad<uint64_t>::kernel(args, run);
  }
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_pad(VisionKernels* table) { table->pad = {pad, MO_KERNEL_NAME("pad")}; }

}  // namespace markone::MARKONE_ISA
