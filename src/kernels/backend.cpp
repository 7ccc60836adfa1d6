// SPDX-License-Identifier: MIT
// The checks above every device: memory, products and the transformer's ops. Losses and optimisers:
// backend_training.cpp.
#include "kernels/backend.hpp"

#include <utility>

#include "core/check.hpp"
#include "kernels/backend_call.hpp"
#include "kernels/operands.hpp"

namespace lrd {

std::map<std::string, double> Backend::take_profile() { return std::exchange(profile_, {}); }

// ---- memory

void Backend::zero(const View& x) {
    Operands("zero").is_dense("x", x);
    Call::run(*this, "zero", [&] { do_zero(x); });
}

void Backend::copy(const View& to, const View& from) {
    const Operands check("copy");
    check.is_dense("from", from);
    check.same_shape("to", to, from);
    check.require(to.dtype() == from.dtype(), "to and from differ in dtype; cast converts");
    Call::run(*this, "copy", [&] { do_copy(to, from); });
}

void Backend::upload(const View& to, const void* from) {
    const Operands check("upload");
    check.is_dense("to", to);
    check.require(from != nullptr || to.size() == 0, "from is missing");
    Call::run(*this, "upload", [&] { do_upload(to, from); });
}

void Backend::download(void* to, const View& from) {
    const Operands check("download");
    check.is_dense("from", from);
    check.require(to != nullptr || from.size() == 0, "to is missing");
    Call::run(*this, "download", [&] { do_download(to, from); });
}

void Backend::synchronize() {
    Call::run(*this, "synchronize", [&] { do_synchronize(); });
}

void Backend::cast(const View& to, const View& from) {
    const Operands check("cast");
    check.is_dense("from", from);
    check.same_shape("to", to, from);
    Call::run(*this, "cast", [&] { do_cast(to, from); });
}

// ---- products

namespace {
void check_product(const Operands& check, const Product& p) {
    check.has_dims("c", p.c, 2);
    check.has_dims("a", p.a, 2);
    check.is_factor("c", p.c, p.c.rows(), p.c.cols());
    check.is_factor("a", p.a, p.c.rows(), p.a.cols());
    check.is_factor("b", p.b, p.a.cols(), p.c.cols());
    check.same_dtype("b", p.b, p.a);
    check.require(p.c.dtype() == DType::f32 || p.a.dtype() == DType::bf16,
                  "c is bf16 and its factors are not");
    if (p.bias) {
        check.has_shape("bias", p.bias, {p.c.cols()});
        LRD_CHECK(!p.accumulate, "matmul: bias and accumulate exclude each other");
    }
    check.require(!p.packed_b || p.packed_b.dtype() == DType::i8, "packed_b is not from pack()");
}
}  // namespace

void Backend::matmul(const Product& product) {
    check_product(Operands("matmul"), product);
    Call::run(*this, "matmul", [&] { do_matmul(product); });
}

void Backend::grouped_matmul(std::span<const Product> products) {
    const Operands check("grouped_matmul");
    for (const Product& product : products) {
        check_product(check, product);
    }
    Call::run(*this, "grouped_matmul", [&] { do_grouped_matmul(products); });
}

std::size_t Backend::packed_bytes(const View& b) {
    Operands("pack").is_factor("b", b, b.rows(), b.cols());
    return do_packed_bytes(b);
}

void Backend::pack(const View& packed, const View& b) {
    const Operands check("pack");
    check.is_factor("b", b, b.rows(), b.cols());
    check.has_shape("packed", packed, {static_cast<std::int64_t>(do_packed_bytes(b))});
    Call::run(*this, "pack", [&] { do_pack(packed, b); });
}

// ---- pointwise and per column

void Backend::add(const View& y, const View& x) {
    const Operands check("add");
    check.is_dense("x", x);
    check.same_shape("y", y, x);
    Call::run(*this, "add", [&] { do_add(y, x); });
}

void Backend::column_sums(const View& sums, const View& x) {
    const Operands check("column_sums");
    check.has_dims("x", x, 2);
    check.is_dense("x", x);
    check.has_shape("sums", sums, {x.cols()});
    Call::run(*this, "column_sums", [&] { do_column_sums(sums, x); });
}

void Backend::gelu(const View& y, const View& x) {
    const Operands check("gelu");
    check.is_dense("x", x);
    check.same_shape("y", y, x);
    check.same_dtype("y", y, x);
    Call::run(*this, "gelu", [&] { do_gelu(y, x); });
}

void Backend::gelu_backward(const View& d_x, const View& d_y, const View& x) {
    const Operands check("gelu_backward");
    check.is_dense("x", x);
    check.same_shape("d_y", d_y, x);
    check.same_shape("d_x", d_x, x);
    check.same_dtype("d_y", d_y, x);
    check.same_dtype("d_x", d_x, x);
    Call::run(*this, "gelu_backward", [&] { do_gelu_backward(d_x, d_y, x); });
}

namespace {
void check_dropout(const Operands& check, const Dropout& d) {
    check.require(d.rate >= 0.0F && d.rate < 1.0F, "the rate of dropout is not in [0, 1)");
    check.require(d.first_row >= 0, "the first row of dropout is negative");
}
}  // namespace

void Backend::dropout(const View& y, const View& x, const Dropout& dropout) {
    const Operands check("dropout");
    check.has_dims("x", x, 2);
    check.is_dense("x", x);
    check.same_shape("y", y, x);
    check_dropout(check, dropout);
    Call::run(*this, "dropout", [&] { do_dropout(y, x, dropout); });
}

// ---- embedding

void Backend::embed(const View& x, const View& table, const View& ids) {
    const Operands check("embed");
    check.has_dims("x", x, 2);
    check.has_dims("table", table, 2);
    check.has_shape("x", x, {x.rows(), table.cols()});
    check.is_dense("table", table);
    check.same_dtype("table", table, x);
    check.is_index("ids", ids, x.rows());
    Call::run(*this, "embed", [&] { do_embed(x, table, ids); });
}

void Backend::embed_backward(const View& d_table, const View& d_x, const View& ids) {
    const Operands check("embed_backward");
    check.has_dims("d_x", d_x, 2);
    check.has_dims("d_table", d_table, 2);
    check.has_shape("d_x", d_x, {d_x.rows(), d_table.cols()});
    check.is_dense("d_table", d_table);
    check.is_index("ids", ids, d_x.rows());
    Call::run(*this, "embed_backward", [&] { do_embed_backward(d_table, d_x, ids); });
}

namespace {
/// x: (B·T, C), positions: (T, C), whatever they are called.
void check_positions(const Operands& check, const char* x_name, const View& x,
                     const char* positions_name, const View& positions, const View& starts) {
    check.has_dims(x_name, x, 2);
    check.has_dims(positions_name, positions, 2);
    check.has_shape(x_name, x, {x.rows(), positions.cols()});
    check.is_dense(positions_name, positions);
    check.require(positions.rows() > 0 && x.rows() % positions.rows() == 0,
                  "the rows are not whole sequences of the given positions");
    check.is_starts(starts, x.rows());
}
}  // namespace

void Backend::add_positions(const View& x, const View& positions, const View& starts) {
    check_positions(Operands("add_positions"), "x", x, "positions", positions, starts);
    Call::run(*this, "add_positions", [&] { do_add_positions(x, positions, starts); });
}

void Backend::add_positions_backward(const View& d_positions, const View& d_x, const View& starts) {
    check_positions(Operands("add_positions_backward"), "d_x", d_x, "d_positions", d_positions,
                    starts);
    Call::run(*this, "add_positions_backward",
              [&] { do_add_positions_backward(d_positions, d_x, starts); });
}

// ---- transformer

void Backend::layernorm(const LayerNorm& args) {
    const Operands check("layernorm");
    check.has_dims("x", args.x, 2);
    check.is_dense("x", args.x);
    const std::int64_t rows = args.x.rows();
    const std::int64_t width = args.x.cols();
    check.has_shape("y", args.y, {rows, width});
    check.has_shape("mean", args.mean, {rows});
    check.has_shape("rstd", args.rstd, {rows});
    check.has_shape("gamma", args.gamma, {width});
    check.has_shape("beta", args.beta, {width});
    if (args.residual) {
        check.has_shape("residual", args.residual, {rows, width});
        check.has_shape("h", args.h, {rows, width});
    }
    check.require(args.epsilon > 0.0, "epsilon is not positive");
    Call::run(*this, "layernorm", [&] { do_layernorm(args); });
}

void Backend::layernorm_backward(const LayerNormBackward& args) {
    const Operands check("layernorm_backward");
    check.has_dims("h", args.h, 2);
    check.is_dense("h", args.h);
    const std::int64_t rows = args.h.rows();
    const std::int64_t width = args.h.cols();
    check.has_shape("d_h", args.d_h, {rows, width});
    check.has_shape("d_y", args.d_y, {rows, width});
    check.has_shape("mean", args.mean, {rows});
    check.has_shape("rstd", args.rstd, {rows});
    check.has_shape("gamma", args.gamma, {width});
    check.require(static_cast<bool>(args.d_gamma) == static_cast<bool>(args.d_beta),
                  "d_gamma and d_beta come together or not at all");
    if (args.d_gamma) {
        check.has_shape("d_gamma", args.d_gamma, {width});
        check.has_shape("d_beta", args.d_beta, {width});
    }
    Call::run(*this, "layernorm_backward", [&] { do_layernorm_backward(args); });
}

namespace {
void check_attention(const Operands& check, const View& y, const View& lse, const View& qkv,
                     AttentionShape s, const AttentionOptions& options) {
    check.require(s.B >= 0 && s.T >= 0 && s.H > 0 && s.D > 0, "the shape has a negative part");
    check.has_shape("y", y, {s.B * s.T, s.H * s.D});
    check.has_shape("lse", lse, {s.B, s.H, s.T});
    check.has_shape("qkv", qkv, {s.B * s.T, 3 * s.H * s.D});
    check.same_dtype("y", y, qkv);
    check_dropout(check, options.dropout);
    check.is_starts(options.starts, s.B * s.T);
}
}  // namespace

void Backend::attention(const View& y, const View& lse, const View& qkv, AttentionShape shape,
                        const AttentionOptions& options) {
    check_attention(Operands("attention"), y, lse, qkv, shape, options);
    Call::run(*this, "attention", [&] { do_attention(y, lse, qkv, shape, options); });
}

void Backend::attention_backward(const View& d_qkv, const View& d_y, const View& y, const View& lse,
                                 const View& qkv, AttentionShape shape,
                                 const AttentionOptions& options) {
    const Operands check("attention_backward");
    check_attention(check, y, lse, qkv, shape, options);
    check.same_shape("d_y", d_y, y);
    check.same_shape("d_qkv", d_qkv, qkv);
    check.same_dtype("d_y", d_y, qkv);
    check.same_dtype("d_qkv", d_qkv, qkv);
    Call::run(*this, "attention_backward",
              [&] { do_attention_backward(d_qkv, d_y, y, lse, qkv, shape, options); });
}

}  // namespace lrd
