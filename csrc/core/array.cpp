#include "core/array.h"

namespace markone {

Array Array::empty(const char* op, const Dims& shape, DType dtype, Device device) {
  const int64_t bytes = checked_mul(op, checked_numel(op, shape), size_of(dtype));
  return Array(Pool::current().allocate(op, bytes, device), dtype, shape, contiguous_strides(shape), 0);
}

bool Array::is_contiguous() const {
  int64_t step = 1;
  for (int i = ndim() - 1; i >= 0; --i) {
    if (shape_[i] == 0) return true;
    if (shape_[i] != 1 && strides_[i] != step) return false;
    step *= shape_[i];
  }
  return true;
}

void Array::byte_range(int64_t* first, int64_t* last) const {
  int64_t low = offset_, high = offset_;
  if (numel_ == 0) {
    *first = *last = offset_ * size_of(dtype_);
    return;
  }
  for (int i = 0; i < ndim(); ++i) {
    const int64_t reach = (shape_[i] - 1) * strides_[i];
    (reach < 0 ? low : high) += reach;
  }
  *first = low * size_of(dtype_);
  *last = (high + 1) * size_of(dtype_);
}

Dims resolve_shape(const char* op, const Dims& shape, int64_t numel) {
  Dims out = shape;
  int unknown = -1;
  int64_t known = 1;
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1) {
      MO_CHECK(unknown < 0, op, "shape ", shape, " has more than one -1");
      unknown = i;
    } else {
      MO_CHECK(shape[i] >= 0, op, "shape ", shape, " has a negative size");
      known = checked_mul(op, known, shape[i]);
    }
  }
  if (unknown >= 0) {
    MO_CHECK(known != 0 && numel % known == 0, op, "shape ", shape, " cannot hold ", numel, " elements");
    out[unknown] = numel / known;
  } else {
    MO_CHECK(known == numel, op, "shape ", shape, " has ", known, " elements, the array has ", numel);
  }
  return out;
}

Array Array::try_reshape(const char* op, const Dims& wanted) const {
  const Dims shape = resolve_shape(op, wanted, numel_);
  if (numel_ == 0) return view_as(shape, contiguous_strides(shape), offset_);
  // Old dimensions are merged while they are contiguous with each other, and each merged run of memory is cut
  // into the new dimensions from the right.
  Dims strides = Dims::filled(shape.size(), 1);
  int next = shape.size() - 1;
  int64_t run = 1, filled = 1;
  int64_t base = 1;
  for (int i = ndim() - 1; i >= 0; --i) {
    if (run == 1) base = strides_[i];
    run *= shape_[i];
    const bool run_ends = i == 0 || (shape_[i - 1] != 1 && strides_[i - 1] != run * base);
    if (!run_ends) continue;
    while (next >= 0 && (filled < run || shape[next] == 1)) {
      strides[next] = filled * base;
      filled *= shape[next];
      --next;
    }
    if (filled != run) return {};
    run = filled = 1;
  }
  return view_as(shape, strides, offset_);
}

Array Array::reshape_view(const char* op, const Dims& shape) const {
  Array out = try_reshape(op, shape);
  MO_CHECK(static_cast<bool>(out), op, "shape ", shape_, " with strides ", strides_, " cannot be viewed as ",
           shape, " without a copy, use reshape");
  return out;
}

Array Array::permute(const Dims& order) const {
  MO_CHECK(order.size() == ndim(), "permute", "got ", order.size(), " dimensions for shape ", shape_);
  Dims shape = order, strides = order;
  bool seen[kMaxDims] = {};
  for (int i = 0; i < ndim(); ++i) {
    const int from = wrap_dim("permute", order[i], ndim());
    MO_CHECK(!seen[from], "permute", "dimension ", order[i], " appears twice in ", order);
    seen[from] = true;
    shape[i] = shape_[from];
    strides[i] = strides_[from];
  }
  return view_as(shape, strides, offset_);
}

Array Array::transpose(int64_t a, int64_t b) const {
  const int i = wrap_dim("transpose", a, ndim()), j = wrap_dim("transpose", b, ndim());
  Dims shape = shape_, strides = strides_;
  std::swap(shape[i], shape[j]);
  std::swap(strides[i], strides[j]);
  return view_as(shape, strides, offset_);
}

Array Array::slice(int64_t dim, int64_t start, int64_t stop, int64_t step) const {
  MO_CHECK_INDEX(ndim() > 0, "slice", "a 0-d array cannot be sliced");
  MO_CHECK(step != 0, "slice", "the step must not be zero");
  const int d = wrap_dim("slice", dim, ndim());
  const int64_t size = shape_[d];
  // Python's rule: an index from the end, then clamped to what the step can reach.
  const auto clamp = [&](int64_t at) {
    if (at < 0) at = at < -size ? -1 : at + size;
    return step > 0 ? std::clamp<int64_t>(at, 0, size) : std::clamp<int64_t>(at, -1, size - 1);
  };
  // A stop before the first element (for a negative step) is given as INT64_MIN.
  const int64_t first = clamp(start), last = stop == INT64_MIN && step < 0 ? -1 : clamp(stop);
  int64_t count = 0;
  if (step > 0 && last > first) count = 1 + (last - first - 1) / step;
  if (step < 0 && first > last) count = 1 + (first - last - 1) / (step == INT64_MIN ? INT64_MAX : -step);
  Dims shape = shape_, strides = strides_;
  shape[d] = count;
  if (count > 1) strides[d] *= step;  // a step past the end would only overflow
  return view_as(shape, strides, count ? offset_ + first * strides_[d] : offset_);
}

Array Array::select(int64_t dim, int64_t index) const {
  MO_CHECK_INDEX(ndim() > 0, "select", "a 0-d array cannot be indexed");
  const int d = wrap_dim("select", dim, ndim());
  MO_CHECK_INDEX(index >= -shape_[d] && index < shape_[d], "select", "index ", index,
                 " is outside dimension ", d, " of size ", shape_[d]);
  Dims shape = shape_, strides = strides_;
  shape.erase(d);
  strides.erase(d);
  return view_as(shape, strides, offset_ + (index < 0 ? index + shape_[d] : index) * strides_[d]);
}

Array Array::squeeze(int64_t dim) const {
  const int d = wrap_dim("squeeze", dim, ndim());
  if (ndim() == 0 || shape_[d] != 1) return *this;
  Dims shape = shape_, strides = strides_;
  shape.erase(d);
  strides.erase(d);
  return view_as(shape, strides, offset_);
}

Array Array::unsqueeze(int64_t dim) const {
  const int d = wrap_dim("unsqueeze", dim, ndim() + 1);
  Dims shape = shape_, strides = strides_;
  // Unsigned, because the strides of an empty array may wrap; they never reach an element.
  const int64_t stride =
      d < ndim() ? static_cast<int64_t>(static_cast<uint64_t>(shape_[d]) * static_cast<uint64_t>(strides_[d]))
                 : 1;
  shape.insert(d, 1);
  strides.insert(d, stride);
  return view_as(shape, strides, offset_);
}

Array Array::expand(const char* op, const Dims& wanted) const {
  const int added = wanted.size() - ndim();
  MO_CHECK(added >= 0, op, "shape ", shape_, " cannot expand to the shorter ", wanted);
  Dims shape = wanted, strides = Dims::filled(wanted.size(), 0);
  for (int i = 0; i < wanted.size(); ++i) {
    const int from = i - added;
    MO_CHECK(wanted[i] >= 0 || (wanted[i] == -1 && from >= 0), op, "shape ", wanted, " has a negative size");
    if (from < 0) continue;
    if (wanted[i] == -1 || wanted[i] == shape_[from]) {
      shape[i] = shape_[from];
      strides[i] = strides_[from];
    } else {
      MO_CHECK(shape_[from] == 1, op, "shape ", shape_, " does not expand to ", wanted, ": size ",
               shape_[from], " against ", wanted[i], " at dimension ", i);
    }
  }
  return view_as(shape, strides, offset_);
}

Array Array::flip(const Dims& dims) const {
  Array out = *this;
  for (int64_t dim : dims) {
    const int d = wrap_dim("flip", dim, ndim());
    if (ndim() == 0 || shape_[d] == 0) continue;
    Dims strides = out.strides_;
    strides[d] = -strides[d];
    out = out.view_as(shape_, strides, out.offset_ + (shape_[d] - 1) * out.strides_[d]);
  }
  return out;
}

Array Array::diagonal(int64_t offset, int64_t dim1, int64_t dim2) const {
  MO_CHECK_INDEX(ndim() >= 2, "diagonal", "wants at least 2 dimensions, got shape ", shape_);
  const int a = wrap_dim("diagonal", dim1, ndim()), b = wrap_dim("diagonal", dim2, ndim());
  MO_CHECK(a != b, "diagonal", "the two dimensions must differ");
  // An offset that misses the matrix gives an empty diagonal.
  const bool inside = offset > -shape_[a] && offset < shape_[b];
  const int64_t length = !inside       ? 0
                         : offset >= 0 ? std::min(shape_[a], shape_[b] - offset)
                                       : std::min(shape_[a] + offset, shape_[b]);
  const int64_t start = !inside ? 0 : offset >= 0 ? offset * strides_[b] : -offset * strides_[a];
  Dims shape, strides;
  for (int i = 0; i < ndim(); ++i) {
    if (i == a || i == b) continue;
    shape.push_back(shape_[i]);
    strides.push_back(strides_[i]);
  }
  shape.push_back(std::max<int64_t>(length, 0));
  strides.push_back(strides_[a] + strides_[b]);
  return view_as(shape, strides, offset_ + start);
}

Array Array::as_strided(const Dims& shape, const Dims& strides, int64_t offset) const {
  MO_CHECK(shape.size() == strides.size(), "as_strided", "shape ", shape, " and strides ", strides,
           " differ in length");
  checked_mul("as_strided", checked_numel("as_strided", shape), size_of(dtype_));
  int64_t low = offset, high = offset;
  for (int i = 0; i < shape.size(); ++i) {
    const int64_t reach = checked_mul("as_strided", std::max<int64_t>(shape[i] - 1, 0), strides[i]);
    (reach < 0 ? low : high) = checked_add("as_strided", reach < 0 ? low : high, reach);
  }
  const int64_t have = storage_->bytes / size_of(dtype_);
  const bool none = checked_numel("as_strided", shape) == 0;
  MO_CHECK(none ? offset >= 0 && offset <= have : low >= 0 && high < have, "as_strided", "shape ", shape,
           " with strides ", strides, " and offset ", offset, " leaves a storage of ", have, " elements");
  return view_as(shape, strides, offset);
}

Array Array::bit_cast(DType dtype) const {
  const int64_t from = size_of(dtype_), to = size_of(dtype);
  if (from == to) return Array(storage_, dtype, shape_, strides_, offset_);
  // Smaller or larger elements: the last dimension holds more or fewer of them.
  const int last = ndim() - 1;
  MO_CHECK_TYPE(last >= 0 && strides_[last] == 1, "view", "cannot read ", name_of(dtype_), " of shape ",
                shape_, " and strides ", strides_, " as ", name_of(dtype),
                ": the last dimension must be contiguous");
  Dims shape = shape_, strides = strides_;
  const auto in_new = [&](int64_t n) {
    MO_CHECK_TYPE(n * from % to == 0, "view", "shape ", shape_, ", strides ", strides_, " and offset ",
                  offset_, " of ", name_of(dtype_), " are no whole numbers of ", name_of(dtype));
    return n * from / to;
  };
  for (int i = 0; i < last; ++i) strides[i] = in_new(strides_[i]);
  shape[last] = in_new(shape_[last]);
  return Array(storage_, dtype, shape, strides, in_new(offset_));
}

}  // namespace markone
