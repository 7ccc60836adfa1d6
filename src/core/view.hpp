// SPDX-License-Identifier: MIT
// View: a pointer with a shape. It owns nothing and is passed by value.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace lrd {

enum class DType : std::uint8_t { f32, bf16, u16, i32, i8 };

constexpr std::size_t size_of(DType dtype) {
    switch (dtype) {
        case DType::f32:
        case DType::i32: return 4;
        case DType::bf16:
        case DType::u16: return 2;
        case DType::i8: return 1;
    }
    return 0;
}
const char* name_of(DType dtype);

/// Up to four dimensions with strides in elements. `rows()`, `cols()` speak of a matrix; `t()` is
/// its transpose without moving anything, so `matmul(y, x, w.t())` reads like y = x wᵀ.
class View {
public:
    View() = default;
    /// A dense row-major view of `shape`.
    View(void* data, DType dtype, std::initializer_list<std::int64_t> shape);

    explicit operator bool() const { return data_ != nullptr; }
    DType dtype() const { return dtype_; }
    int dims() const { return dims_; }
    std::int64_t dim(int i) const { return shape_[static_cast<std::size_t>(i)]; }
    std::int64_t stride(int i) const { return stride_[static_cast<std::size_t>(i)]; }
    std::int64_t rows() const { return dim(0); }
    std::int64_t cols() const { return dim(1); }
    std::int64_t size() const;  ///< number of elements
    std::size_t bytes() const { return static_cast<std::size_t>(size()) * size_of(dtype_); }
    bool dense() const;  ///< row-major without gaps

    void* raw() const { return data_; }
    float* f32() const;
    std::int32_t* i32() const;

    View t() const;                                                 ///< matrix transpose
    View slice(std::int64_t begin, std::int64_t end) const;         ///< rows [begin, end) of dim 0
    View columns(std::int64_t begin, std::int64_t end) const;       ///< columns of a matrix
    View reshape(std::initializer_list<std::int64_t> shape) const;  ///< dense views only
    /// `count` elements from `offset` of a dense view, seen as `shape`.
    View at(std::int64_t offset, std::initializer_list<std::int64_t> shape) const;
    std::string describe() const;  ///< "f32[2, 3]"

private:
    void* data_ = nullptr;
    DType dtype_ = DType::f32;
    int dims_ = 0;
    std::array<std::int64_t, 4> shape_{};
    std::array<std::int64_t, 4> stride_{};
};

}  // namespace lrd
