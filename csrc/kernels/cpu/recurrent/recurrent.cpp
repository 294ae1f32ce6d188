// The forward pass of a recurrent layer: each chunk of the batch goes through all steps on its own, the
// recurrent weights packed once. A step is a product of a few rows and one pass over their gates.
#include "contract/recurrent.h"

#include "kernels/cpu/recurrent/rows.h"

MO_ISA_BEGIN

template <RecurrentKind kKind, class T>
struct Recurrent {
  using V = Vec<T>;
  static constexpr bool kIsLstm = kKind == kLstm || kKind == kLstmSigmoid;
  static constexpr bool kIsGru = kKind == kGru || kKind == kGruResetFirst;
  const RecurrentArgs* a;
  const Run* run;
  int64_t size;  // rows of a chunk
  // The columns whose product goes to the gates at once, GRU's last gate, and the projection.
  PackedB<T> w, last, proj;

  // One row, from the products to the next state (or to what is projected).
  static void row(const RecurrentArgs& a, T* gate, const T* h, T* inner, const T* c, T* c_next, T* next) {
    const int64_t n = a.hidden;
    each_part<T>(n, [&](int64_t j, int64_t left) {
      const auto get = [&](const T* p) { return load_part(p + j, left); };
      const auto put = [&](V v, T* p) { store_first(v, p + j, left); };
      if constexpr (kIsLstm) {
        const V i = sigmoid(get(gate)), f = sigmoid(get(gate + n)), g = squash<kKind>(get(gate + 2 * n)),
                o = sigmoid(get(gate + 3 * n));
        const V state = fma(f, get(c), i * g);
        put(i, gate);
        put(f, gate + n);
        put(g, gate + 2 * n);
        put(o, gate + 3 * n);
        put(state, c_next);
        put(o * squash<kKind>(state), next);
      } else if constexpr (kIsGru) {
        V z = get(gate + n), sum = get(gate + 2 * n);
        if constexpr (kKind == kGru) {
          const V r = sigmoid(get(gate));
          z = sigmoid(z);
          sum = fma(r, get(inner), sum);
          put(r, gate);
          put(z, gate + n);
        }
        const V value = tanh(sum);
        put(value, gate + 2 * n);
        put(fma(z, get(h) - value, value), next);
      } else {
        const V sum = get(gate);
        const V value = kKind == kRnnTanh ? tanh(sum) : max(V(0), sum);
        put(value, gate);
        put(value, next);
      }
    });
  }
  // kGruResetFirst: r, z and r h, before the product for n.
  static void reset_row(const RecurrentArgs& a, T* gate, const T* h, T* inner) {
    const int64_t n = a.hidden;
    each_part<T>(n, [&](int64_t j, int64_t left) {
      const V r = sigmoid(load_part(gate + j, left)), z = sigmoid(load_part(gate + n + j, left));
      store_first(r, gate + j, left);
      store_first(z, gate + n + j, left);
      store_first(r * load_part(h + j, left), inner + j, left);
    });
  }

  static void chunk(void* context, int64_t index, int slot) {
    const Recurrent& self = *static_cast<const Recurrent*>(context);
    const RecurrentArgs& a = *self.a;
    const Rows<RecurrentArgs> at(a, index, self.size);
    const int64_t n = a.hidden, r = a.out, wide = a.gates * n;
    const T* bias = static_cast<const T*>(a.bias);
    T* block = static_cast<T*>(self.run->scratch) + a.weights + slot * a.block;
    const int64_t first = at.before(at.time(0));
    for (int64_t i = 0; i < at.rows; ++i) {
      const int64_t row = at.row0 + i;
      if (a.lengths && (a.lengths[row] < 0 || a.lengths[row] > a.steps))
        self.run->report(self.run, row, a.lengths[row], 0, a.steps + 1);
      copy_row(at.template at<T>(a.h, first, r) + i * r,
               a.h0 ? static_cast<const T*>(a.h0) + row * r : nullptr, r);
      if (a.c)
        copy_row(at.template at<T>(a.c, first, n) + i * n,
                 a.c0 ? static_cast<const T*>(a.c0) + row * n : nullptr, n);
    }
    for (int64_t s = 0; s < a.steps; ++s) {
      const int64_t t = at.time(s);
      T *gate = at.template at<T>(a.gate, t, wide), *inner = at.template at<T>(a.inner, t, n),
        *next = at.template at<T>(a.h, at.after(t), r), *c_next = at.template at<T>(a.c, at.after(t), n),
        *y = at.template at<T>(a.y, t, r);
      const T *h = at.template at<T>(a.h, at.before(t), r), *c = at.template at<T>(a.c, at.before(t), n);
      if (at.any_active(t)) {
        multiply_rows(block, h, r, at.rows, self.w, 0, r, gate, wide, true, bias);
        if constexpr (kKind == kGru) {
          multiply_rows(block, h, r, at.rows, self.last, 0, r, inner, n, false,
                        bias ? bias + 2 * n : nullptr);
        } else if constexpr (kKind == kGruResetFirst) {
          for (int64_t i = 0; i < at.rows; ++i) reset_row(a, gate + i * wide, h + i * r, inner + i * n);
          multiply_rows(block, inner, n, at.rows, self.last, 0, n, gate + 2 * n, wide, true,
                        bias ? bias + 2 * n : nullptr);
        }
      }
      T* to = a.proj ? inner : next;
      for (int64_t i = 0; i < at.rows; ++i) {
        if (at.active(i, t)) {
          row(a, gate + i * wide, h + i * r, inner ? inner + i * n : nullptr, c ? c + i * n : nullptr,
              c ? c_next + i * n : nullptr, to + i * (a.proj ? n : r));
        } else {
          if (c) copy_row(c_next + i * n, c + i * n, n);
          if (inner) copy_row<T>(inner + i * n, nullptr, n);
        }
      }
      if constexpr (kIsLstm) {
        if (a.proj) multiply_rows<T>(block, inner, n, at.rows, self.proj, 0, n, next, r, false, nullptr);
      }
      for (int64_t i = 0; (a.lengths || y) && i < at.rows; ++i) {
        const bool active = at.active(i, t);
        if (!active) copy_row(next + i * r, h + i * r, r);
        if (y) copy_row(y + i * r, active ? next + i * r : nullptr, r);
      }
    }
  }

  static void kernel(const RecurrentArgs* args, const Run* run) {
    const int64_t n = args->hidden, r = args->out, wide = args->gates * n;
    const T* w = static_cast<const T*>(args->w);
    Run limited = *run;
    limited.threads = static_cast<int>(smaller(run->threads, args->slots));
    const int64_t together = kIsGru ? 2 * n : wide;
    Recurrent self{args,
                   run,
                   rows_of_chunk(args->batch, wide * r * static_cast<int64_t>(sizeof(T))),
                   {w, 1, r, r, together, static_cast<T*>(run->scratch)},
                   {w + 2 * n * r, 1, r, r, n, nullptr},
                   {static_cast<const T*>(args->proj), 1, n, n, r, nullptr}};
    self.proj.to = self.last.to = self.w.to + self.w.size();
    pack_b(&limited, self.w);
    if (kIsGru) pack_b(&limited, self.last);
    if (args->proj) pack_b(&limited, self.proj);
    run->parallel(&limited, parts(args->batch, self.size), chunk, &self);
  }
};

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_recurrent_grad(RecurrentKernels* table);

void fill_recurrent(RecurrentKernels* table) {
#define MO_FILL(kind, name)                                                                     \
  table->recurrent[kind][kF32] = {Recurrent<kind, float>::kernel, MO_KERNEL_NAME(name "_f32")}; \
  table->recurrent[kind][kF64] = {Recurrent<kind, double>::kernel, MO_KERNEL_NAME(name "_f64")};
  MO_RECURRENT_KINDS(MO_FILL)
#undef MO_FILL
  fill_recurrent_grad(table);
}

}  // namespace markone::MARKONE_ISA
