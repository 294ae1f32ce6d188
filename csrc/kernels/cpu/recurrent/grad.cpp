// The backward pass of a recurrent layer: from the last step to the first, the gradients of the gates and the
// product that carries them to the state before. dh0 and dc0 hold the running gradients; a row that a length
// has stopped keeps them, because its gates' gradients are 0 and products add.
#include "contract/recurrent.h"
#include "kernels/cpu/recurrent/rows.h"

MO_ISA_BEGIN

template <RecurrentKind kKind, class T>
struct RecurrentGrad {
  using V = Vec<T>;
  static constexpr bool kIsLstm = kKind == kLstm || kKind == kLstmSigmoid;
  static constexpr bool kIsGru = kKind == kGru || kKind == kGruResetFirst;
  const RecurrentGradArgs* a;
  const Run* run;
  int64_t size;
  PackedB<T> w, proj;

  // One row of one step; null where there is none.
  struct Row {
    const T *gate, *h, *inner, *c, *c_before, *dy;
    T *dgate, *dinner, *dh, *dc;
  };

  static void row(const RecurrentGradArgs& a, Row x) {
    const int64_t n = a.hidden;
    const bool projected = a.proj != nullptr;
    each_part<T>(n, [&](int64_t j, int64_t left) {
      const auto get = [&](const T* p) { return load_part(p + j, left); };
      const auto put = [&](V v, T* p) { store_first(v, p + j, left); };
      V dh = projected ? get(x.dgate) : get(x.dh);
      if (!projected && x.dy) dh = dh + get(x.dy);
      const V one(1);
      if constexpr (kIsLstm) {
        const V i = get(x.gate), f = get(x.gate + n), g = get(x.gate + 2 * n), o = get(x.gate + 3 * n);
        const V state = squash<kKind>(get(x.c));
        const V dc = fma(dh * o, squash_slope<kKind>(state), get(x.dc));
        put(dc * g * (i * (one - i)), x.dgate);
        put(dc * get(x.c_before) * (f * (one - f)), x.dgate + n);
        put(dc * i * squash_slope<kKind>(g), x.dgate + 2 * n);
        put(dh * state * (o * (one - o)), x.dgate + 3 * n);
        put(dc * f, x.dc);
        if (!projected) put(V(0), x.dh);
      } else if constexpr (kIsGru) {
        const V z = get(x.gate + n), value = get(x.gate + 2 * n);
        const V dn = dh * (one - z) * (one - value * value);
        put(dh * (get(x.h) - value) * (z * (one - z)), x.dgate + n);
        put(dn, x.dgate + 2 * n);
        if constexpr (kKind == kGru) {
          const V r = get(x.gate);
          put(dn * get(x.inner) * (r * (one - r)), x.dgate);
          put(dn * r, x.dinner);
        }
        put(dh * z, x.dh);
      } else {
        const V value = get(x.gate);
        put(kKind == kRnnTanh ? dh * (one - value * value) : where(value > V(0), dh, V(0)), x.dgate);
        put(V(0), x.dh);
      }
    });
  }
  // kGruResetFirst: from the gradient of r h, which stands where that of r belongs.
  static void reset_row(const RecurrentGradArgs& a, Row x) {
    each_part<T>(a.hidden, [&](int64_t j, int64_t left) {
      const V d = load_part(x.dgate + j, left), r = load_part(x.gate + j, left);
      store_first(d * load_part(x.h + j, left) * (r * (V(1) - r)), x.dgate + j, left);
      store_first(fma(d, r, load_part(x.dh + j, left)), x.dh + j, left);
    });
  }
  // With a projection: the gradient of h, kept, and the running one begins anew.
  static void projected_row(const RecurrentGradArgs& a, Row x) {
    each_part<T>(a.out, [&](int64_t j, int64_t left) {
      const V dh = load_part(x.dh + j, left);
      store_first(x.dy ? dh + load_part(x.dy + j, left) : dh, x.dinner + j, left);
      store_first(V(0), x.dh + j, left);
    });
  }

  static void chunk(void* context, int64_t index, int slot) {
    const RecurrentGrad& self = *static_cast<const RecurrentGrad*>(context);
    const RecurrentGradArgs& a = *self.a;
    const Rows<RecurrentGradArgs> at(a, index, self.size);
    const int64_t n = a.hidden, r = a.out, wide = a.gates * n, kept = a.proj ? r : n;
    T* block = static_cast<T*>(self.run->scratch) + a.weights + slot * a.block;
    T *dh = at.template at<T>(a.dh0, 0, r), *dc = at.template at<T>(a.dc0, 0, n);
    for (int64_t i = 0; i < at.rows; ++i) {
      copy_row(dh + i * r, a.dh_n ? at.template at<const T>(a.dh_n, 0, r) + i * r : nullptr, r);
      if (dc) copy_row(dc + i * n, a.dc_n ? at.template at<const T>(a.dc_n, 0, n) + i * n : nullptr, n);
    }
    for (int64_t s = a.steps - 1; s >= 0; --s) {
      const int64_t t = at.time(s);
      T *dgate = at.template at<T>(a.dgate, t, wide), *dinner = at.template at<T>(a.dinner, t, kept);
      const auto row_at = [&](int64_t i) {
        const auto offset = [i](auto* p, int64_t width) { return p ? p + i * width : p; };
        return Row{offset(at.template at<const T>(a.gate, t, wide), wide),
                   offset(at.template at<const T>(a.h, at.before(t), r), r),
                   offset(at.template at<const T>(a.inner, t, n), n),
                   offset(at.template at<const T>(a.c, at.after(t), n), n),
                   offset(at.template at<const T>(a.c, at.before(t), n), n),
                   offset(at.template at<const T>(a.dy, t, r), r),
                   offset(dgate, wide),
                   offset(dinner, kept),
                   offset(dh, r),
                   offset(dc, n)};
      };
      if (a.proj) {
        for (int64_t i = 0; i < at.rows; ++i) {
          if (at.active(i, t))
            projected_row(a, row_at(i));
          else
            copy_row<T>(dinner + i * r, nullptr, r);
        }
        multiply_rows<T>(block, dinner, r, at.rows, self.proj, 0, r, dgate, wide, false, nullptr);
      }
      for (int64_t i = 0; i < at.rows; ++i) {
        if (at.active(i, t)) {
          row(a, row_at(i));
        } else {
          copy_row<T>(dgate + i * wide, nullptr, wide);
          if (dinner) copy_row<T>(dinner + i * kept, nullptr, kept);
        }
      }
      if (!at.any_active(t)) continue;
      if constexpr (kKind == kGruResetFirst) {
        multiply_rows<T>(block, dgate + 2 * n, wide, at.rows, self.proj, 0, n, dgate, wide, false, nullptr);
        for (int64_t i = 0; i < at.rows; ++i) {
          if (at.active(i, t)) reset_row(a, row_at(i));
        }
      }
      multiply_rows<T>(block, dgate, wide, at.rows, self.w, 0, kIsGru ? 2 * n : wide, dh, r, true, nullptr);
      if constexpr (kKind == kGru)
        multiply_rows<T>(block, dinner, n, at.rows, self.w, 2 * n, n, dh, r, true, nullptr);
    }
  }

  static void kernel(const RecurrentGradArgs* args, const Run* run) {
    const int64_t n = args->hidden, r = args->out, wide = args->gates * n;
    const T* w = static_cast<const T*>(args->w);
    Run limited = *run;
    limited.threads = static_cast<int>(smaller(run->threads, args->slots));
    const int64_t depth = kKind == kGruResetFirst ? 2 * n : wide;
    RecurrentGrad self{args,
                       run,
                       rows_of_chunk(args->batch, wide * r * static_cast<int64_t>(sizeof(T))),
                       {w, r, 1, depth, r, static_cast<T*>(run->scratch)},
                       {static_cast<const T*>(args->proj), n, 1, r, n, nullptr}};
    // kGruResetFirst has no projection; the last gate's weights take its place.
    if constexpr (kKind == kGruResetFirst) self.proj = {w + 2 * n * r, r, 1, n, r, nullptr};
    self.proj.to = self.w.to + self.w.size();
    pack_b(&limited, self.w);
    if (self.proj.from) pack_b(&limited, self.proj);
    run->parallel(&limited, parts(args->batch, self.size), chunk, &self);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_recurrent_grad(RecurrentKernels* table) {
#define MO_FILL(kind, name)                                                                              \
  table->recurrent_grad[kind][kF32] = {RecurrentGrad<kind, float>::kernel,                               \
                                       MO_KERNEL_NAME(name "_grad_f32")};                                \
  table->recurrent_grad[kind][kF64] = {RecurrentGrad<kind, double>::kernel, MO_KERNEL_NAME(name "_grad_" \
                                                                                                "f64")};
  MO_RECURRENT_KINDS(MO_FILL)
#undef MO_FILL
}

}  // namespace markone::MARKONE_ISA
