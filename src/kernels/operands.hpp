// SPDX-License-Identifier: MIT
// What a Backend call accepts: one table of dtypes per op, and the checks of shapes.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "core/view.hpp"

namespace lrd {

/// The arguments of one call of `op`. Every check throws Error(internal) that names op and argument:
/// a wrong shape is a mistake of the calling code, never of the user.
class Operands {
public:
    explicit Operands(const char* op);

    const char* op() const { return op_; }
    /// `x` is there, has `dims` dimensions and a dtype of the op; call it before x.dim(…) is used.
    void has_dims(const char* argument, const View& x, int dims) const;
    /// … and is dense and of this shape.
    void has_shape(const char* argument, const View& x,
                   std::initializer_list<std::int64_t> shape) const;
    /// `x` is dense and of the shape of `other`, whatever that is.
    void same_shape(const char* argument, const View& x, const View& other) const;
    void is_dense(const char* argument, const View& x) const;
    /// `x` is a dense i32 vector of n entries.
    void is_index(const char* argument, const View& x, std::int64_t n) const;
    /// No starts at all, or one for each of n rows.
    void is_starts(const View& starts, std::int64_t n) const {
        if (starts) {
            is_index("starts", starts, n);
        }
    }
    /// `x` is a dense i32 matrix of this shape.
    void is_index(const char* argument, const View& x, std::int64_t rows, std::int64_t cols) const;
    /// `x` is a matrix of this shape, one of whose strides is 1: itself or a transpose.
    void is_factor(const char* argument, const View& x, std::int64_t rows, std::int64_t cols) const;
    void same_dtype(const char* argument, const View& x, const View& other) const;
    /// `holds`, or the call is refused with `reason`.
    void require(bool holds, const char* reason) const;

private:
    void has_dtype(const char* argument, const View& x) const;
    void is_present(const char* argument, const View& x) const;
    void equal_shape(const char* argument, const View& x,
                     std::initializer_list<std::int64_t> shape) const;

    const char* op_;
    unsigned dtypes_;  // bit i: DType(i) is allowed
    std::string_view stored_;
};

}  // namespace lrd
