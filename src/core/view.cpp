// SPDX-License-Identifier: MIT
#include "core/view.hpp"

#include <utility>

#include "core/check.hpp"

namespace lrd {

const char* name_of(DType dtype) {
    switch (dtype) {
        case DType::f32: return "f32";
        case DType::bf16: return "bf16";
        case DType::u16: return "u16";
        case DType::i32: return "i32";
        case DType::i8: return "i8";
    }
    return "?";
}

View::View(void* data, DType dtype, std::initializer_list<std::int64_t> shape)
    : data_(data), dtype_(dtype), dims_(static_cast<int>(shape.size())) {
    LRD_CHECK(shape.size() >= 1 && shape.size() <= 4, "a view has 1 to 4 dimensions");
    std::size_t i = 0;
    for (const std::int64_t extent : shape) {
        shape_[i++] = extent;
    }
    std::int64_t step = 1;
    for (std::size_t d = shape.size(); d-- > 0;) {
        stride_[d] = step;
        step *= shape_[d];
    }
}

std::int64_t View::size() const {
    std::int64_t n = dims_ == 0 ? 0 : 1;
    for (int d = 0; d < dims_; ++d) {
        n *= dim(d);
    }
    return n;
}

bool View::dense() const {
    std::int64_t step = 1;
    for (int d = dims_ - 1; d >= 0; --d) {
        if (dim(d) > 1 && stride(d) != step) {
            return false;
        }
        step *= dim(d);
    }
    return true;
}

float* View::f32() const {
    LRD_CHECK(dtype_ == DType::f32 || data_ == nullptr, "wanted f32, got {}", describe());
    return static_cast<float*>(data_);
}

std::int32_t* View::i32() const {
    LRD_CHECK(dtype_ == DType::i32 || data_ == nullptr, "wanted i32, got {}", describe());
    return static_cast<std::int32_t*>(data_);
}

View View::t() const {
    LRD_CHECK(dims_ == 2, "transpose of {}", describe());
    View out = *this;
    std::swap(out.shape_[0], out.shape_[1]);
    std::swap(out.stride_[0], out.stride_[1]);
    return out;
}

namespace {
void* advance(void* data, std::int64_t elements, DType dtype) {
    return static_cast<std::byte*>(data) + elements * static_cast<std::int64_t>(size_of(dtype));
}
}  // namespace

View View::slice(std::int64_t begin, std::int64_t end) const {
    LRD_CHECK(0 <= begin && begin <= end && end <= dim(0), "rows [{}, {}) of {}", begin, end,
              describe());
    View out = *this;
    out.data_ = advance(data_, begin * stride(0), dtype_);
    out.shape_[0] = end - begin;
    return out;
}

View View::columns(std::int64_t begin, std::int64_t end) const {
    LRD_CHECK(dims_ == 2, "columns of {}", describe());
    return t().slice(begin, end).t();
}

View View::reshape(std::initializer_list<std::int64_t> shape) const { return at(0, shape); }

View View::at(std::int64_t offset, std::initializer_list<std::int64_t> shape) const {
    LRD_CHECK(dense(), "only a dense view can be cut anew, not {}", describe());
    View out(advance(data_, offset, dtype_), dtype_, shape);
    LRD_CHECK(offset >= 0 && offset + out.size() <= size(), "{} from {} of {}", out.describe(),
              offset, describe());
    return out;
}

std::string View::describe() const {
    std::string text = std::string(name_of(dtype_)) + "[";
    for (int d = 0; d < dims_; ++d) {
        text += (d == 0 ? "" : ", ") + std::to_string(dim(d));
    }
    return text + "]";
}

}  // namespace lrd
