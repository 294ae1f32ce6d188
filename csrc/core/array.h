// A typed, strided window on a Storage. Copying one copies the window, never the data.
#pragma once
#include <cstdint>

#include "core/dtype.h"
#include "core/shape.h"
#include "core/storage.h"

namespace markone {

class Array {
 public:
  Array() = default;
  Array(StorageRef storage, DType dtype, Dims shape, Dims strides, int64_t offset)
      : storage_(std::move(storage)), dtype_(dtype), shape_(shape), strides_(strides), offset_(offset) {
    numel_ = checked_numel("array", shape_);
  }
  // Uninitialised, contiguous, from this thread's pool.
  static Array empty(const char* op, const Dims& shape, DType dtype, Device device = {});

  explicit operator bool() const { return static_cast<bool>(storage_); }
  const StorageRef& storage() const { return storage_; }
  DType dtype() const { return dtype_; }
  const Dims& shape() const { return shape_; }
  const Dims& strides() const { return strides_; }  // in elements
  int64_t offset() const { return offset_; }        // in elements from the start of the storage
  int ndim() const { return shape_.size(); }
  int64_t size(int dim) const { return shape_[dim]; }
  int64_t stride(int dim) const { return strides_[dim]; }
  int64_t numel() const { return numel_; }
  int64_t nbytes() const { return checked_mul("nbytes", numel_, size_of(dtype_)); }
  Device device() const { return storage_->device; }
  uint64_t version() const { return storage_->version.load(std::memory_order_relaxed); }

  void* data() const { return static_cast<char*>(storage_->data) + offset_ * size_of(dtype_); }
  template <class T>
  T* as() const {
    return static_cast<T*>(data());
  }

  bool is_contiguous() const;
  // The bytes that the window can reach, counted from the start of the storage: [first, last).
  void byte_range(int64_t* first, int64_t* last) const;

  // Views. Each raises ValueError or IndexError in the name of the operation.
  Array view_as(const Dims& shape, const Dims& strides, int64_t offset) const {
    return Array(storage_, dtype_, shape, strides, offset);
  }
  // One size may be -1. Fails where the strides do not allow a view; try_reshape returns an empty Array
  // instead.
  Array reshape_view(const char* op, const Dims& shape) const;
  Array try_reshape(const char* op, const Dims& shape) const;
  Array permute(const Dims& order) const;
  Array transpose(int64_t a, int64_t b) const;
  Array slice(int64_t dim, int64_t start, int64_t stop,
              int64_t step) const;  // as Python slices, step > 0 or < 0
  Array select(int64_t dim, int64_t index) const;
  Array squeeze(int64_t dim) const;
  Array unsqueeze(int64_t dim) const;
  Array expand(const char* op, const Dims& shape) const;  // broadcasting by strides of zero; -1 keeps a size
  Array flip(const Dims& dims) const;
  Array diagonal(int64_t offset, int64_t dim1, int64_t dim2) const;
  Array as_strided(const Dims& shape, const Dims& strides,
                   int64_t offset) const;  // checked against the storage
  // The same bytes read as another type of the same size.
  Array bit_cast(DType dtype) const;

 private:
  StorageRef storage_;
  DType dtype_ = kF32;
  Dims shape_, strides_;
  int64_t offset_ = 0;
  int64_t numel_ = 0;
};

// The shape with its -1 filled in; raises when the count of elements differs.
Dims resolve_shape(const char* op, const Dims& shape, int64_t numel);

}  // namespace markone
