#include "ops/sort.h"

#include "contract/sort.h"
#include "core/parallel.h"
#include "ops/elementwise.h"
#include "ops/tables.h"

namespace markone {
namespace {

int64_t scratch_bytes(int64_t n, int64_t type_bytes) {
  const int64_t lines = (2 * n * (type_bytes == 8 ? 16 : 8) + 63) / 64 * 64 * num_threads();
  return n > kSortChunk ? lines + (n + kSortChunk - 1) / kSortChunk * kSortDigits * 8 : lines;
}

}  // namespace

std::pair<Array, Array> sort(const char* op, const Array& x, int64_t dim, bool descending, int64_t first,
                             int64_t last) {
  const int d = wrap_dim(op, dim, x.ndim());
  const int64_t n = x.ndim() ? x.size(d) : 1;
  if (last < 0) last = n;
  MO_CHECK(first >= 0 && first <= last && last <= n, op, "wants ranks ", first, " to ", last, " of ", n,
           " elements in dimension ", dim, " of shape ", x.shape());
  MO_CHECK(n < (int64_t{1} << 32), op, "a dimension of ", n, " elements is too long, wants fewer than 2^32");
  Dims shape = x.shape();
  if (x.ndim()) shape[d] = last - first;
  const Array values = Array::empty(op, shape, x.dtype(), x.device());
  const Array indices = Array::empty(op, shape, kI64, x.device());
  if (values.numel() == 0) return {values, indices};
  const Array in = contiguous(op, x);
  Launch<SortArgs> call(op, kernel_for(op, table_for(x).sort[x.dtype()], x.dtype()));
  SortArgs& a = call.args;
  a.outer = a.inner = 1;
  a.n = n;
  for (int i = 0; i < x.ndim(); ++i) {
    if (i != d) (i < d ? a.outer : a.inner) *= x.size(i);
  }
  a.first = first;
  a.last = last;
  a.descending = descending;
  call.read(&SortArgs::x, in);
  call.write(&SortArgs::values, values);
  call.write(&SortArgs::indices, indices);
  // Counting and moving each byte of the keys: a dozen operations an element.
  call.submit(12.0 * static_cast<double>(x.numel()), scratch_bytes(n, size_of(x.dtype())));
  return {values, indices};
}

Array searchsorted(const Array& seq_, const Array& values_, const Array& sorter_, bool right) {
  const char* op = "searchsorted";
  const DType common = promote(seq_.dtype(), values_.dtype());
  const DType dtype = is_half(common) ? kF32 : is_floating(common) ? common : kI64;
  MO_CHECK(seq_.ndim() > 0, op, "the sorted sequence is 0-d, wants at least one dimension");
  const bool shared = seq_.ndim() == 1;
  if (!shared) {
    MO_CHECK(seq_.ndim() == values_.ndim(), op, "the sorted sequence of shape ", seq_.shape(),
             " and the values of shape ", values_.shape(), " must agree but for the last dimension");
    for (int i = 0; i + 1 < seq_.ndim(); ++i) {
      MO_CHECK(seq_.size(i) == values_.size(i), op, "the sorted sequence of shape ", seq_.shape(),
               " and the values of shape ", values_.shape(), " must agree but for the last dimension");
    }
  }
  if (sorter_) {
    MO_CHECK_TYPE(sorter_.dtype() == kI64, op, "sorter must be int64, got ", name_of(sorter_.dtype()));
    MO_CHECK(sorter_.shape() == seq_.shape(), op, "sorter has shape ", sorter_.shape(), " but the sequence ",
             seq_.shape());
  }
  const Array out = Array::empty(op, values_.shape(), kI64, values_.device());
  if (out.numel() == 0) return out;
  const Array seq = prepared(op, seq_, dtype), values = prepared(op, values_, dtype);
  Launch<SearchArgs> call(op, kernel_for(op, table_for(seq).search[dtype], dtype));
  SearchArgs& a = call.args;
  a.n = seq.size(seq.ndim() - 1);
  a.rows = 1;
  a.m = out.numel();
  if (!shared) {
    a.m = values.size(values.ndim() - 1);
    a.rows = out.numel() / a.m;
    a.seq_stride = a.n;
    a.value_stride = a.m;
  }
  a.right = right;
  call.read(&SearchArgs::seq, seq);
  call.read(&SearchArgs::values, values);
  const Array sorter = sorter_ ? contiguous(op, sorter_) : Array();
  if (sorter_) {
    call.read(&SearchArgs::sorter, sorter);
    call.values("sorter");
  }
  call.write(&SearchArgs::out, out);
  call.submit(40.0 * static_cast<double>(out.numel()));
  return out;
}

}  // namespace markone
