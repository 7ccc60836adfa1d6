// SPDX-License-Identifier: MIT
#include "kernels/operands.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "core/check.hpp"

namespace lrd {
namespace {

constexpr unsigned bit(DType dtype) { return 1U << static_cast<unsigned>(dtype); }

constexpr unsigned f32 = bit(DType::f32);
constexpr unsigned floats = f32 | bit(DType::bf16);
constexpr unsigned any = floats | bit(DType::u16) | bit(DType::i32) | bit(DType::i8);

struct Rule {
    std::string_view op;
    unsigned dtypes;  // of every argument but indices, which are i32
    // Arguments that may be bf16 besides: operands of products and stored activations. The residual
    // stream, logits, sums, parameters and their gradients are fp32.
    std::string_view stored = "";
};

constexpr std::array rules{
    Rule{"zero", any},
    Rule{"copy", any},
    Rule{"upload", any},
    Rule{"download", any},
    Rule{"cast", floats},
    Rule{"matmul", f32, "a b c"},
    Rule{"grouped_matmul", f32, "a b c"},
    Rule{"pack", floats | bit(DType::i8)},
    Rule{"add", f32},
    Rule{"column_sums", f32, "x"},
    Rule{"gelu", f32, "x y"},
    Rule{"gelu_backward", f32, "x d_x d_y"},
    Rule{"dropout", f32},
    Rule{"embed", f32, "x table"},
    Rule{"embed_backward", f32, "d_x"},
    Rule{"add_positions", f32},
    Rule{"add_positions_backward", f32},
    Rule{"layernorm", f32, "y"},
    Rule{"layernorm_backward", f32, "d_y"},
    Rule{"attention", f32, "qkv y"},
    Rule{"attention_backward", f32, "qkv y d_y d_qkv"},
    Rule{"store_kv", f32},
    Rule{"attention_decode", f32},
    Rule{"head_loss", f32, "d_z"},
    Rule{"argmax_rows", f32},
    Rule{"top_k", f32},
    Rule{"log_sum_exp", f32},
    Rule{"label_ranks", f32},
    Rule{"clone_loss", f32},
    Rule{"tap_moments", f32},
    Rule{"sum", f32},
    Rule{"sum_squares", f32},
    Rule{"adamw", f32},
    Rule{"sgd", f32},
};

std::string shape_text(std::initializer_list<std::int64_t> shape) {
    std::string text;
    for (const std::int64_t extent : shape) {
        text += (text.empty() ? "[" : ", ") + std::to_string(extent);
    }
    return text + "]";
}

}  // namespace

Operands::Operands(const char* op) : op_(op) {
    const auto* rule =
        std::find_if(rules.begin(), rules.end(), [&](const Rule& r) { return r.op == op; });
    LRD_CHECK(rule != rules.end(), "{} is missing in the table of dtypes", op);
    dtypes_ = rule->dtypes;
    stored_ = rule->stored;
}

void Operands::has_dtype(const char* argument, const View& x) const {
    // A whole word of stored_.
    const auto is_stored = [&](std::string_view name) {
        for (std::size_t at = stored_.find(name); at != stored_.npos;
             at = stored_.find(name, at + 1)) {
            const std::size_t end = at + name.size();
            if ((at == 0 || stored_[at - 1] == ' ') &&
                (end == stored_.size() || stored_[end] == ' ')) {
                return true;
            }
        }
        return false;
    };
    if ((dtypes_ & bit(x.dtype())) == 0 && !(x.dtype() == DType::bf16 && is_stored(argument))) {
        fail(ExitCode::internal, "{}: {} is {}, a dtype that this op does not take", op_, argument,
             x.describe());
    }
}

void Operands::same_dtype(const char* argument, const View& x, const View& other) const {
    if (x.dtype() != other.dtype()) {
        fail(ExitCode::internal, "{}: {} is {}, which does not go with {}", op_, argument,
             x.describe(), other.describe());
    }
}

void Operands::is_present(const char* argument, const View& x) const {
    if (x.dims() == 0 || (!x && x.size() > 0)) {
        fail(ExitCode::internal, "{}: {} is missing", op_, argument);
    }
}

void Operands::has_dims(const char* argument, const View& x, int dims) const {
    is_present(argument, x);
    has_dtype(argument, x);
    if (x.dims() != dims) {
        fail(ExitCode::internal, "{}: {} is {}, expected {} dimensions", op_, argument,
             x.describe(), dims);
    }
}

void Operands::equal_shape(const char* argument, const View& x,
                           std::initializer_list<std::int64_t> shape) const {
    int d = 0;
    for (const std::int64_t extent : shape) {
        if (x.dim(d++) != extent) {
            fail(ExitCode::internal, "{}: {} is {}, expected {}", op_, argument, x.describe(),
                 shape_text(shape));
        }
    }
}

void Operands::has_shape(const char* argument, const View& x,
                         std::initializer_list<std::int64_t> shape) const {
    has_dims(argument, x, static_cast<int>(shape.size()));
    equal_shape(argument, x, shape);
    is_dense(argument, x);
}

void Operands::same_shape(const char* argument, const View& x, const View& other) const {
    has_dims(argument, x, other.dims());
    for (int d = 0; d < x.dims(); ++d) {
        if (x.dim(d) != other.dim(d)) {
            fail(ExitCode::internal, "{}: {} is {}, the other argument is {}", op_, argument,
                 x.describe(), other.describe());
        }
    }
    is_dense(argument, x);
}

void Operands::is_dense(const char* argument, const View& x) const {
    is_present(argument, x);
    has_dtype(argument, x);
    if (!x.dense()) {
        fail(ExitCode::internal, "{}: {} = {} has gaps or is transposed, this op needs it dense",
             op_, argument, x.describe());
    }
}

void Operands::is_index(const char* argument, const View& x, std::int64_t n) const {
    is_present(argument, x);
    if (x.dtype() != DType::i32 || x.dims() != 1 || x.dim(0) != n || !x.dense()) {
        fail(ExitCode::internal, "{}: {} is {}, expected dense i32[{}]", op_, argument,
             x.describe(), n);
    }
}

void Operands::is_index(const char* argument, const View& x, std::int64_t rows,
                        std::int64_t cols) const {
    is_present(argument, x);
    if (x.dtype() != DType::i32 || x.dims() != 2 || x.rows() != rows || x.cols() != cols ||
        !x.dense()) {
        fail(ExitCode::internal, "{}: {} is {}, expected dense i32[{}, {}]", op_, argument,
             x.describe(), rows, cols);
    }
}

void Operands::is_factor(const char* argument, const View& x, std::int64_t rows,
                         std::int64_t cols) const {
    has_dims(argument, x, 2);
    equal_shape(argument, x, {rows, cols});
    // A stride beside an extent of 1 says nothing.
    const bool rows_dense = x.stride(1) == 1 || cols <= 1;
    const bool cols_dense = x.stride(0) == 1 || rows <= 1;
    const bool apart = (rows_dense && (rows <= 1 || x.stride(0) >= cols)) ||
                       (cols_dense && (cols <= 1 || x.stride(1) >= rows));
    if (!apart && x.size() > 0) {
        fail(ExitCode::internal,
             "{}: {} = {} has strides {} and {}, expected rows or columns "
             "without gaps",
             op_, argument, x.describe(), x.stride(0), x.stride(1));
    }
}

void Operands::require(bool holds, const char* reason) const {
    if (!holds) {
        fail(ExitCode::internal, "{}: {}", op_, reason);
    }
}

}  // namespace lrd
