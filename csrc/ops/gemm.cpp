#include "ops/gemm.h"

#include <cstddef>

#include "contract/gemm.h"
#include "ops/coalesce.h"
#include "ops/elementwise.h"
#include "ops/packed.h"
#include "ops/plan.h"

namespace markone {
namespace {

struct Problem {
  int64_t m, n, k;
  int64_t b_contiguous;  // rows of B are
  int64_t dtype;
  int64_t dot;  // of two contiguous vectors
};

// Up to here B stays in the second cache while it is read where it lies.
constexpr int64_t kSmallBytes = 192 * 1024;
// With fewer rows a packed B is not used often enough.
constexpr int64_t kSkinnyRows = 24;

const char* avoid_direct(const Problem& p, const KernelTable&) {
  if (p.m <= kSkinnyRows || p.k * p.n <= kSmallBytes / size_of(static_cast<DType>(p.dtype))) return nullptr;
  return "B is too large to be read in place";
}

const char* refuse_dot(const Problem& p, const KernelTable&) { return p.dot ? nullptr : "wants two vectors"; }

// Of what is packed: halves as float32, or two of bfloat16 together.
int64_t word_size(int64_t dtype) {
  return is_half(static_cast<DType>(dtype)) ? 4 : size_of(static_cast<DType>(dtype));
}
int64_t words_of(int64_t dtype, int64_t k) {
  const bool pairs = dtype == kBF16 && active_isa() == Isa::kAvx512 && has_avx512_bf16();
  return pairs ? (k + 1) / 2 : k;
}

int64_t dot_scratch(const Problem& p, int) { return (p.k / kDotBlock + 1) * word_size(p.dtype); }
int64_t direct_scratch(const Problem& p, int threads) {
  return threads * (kGemmMaxPanel * kGemmMaxDepth + 2 * kGemmMaxPanel) * word_size(p.dtype);
}
int64_t packed_scratch(const Problem& p, int threads) {
  const int64_t b = (std::min(p.n, kGemmMaxColumns) + kGemmMaxPanel) * kGemmMaxDepth;
  return (b + threads * (kGemmMaxRows * kGemmMaxDepth + kGemmMaxPanel)) * word_size(p.dtype);
}

constexpr Implementation<Problem, GemmArgs> kList[] = {
    {"dot", refuse_dot,
     [](const Problem& p, const KernelTable& t) -> const Entry<GemmArgs>& { return t.gemm_dot[p.dtype]; },
     dot_scratch},
    {"direct", nullptr,
     [](const Problem& p, const KernelTable& t) -> const Entry<GemmArgs>& { return t.gemm_direct[p.dtype]; },
     direct_scratch, avoid_direct},
    {"packed", nullptr,
     [](const Problem& p, const KernelTable& t) -> const Entry<GemmArgs>& { return t.gemm_packed[p.dtype]; },
     packed_scratch},
    {"reference", nullptr,
     [](const Problem& p, const KernelTable& t) -> const Entry<GemmArgs>& { return t.gemm_ref[p.dtype]; },
     nullptr},
};
Chooser<Problem, GemmArgs, std::size(kList)>& chooser() {
  static auto* chooser = new Chooser<Problem, GemmArgs, std::size(kList)>("matmul", kList);
  return *chooser;
}
// The list is known before the first product.
[[maybe_unused]] const auto& registered = chooser();

// With fewer rows B is read once, as fast as memory gives it, packed or not.
constexpr int64_t kFewestPackedRows = 5;

int64_t gemm_packed_size(int64_t n, int64_t k) { return (n + kGemmMaxPanel) * k; }

template <DType kType>
constexpr Prepack kPrepack = {
    offsetof(GemmArgs, b),
    offsetof(GemmArgs, c),
    [](const void* args) -> int64_t {
      const auto& a = *static_cast<const GemmArgs*>(args);
      const bool pays = a.batch == 1 && !a.packed_b && a.m >= kFewestPackedRows &&
                        a.n * a.k > kSmallBytes / size_of(kType) && active_table().gemm_pack[kType].function;
      return pays ? gemm_packed_size(a.n, words_of(kType, a.k)) * word_size(kType) : 0;
    },
    [](const void*) {
      const Entry<GemmArgs>& entry = active_table().gemm_pack[kType];
      return make_kernel<GemmArgs>(entry.name, entry.function);
    },
    [](const void* args, int64_t (&key)[8]) {
      const auto& a = *static_cast<const GemmArgs*>(args);
      key[0] = a.n, key[1] = a.k, key[2] = a.b_row, key[3] = a.b_col;
    },
    [](void* args, int64_t* scratch_bytes) {
      auto& a = *static_cast<GemmArgs*>(args);
      a.packed_b = 1;
      *scratch_bytes = packed_scratch({a.m, a.n, a.k, 1, kType, 0}, static_cast<int>(a.slots));
      const Entry<GemmArgs>& entry = active_table().gemm_packed[kType];
      return make_kernel<GemmArgs>(entry.name, entry.function);
    },
};

// Whether no implementation is forced.
bool is_free() {
  return forced_generation.load(std::memory_order_relaxed) == 0 || forced_implementation("matmul").empty();
}

// B as the packed kernel wants it.
Array pack(const char* op, const Prepack& prepack, const GemmArgs& args, const Array& b) {
  const Array packed = Array::empty(op, {prepack.bytes(&args) / size_of(b.dtype())}, b.dtype());
  Launch<GemmArgs> call(op, prepack.pack(&args));
  call.args = args;
  call.read(&GemmArgs::b, b);
  call.write(&GemmArgs::c, packed);
  call.submit(0);
  return packed;
}

// Whether there is a kernel that reads halves as they are stored, to multiply and add in float32. A forced
// implementation gets the numbers as float32.
bool multiplies_halves(const Array& a) {
  return is_half(a.dtype()) && table_for(a).gemm_packed[a.dtype()].function && is_free();
}

// out [.., m, n] = a [.., m, k] times b [.., k, n], plus bias [n]; all of one type that has kernels, or a and
// b of halves (multiplies_halves) and the others of float32.
void product(const char* op, const Array& out, Array a, Array b, const Array& bias, bool accumulate,
             bool dot = false, bool weights = false) {
  if (out.numel() == 0) return;
  const int rank = out.ndim();
  Dims a_shape = out.shape(), b_shape = out.shape();
  a_shape[rank - 1] = a.size(a.ndim() - 1);
  b_shape[rank - 2] = a_shape[rank - 1];
  a = a.expand(op, a_shape);
  b = b.expand(op, b_shape);
  Array c = out;
  // A column is a row of the transposed product; each output is the same sum.
  if (c.size(rank - 1) == 1 && !bias) {
    c = c.transpose(rank - 1, rank - 2);
    std::swap(a, b);
    a = a.transpose(rank - 1, rank - 2);
    b = b.transpose(rank - 1, rank - 2);
  }
  GemmArgs args{};
  args.m = c.size(rank - 2);
  args.n = c.size(rank - 1);
  args.k = a.size(rank - 1);
  args.a_row = a.stride(rank - 2);
  args.a_col = a.stride(rank - 1);
  args.b_row = b.stride(rank - 2);
  args.b_col = args.n == 1 ? 1 : b.stride(rank - 1);
  args.c_row = c.stride(rank - 2);
  args.accumulate = accumulate;
  args.batch_ndim = rank - 2;
  args.batch = 1;
  for (int i = 0; i < rank - 2; ++i) {
    args.batch_shape[i] = c.size(i);
    args.batch_a[i] = a.stride(i);
    args.batch_b[i] = b.stride(i);
    args.batch_c[i] = c.stride(i);
    args.batch *= c.size(i);
  }
  int64_t* strides[] = {args.batch_a, args.batch_b, args.batch_c};
  coalesce(&args.batch_ndim, args.batch_shape, strides);
  // One B for all, and rows that go on from item to item: a single taller product.
  const int last = static_cast<int>(args.batch_ndim) - 1;
  if (args.batch_shape[last] > 1 && args.batch_b[last] == 0 && args.batch_a[last] == args.m * args.a_row &&
      args.batch_c[last] == args.m * args.c_row) {
    args.m *= args.batch_shape[last];
    args.batch /= args.batch_shape[last];
    args.batch_shape[last] = 1;
    if (last > 0) --args.batch_ndim;
  }
  const Problem problem{args.m, args.n, args.k, args.b_col == 1, a.dtype(), dot};
  const auto choice = chooser().choose(problem, table_for(c));
  args.slots = num_threads();
  const Prepack* prepack = a.dtype() == kF32    ? &kPrepack<kF32>
                           : a.dtype() == kF64  ? &kPrepack<kF64>
                           : a.dtype() == kBF16 ? &kPrepack<kBF16>
                           : a.dtype() == kF16  ? &kPrepack<kF16>
                                                : nullptr;
  Kernel kernel = choice.kernel;
  int64_t scratch_bytes = choice.scratch_bytes;
  Array ready;
  if (weights && prepack && prepack->bytes(&args) > 0 && is_free()) {
    struct Context {
      const char* op;
      const Prepack& prepack;
      const GemmArgs& args;
      const Array& b;
    } context{op, *prepack, args, b};
    ready = packed_weights(
        *prepack, &args, b,
        [](void* of) {
          const auto& [op, prepack, args, b] = *static_cast<const Context*>(of);
          return pack(op, prepack, args, b);
        },
        &context);
    if (ready) kernel = prepack->use(&args, &scratch_bytes);
  }
  Launch<GemmArgs> call(op, kernel, choice.plan);
  call.args = args;
  call.write(&GemmArgs::c, c);
  call.read(&GemmArgs::a, a);
  call.read(&GemmArgs::b, ready ? ready : b);
  if (bias) call.read(&GemmArgs::bias, bias);
  if (!ready && Stream::current().recording() && is_free()) call.prepack(prepack);
  call.submit(2.0 * static_cast<double>(out.numel()) * static_cast<double>(args.k), scratch_bytes);
}

void check_types(const char* op, const char* a_name, const Array& a, const char* b_name, const Array& b) {
  MO_CHECK_TYPE(a.dtype() == b.dtype(), op, a_name, " is ", name_of(a.dtype()), " but ", b_name, " is ",
                name_of(b.dtype()), ", both must have one type");
}

Array matrix_a(const Array& a) { return a.ndim() == 1 ? a.unsqueeze(0) : a; }
Array matrix_b(const Array& b) { return b.ndim() == 1 ? b.unsqueeze(1) : b; }

// The shape of the product of two matrices or stacks of them.
Dims product_shape(const char* op, const Array& a, const Array& b) {
  MO_CHECK(a.ndim() >= 1 && b.ndim() >= 1, op, "both must have at least 1 dimension, got shapes ", a.shape(),
           " and ", b.shape());
  const Array left = matrix_a(a), right = matrix_b(b);
  const int64_t k = left.size(left.ndim() - 1), rows = right.size(right.ndim() - 2);
  MO_CHECK(k == rows, op, "shapes ", a.shape(), " and ", b.shape(), " do not fit: ", k, " columns against ",
           rows, " rows");
  Dims shape = broadcast_shapes(op, Dims(left.shape().data(), left.ndim() - 2),
                                Dims(right.shape().data(), right.ndim() - 2));
  shape.push_back(left.size(left.ndim() - 2));
  shape.push_back(right.size(right.ndim() - 1));
  return shape;
}

// Without the dimensions that stood for those that a vector lacks.
Array without_added(Array out, const Array& a, const Array& b) {
  if (b.ndim() == 1) out = out.squeeze(out.ndim() - 1);
  if (a.ndim() == 1) out = out.squeeze(out.ndim() - (b.ndim() == 1 ? 1 : 2));
  return out;
}

}  // namespace

DType product_type(const char* op, DType dtype) {
  MO_CHECK_KIND(ErrorKind::kNotImplemented, dtype != kBool, op, "is not defined for bool");
  return is_half(dtype) ? kF32 : dtype;
}

Array matmul(const Array& a, const Array& b) {
  check_types("matmul", "a", a, "b", b);
  const DType dtype = product_type("matmul", a.dtype());
  const Array out = Array::empty("matmul", product_shape("matmul", a, b), dtype, a.device());
  const bool dot = a.ndim() == 1 && b.ndim() == 1;
  const auto ready = [&](const Array& x) {
    if (!dot && multiplies_halves(x)) return x;
    return dot ? prepared("matmul", x, dtype) : cast("matmul", x, dtype);
  };
  product("matmul", out, matrix_a(ready(a)), matrix_b(ready(b)), {}, false, dot);
  return without_added(cast("matmul", out, a.dtype()), a, b);
}

void matmul_into(const Array& out, const Array& a, const Array& b, bool accumulate) {
  const char* op = "matmul_into";
  check_types(op, "a", a, "b", b);
  check_types(op, "out", out, "a", a);
  MO_CHECK_TYPE(product_type(op, out.dtype()) == out.dtype(), op, "is not defined for ",
                name_of(out.dtype()));
  MO_CHECK(a.ndim() >= 2 && b.ndim() >= 2, op, "wants matrices, got shapes ", a.shape(), " and ", b.shape());
  const Dims shape = product_shape(op, a, b);
  MO_CHECK(out.shape() == shape, op, "a result of shape ", shape, " cannot be stored in ", out.shape());
  MO_CHECK(out.is_contiguous(), op, "out must be contiguous, got strides ", out.strides());
  const bool shared = out.storage().get() == a.storage().get() || out.storage().get() == b.storage().get();
  if (!shared) return product(op, out, a, b, {}, accumulate);
  // The inputs may lie in the output.
  const Array result = accumulate ? clone(op, out) : Array::empty(op, shape, out.dtype(), out.device());
  product(op, result, a, b, {}, accumulate);
  copy_into(op, out, result);
}

Array linear(const Array& x, const Array& weight, const Array& bias) {
  const char* op = "linear";
  MO_CHECK(weight.ndim() == 2, op, "weight must be [out, in], got shape ", weight.shape());
  MO_CHECK(x.ndim() >= 1 && x.size(x.ndim() - 1) == weight.size(1), op, "input of shape ", x.shape(), " has ",
           x.ndim() ? x.size(x.ndim() - 1) : 0, " features but weight of shape ", weight.shape(), " wants ",
           weight.size(1));
  check_types(op, "input", x, "weight", weight);
  if (bias) {
    check_types(op, "input", x, "bias", bias);
    MO_CHECK(bias.ndim() == 1 && bias.size(0) == weight.size(0), op, "bias must be [", weight.size(0),
             "], got shape ", bias.shape());
  }
  const DType dtype = product_type(op, x.dtype());
  Dims shape = x.shape();
  shape.back() = weight.size(0);
  const Array out = Array::empty(op, shape, dtype, x.device());
  const bool vector = x.ndim() == 1;
  const auto ready = [&](const Array& of) { return multiplies_halves(of) ? of : cast(op, of, dtype); };
  product(op, vector ? out.unsqueeze(0) : out, matrix_a(ready(x)), ready(weight).transpose(0, 1),
          bias ? prepared(op, bias, dtype) : Array(), false, false, true);
  return cast(op, out, x.dtype());
}

}  // namespace markone
