#include "ops/index.h"

#include <utility>

#include "contract/index.h"
#include "ops/coalesce.h"
#include "ops/tables.h"

namespace markone {
namespace {

// What an index tuple or element costs, only to tell short calls from long ones.
constexpr double kFlopsPerIndex = 16;

// The problem of index and index_put: x's strides split into indexed and kept dimensions, and the window on
// the result (or the values) in the order [index shape..., kept dimensions...].
struct IndexPlan {
  Dims index_shape, result_shape;
  Dims kept;                 // dimensions of x
  int index_at = 0;          // where the index shape stands in the result
  std::vector<Array> index;  // contiguous, of index_shape
  std::vector<int> indexed;  // dimensions of x
};

IndexPlan plan_index(const char* op, const Array& x, const std::vector<Array>& indices) {
  MO_CHECK_INDEX(static_cast<int>(indices.size()) <= x.ndim(), op, "got ", indices.size(),
                 " indices for an array of ", x.ndim(), " dimensions");
  IndexPlan plan;
  bool apart = false;
  for (int d = 0; d < x.ndim(); ++d) {
    if (d >= static_cast<int>(indices.size()) || !indices[d]) {
      plan.kept.push_back(d);
      continue;
    }
    MO_CHECK_TYPE(indices[d].dtype() == kI64, op, "an index array must be int64, got ",
                  name_of(indices[d].dtype()), " for dimension ", d);
    plan.index_shape = plan.indexed.empty() ? indices[d].shape()
                                            : broadcast_shapes(op, plan.index_shape, indices[d].shape());
    apart |= !plan.indexed.empty() && plan.indexed.back() != d - 1;
    if (plan.indexed.empty()) plan.index_at = d;
    plan.indexed.push_back(d);
  }
  MO_CHECK_INDEX(!plan.indexed.empty(), op, "got no index array");
  if (apart) plan.index_at = 0;
  for (int d : plan.indexed) {
    const Array whole = to_device(op, indices[d], x.device()).expand(op, plan.index_shape);
    // index_put may write to the memory of its own indices.
    const bool shared = whole.storage().get() == x.storage().get();
    plan.index.push_back(shared ? clone(op, whole) : contiguous(op, whole));
  }
  for (int i = 0; i < plan.index_at; ++i) plan.result_shape.push_back(x.size(static_cast<int>(plan.kept[i])));
  for (int64_t size : plan.index_shape) plan.result_shape.push_back(size);
  for (int i = plan.index_at; i < plan.kept.size(); ++i) {
    plan.result_shape.push_back(x.size(static_cast<int>(plan.kept[i])));
  }
  return plan;
}

// y has plan.result_shape; its index dimensions must merge into one stride, which contiguous arrays' do.
void run_index(const char* op, const Entry<IndexArgs>& entry, const IndexPlan& plan, const Array& x,
               const Array& y, bool writes_x, bool wraps) {
  if (y.numel() == 0) return;
  Launch<IndexArgs> call(op, kernel_for(op, entry, x.dtype()));
  IndexArgs& args = call.args;
  args.count = plan.index[0].numel();
  args.index_count = static_cast<int64_t>(plan.indexed.size());
  for (size_t k = 0; k < plan.indexed.size(); ++k) {
    args.size[k] = x.size(plan.indexed[k]);
    args.low[k] = wraps ? -args.size[k] : 0;
    args.x_index_stride[k] = x.stride(plan.indexed[k]);
    args.index[k] = plan.index[k].as<int64_t>();
    call.touch(&args.index[k], plan.index[k], false);
  }
  const int index_dims = plan.index_shape.size();
  args.y_index_stride = index_dims ? y.stride(plan.index_at + index_dims - 1) : 0;
  if (index_dims && plan.index_shape.back() == 1) {
    // The stride of a dimension of size 1 says nothing; the index dimensions are contiguous among themselves.
    int64_t inner = 1;
    for (int i = plan.index_at + index_dims; i < y.ndim(); ++i) inner *= y.size(i);
    args.y_index_stride = inner;
  }
  args.ndim = plan.kept.size();
  for (int i = 0; i < plan.kept.size(); ++i) {
    const int d = static_cast<int>(plan.kept[i]), r = i < plan.index_at ? i : i + index_dims;
    args.shape[i] = x.size(d);
    args.x_stride[i] = x.stride(d);
    args.y_stride[i] = y.stride(r);
  }
  int64_t* strides[] = {args.x_stride, args.y_stride};
  coalesce(&args.ndim, args.shape, strides);
  args.x = x.data();
  call.touch(&args.x, x, writes_x);
  args.y = y.data();
  call.touch(&args.y, y, !writes_x);
  call.values("index");
  call.submit(kFlopsPerIndex * static_cast<double>(args.count) + static_cast<double>(y.numel()));
}

}  // namespace

Array index(const Array& x, const std::vector<Array>& indices, bool wraps) {
  const IndexPlan plan = plan_index("index", x, indices);
  const Array out = Array::empty("index", plan.result_shape, x.dtype(), x.device());
  run_index("index", table_for(x).index_get[x.dtype()], plan, x, out, false, wraps);
  return out;
}

void index_write_into(const Array& x, const std::vector<Array>& indices, const Array& values, IndexWrite mode,
                      bool wraps) {
  const char* op = mode <= kWriteAdd ? "index_put_" : "index_reduce_";
  check_writable(op, x);
  const IndexPlan plan = plan_index(op, x, indices);
  // The values are copied where they share memory with x, because they are read while x is written.
  Array y = cast(op, values, x.dtype()).expand(op, plan.result_shape);
  y = y.is_contiguous() && y.storage().get() != x.storage().get() ? y : clone(op, y);
  run_index(op, table_for(x).index_write[mode][x.dtype()], plan, x, y, true, wraps);
}

namespace {

void run_gather(const char* op, const Entry<GatherArgs>& entry, const Array& x, int64_t dim_,
                const Array& index, const Array& y, bool writes_x, bool wraps) {
  MO_CHECK_TYPE(index.dtype() == kI64, op, "the index must be int64, got ", name_of(index.dtype()));
  MO_CHECK(index.ndim() == x.ndim(), op, "the index has shape ", index.shape(), " but the array ", x.shape(),
           ", they must have the same number of dimensions");
  const int dim = wrap_dim(op, dim_, x.ndim());
  for (int i = 0; i < x.ndim(); ++i) {
    MO_CHECK(i == dim || index.size(i) <= x.size(i), op, "the index of shape ", index.shape(),
             " is larger than the array of shape ", x.shape(), " at dimension ", i);
    MO_CHECK(index.size(i) <= y.size(i), op, "the index of shape ", index.shape(),
             " is larger than the source of shape ", y.shape(), " at dimension ", i);
  }
  if (index.numel() == 0) return;
  Launch<GatherArgs> call(op, kernel_for(op, entry, x.dtype()));
  GatherArgs& args = call.args;
  args.ndim = std::max(x.ndim(), 1);
  args.shape[0] = 1;
  args.size = x.ndim() ? x.size(dim) : 1;
  args.low = wraps ? -args.size : 0;
  for (int i = 0, to = 0; i < x.ndim(); ++i) {
    const int at = i == dim ? x.ndim() - 1 : to++;
    args.shape[at] = index.size(i);
    args.x_stride[at] = x.stride(i);
    args.y_stride[at] = y.stride(i);
    args.index_stride[at] = index.stride(i);
  }
  call.read(&GatherArgs::index, index);
  args.x = x.data();
  call.touch(&args.x, x, writes_x);
  args.y = y.data();
  call.touch(&args.y, y, !writes_x);
  call.values("index");
  call.submit(kFlopsPerIndex * static_cast<double>(index.numel()));
}

}  // namespace

Array gather(const Array& x, int64_t dim, const Array& index, bool wraps) {
  const Array out = Array::empty("gather", index.shape(), x.dtype(), x.device());
  run_gather("gather", table_for(x).gather[x.dtype()], x, dim, index, out, false, wraps);
  return out;
}

void scatter_into(const Array& x, int64_t dim, const Array& index, const Array& src, IndexWrite mode,
                  bool wraps) {
  const char* op = mode == kWritePut ? "scatter_" : mode == kWriteAdd ? "scatter_add_" : "scatter_reduce_";
  check_writable(op, x);
  MO_CHECK_TYPE(src.dtype() == x.dtype(), op, "the source is ", name_of(src.dtype()), " but the array ",
                name_of(x.dtype()));
  MO_CHECK(src.ndim() == x.ndim(), op, "the source has shape ", src.shape(), " but the array ", x.shape());
  const bool shared = x.storage().get() == src.storage().get();
  const bool index_shared = x.storage().get() == index.storage().get();
  run_gather(op, table_for(x).scatter[mode][x.dtype()], x, dim, index_shared ? clone(op, index) : index,
             shared ? clone(op, src) : src, true, wraps);
}

Array nonzero(const Array& x) {
  const char* op = "nonzero";
  refuse_recording(op, "the shape of its result depends on data");
  const Array test = prepared(op, x, kBool);
  const int64_t n = test.numel(), chunks = (n + kNonzeroChunk - 1) / kNonzeroChunk;
  if (n == 0) return Array::empty(op, {0, x.ndim()}, kI64, x.device());
  const Array counts = Array::empty(op, {chunks}, kI64, x.device());
  const Kernel kernel = kernel_for(op, table_for(test).nonzero, kBool);
  const auto run = [&](const Array* out) {
    Launch<NonzeroArgs> call(op, kernel);
    call.args.n = n;
    call.args.ndim = x.ndim();
    std::copy_n(x.shape().data(), x.ndim(), call.args.shape);
    call.args.x = test.as<uint8_t>();
    call.touch(&call.args.x, test, false);
    call.write(&NonzeroArgs::counts, counts);
    if (out) call.write(&NonzeroArgs::out, *out);
    call.submit(static_cast<double>(n));
  };
  run(nullptr);
  // On a device the counts come to the host and go back as places.
  const Array places = to_device(op, counts, {});
  int64_t total = 0;
  for (int64_t c = 0; c < chunks; ++c) total += std::exchange(places.as<int64_t>()[c], total);
  if (places.storage().get() != counts.storage().get()) copy_into(op, counts, places);
  const Array out = Array::empty(op, {total, x.ndim()}, kI64, x.device());
  if (out.numel()) run(&out);
  return out;
}

void check_range(const char* op, const char* wanted, const Array& x, double low, double high, bool nan) {
  const Array values = contiguous(op, x);
  const DType dtype = values.dtype();
  if (values.numel() == 0) return;
  Launch<InRangeArgs> call(op, kernel_for(op, table_for(values).in_range[dtype], dtype));
  call.args = {values.numel(), low, high, nan, values.data()};
  call.touch(&call.args.x, values, false);
  call.values(wanted);
  call.submit(static_cast<double>(values.numel()));
}

Array cat(const std::vector<Array>& arrays, int64_t dim_) {
  const char* op = "cat";
  MO_CHECK(!arrays.empty(), op, "got no arrays");
  // PyTorch skips empty arrays of shape [0] whatever the others look like.
  const auto skipped = [](const Array& a) { return a.ndim() == 1 && a.numel() == 0; };
  const Array* first = nullptr;
  DType dtype = arrays[0].dtype();
  for (const Array& a : arrays) {
    dtype = promote(dtype, a.dtype());
    if (!skipped(a) && !first) first = &a;
  }
  if (!first) first = &arrays[0];
  MO_CHECK(first->ndim() > 0, op, "0-d arrays cannot be joined, stack them");
  const int dim = wrap_dim(op, dim_, first->ndim());
  Dims shape = first->shape();
  shape[dim] = 0;
  for (const Array& a : arrays) {
    if (skipped(a)) continue;
    MO_CHECK(a.ndim() == first->ndim(), op, "shapes ", first->shape(), " and ", a.shape(),
             " differ in dimensions");
    for (int i = 0; i < a.ndim(); ++i) {
      MO_CHECK(i == dim || a.size(i) == first->size(i), op, "shapes ", first->shape(), " and ", a.shape(),
               " differ at dimension ", i, ", only dimension ", dim, " may");
    }
    shape[dim] = checked_add(op, shape[dim], a.size(dim));
  }
  const Array out = Array::empty(op, shape, dtype, first->device());
  int64_t at = 0;
  for (const Array& a : arrays) {
    if (skipped(a)) continue;
    if (a.numel()) copy_into(op, out.slice(dim, at, at + a.size(dim), 1), a);
    at += a.size(dim);
  }
  return out;
}

Array arange(const Operand& start, const Operand& step, int64_t count, DType dtype) {
  const char* op = "arange";
  MO_CHECK_TYPE(start.kind != Operand::kArray && step.kind != Operand::kArray, op,
                "the start and the step must be numbers");
  MO_CHECK(count >= 0, op, "got a count of ", count);
  const Array out = Array::empty(op, {count}, dtype);
  if (count == 0) return out;
  Launch<ArangeArgs> call(op, kernel_for(op, table_for(out).arange[dtype], dtype));
  call.args.n = count;
  call.args.start = start.scalar;
  call.args.step = step.scalar;
  call.write(&ArangeArgs::out, out);
  call.submit(static_cast<double>(count));
  return out;
}

}  // namespace markone
