#include "ops/scan.h"

#include "contract/scan.h"
#include "ops/elementwise.h"
#include "ops/tables.h"

namespace markone {
namespace {

constexpr const char* kNames[] = {"cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"};

// The type that the kernels compute from.
DType computed(DType t) { return is_half(t) ? kF32 : is_floating(t) ? t : kI64; }

template <class Args>
void set_sizes(Args& a, const Array& x, int dim) {
  a.outer = a.n = a.inner = 1;
  for (int i = 0; i < x.ndim(); ++i) (i < dim ? a.outer : i == dim ? a.n : a.inner) *= x.size(i);
}

std::pair<Array, Array> scan(ScanOp kind, const Array& x, int64_t dim_, bool reverse, bool indexed) {
  const char* op = kNames[kind];
  const int dim = wrap_dim(op, dim_, x.ndim());
  const DType dtype = computed(x.dtype());
  const Array in = prepared(op, x, dtype), out = Array::empty(op, x.shape(), dtype, x.device());
  const Array indices = indexed ? Array::empty(op, x.shape(), kI64, x.device()) : Array();
  if (x.numel() == 0) return {out, indices};
  Launch<ScanArgs> call(op, kernel_for(op, table_for(x).scan[kind][dtype], dtype));
  set_sizes(call.args, x, dim);
  call.args.reverse = reverse;
  call.read(&ScanArgs::x, in);
  call.write(&ScanArgs::y, out);
  if (indexed) call.write(&ScanArgs::indices, indices);
  const int64_t n = call.args.n, chunks = (n + kScanChunk - 1) / kScanChunk;
  call.submit((kind == kLogcumsumexp ? 60.0 : 4.0) * static_cast<double>(x.numel()),
              chunks > 1 ? x.numel() / n * chunks * 8 : 0);
  return {out, indices};
}

Array widened(ScanOp kind, const Array& x, int64_t dim, bool reverse) {
  const Array out = scan(kind, x, dim, reverse, false).first;
  return is_floating(x.dtype()) ? cast(kNames[kind], out, x.dtype()) : out;
}

std::pair<Array, Array> extreme(ScanOp kind, const Array& x, int64_t dim) {
  const auto [values, indices] = scan(kind, x, dim, false, true);
  return {cast(kNames[kind], values, x.dtype()), indices};
}

}  // namespace

Array cumsum(const Array& x, int64_t dim, bool reverse) { return widened(kCumsum, x, dim, reverse); }
Array cumprod(const Array& x, int64_t dim) { return widened(kCumprod, x, dim, false); }
std::pair<Array, Array> cummax(const Array& x, int64_t dim) { return extreme(kCummax, x, dim); }
std::pair<Array, Array> cummin(const Array& x, int64_t dim) { return extreme(kCummin, x, dim); }

Array logcumsumexp(const Array& x, int64_t dim) {
  MO_CHECK_TYPE(is_floating(x.dtype()), "logcumsumexp", "wants a floating type, got ", name_of(x.dtype()));
  return widened(kLogcumsumexp, x, dim, false);
}

Array logcumsumexp_grad(const Array& g, const Array& x, const Array& y, int64_t dim_) {
  const char* op = "logcumsumexp_grad";
  const int dim = wrap_dim(op, dim_, x.ndim());
  MO_CHECK_TYPE(is_floating(x.dtype()), op, "wants a floating type, got ", name_of(x.dtype()));
  MO_CHECK(g.shape() == x.shape() && y.shape() == x.shape(), op, "shapes ", g.shape(), ", ", x.shape(),
           " and ", y.shape(), " must be the same");
  const DType dtype = computed(x.dtype());
  const Array up = prepared(op, g, dtype), in = prepared(op, x, dtype), result = prepared(op, y, dtype);
  const Array out = Array::empty(op, x.shape(), dtype, x.device());
  if (x.numel() > 0) {
    using Args = LogcumsumexpGradArgs;
    Launch<Args> call(op, kernel_for(op, table_for(x).logcumsumexp_grad[dtype], dtype));
    set_sizes(call.args, x, dim);
    call.read(&Args::g, up);
    call.read(&Args::x, in);
    call.read(&Args::y, result);
    call.write(&Args::dx, out);
    call.submit(60.0 * static_cast<double>(x.numel()));
  }
  return cast(op, out, x.dtype());
}

}  // namespace markone
