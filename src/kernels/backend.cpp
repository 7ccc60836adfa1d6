// SPDX-License-Identifier: MIT
// The checks above every device, and the scope around every call.
#include "kernels/backend.hpp"

#include <chrono>
#include <utility>

#include "core/check.hpp"
#include "kernels/operands.hpp"

namespace lrd {

/// Runs the device's part of one call between begin_op and end_op, and measures it on request.
class Backend::Call {
public:
    template <class Body>
    static void run(Backend& backend, const char* op, Body&& body) {
        const Scope scope(backend, op);
        if (!backend.profiling_) {
            body();
            return;
        }
        const auto start = std::chrono::steady_clock::now();
        body();
        backend.do_synchronize();
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
        backend.profile_[op] += spent.count();
    }

private:
    struct Scope {
        Scope(Backend& b, const char* name) : backend(b), op(name) { backend.begin_op(op); }
        ~Scope() { backend.end_op(op); }
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

        Backend& backend;
        const char* op;
    };
};

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
    if (p.bias) {
        check.has_shape("bias", p.bias, {p.c.cols()});
        LRD_CHECK(!p.accumulate, "matmul: bias and accumulate exclude each other");
    }
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
    Call::run(*this, "gelu", [&] { do_gelu(y, x); });
}

void Backend::gelu_backward(const View& d_x, const View& d_y, const View& x) {
    const Operands check("gelu_backward");
    check.is_dense("x", x);
    check.same_shape("d_y", d_y, x);
    check.same_shape("d_x", d_x, x);
    Call::run(*this, "gelu_backward", [&] { do_gelu_backward(d_x, d_y, x); });
}

// ---- embedding

void Backend::embed(const View& x, const View& table, const View& ids) {
    const Operands check("embed");
    check.has_dims("x", x, 2);
    check.has_dims("table", table, 2);
    check.has_shape("x", x, {x.rows(), table.cols()});
    check.is_dense("table", table);
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
                     const char* positions_name, const View& positions) {
    check.has_dims(x_name, x, 2);
    check.has_dims(positions_name, positions, 2);
    check.has_shape(x_name, x, {x.rows(), positions.cols()});
    check.is_dense(positions_name, positions);
    check.require(positions.rows() > 0 && x.rows() % positions.rows() == 0,
                  "the rows are not whole sequences of the given positions");
}
}  // namespace

void Backend::add_positions(const View& x, const View& positions) {
    check_positions(Operands("add_positions"), "x", x, "positions", positions);
    Call::run(*this, "add_positions", [&] { do_add_positions(x, positions); });
}

void Backend::add_positions_backward(const View& d_positions, const View& d_x) {
    check_positions(Operands("add_positions_backward"), "d_x", d_x, "d_positions", d_positions);
    Call::run(*this, "add_positions_backward",
              [&] { do_add_positions_backward(d_positions, d_x); });
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
                     AttentionShape s) {
    check.require(s.B >= 0 && s.T >= 0 && s.H > 0 && s.D > 0, "the shape has a negative part");
    check.has_shape("y", y, {s.B * s.T, s.H * s.D});
    check.has_shape("lse", lse, {s.B, s.H, s.T});
    check.has_shape("qkv", qkv, {s.B * s.T, 3 * s.H * s.D});
}
}  // namespace

void Backend::attention(const View& y, const View& lse, const View& qkv, AttentionShape shape) {
    check_attention(Operands("attention"), y, lse, qkv, shape);
    Call::run(*this, "attention", [&] { do_attention(y, lse, qkv, shape); });
}

void Backend::attention_backward(const View& d_qkv, const View& d_y, const View& y,
                                 const View& lse, const View& qkv, AttentionShape shape) {
    const Operands check("attention_backward");
    check_attention(check, y, lse, qkv, shape);
    check.same_shape("d_y", d_y, y);
    check.same_shape("d_qkv", d_qkv, qkv);
    Call::run(*this, "attention_backward",
              [&] { do_attention_backward(d_qkv, d_y, y, lse, qkv, shape); });
}

// ---- losses

void Backend::head_loss(const HeadLoss& args) {
    const Operands check("head_loss");
    check.has_dims("z_s", args.z_s, 2);
    check.is_dense("z_s", args.z_s);
    const std::int64_t rows = args.z_s.rows();
    check.require(args.z_s.cols() > 0, "z_s has no columns");
    check.require(args.tau > 0.0F, "tau is not above 0");
    if (args.z_t) {
        check.has_shape("z_t", args.z_t, {rows, args.z_s.cols()});
    }
    check.is_index("labels", args.labels, rows);
    check.has_shape("kd", args.kd, {rows});
    check.has_shape("lm", args.lm, {rows});
    Call::run(*this, "head_loss", [&] { do_head_loss(args); });
}

void Backend::argmax_rows(const View& best, const View& z) {
    const Operands check("argmax_rows");
    check.has_dims("z", z, 2);
    check.is_dense("z", z);
    check.require(z.cols() > 0, "z has no columns");
    check.is_index("best", best, z.rows());
    Call::run(*this, "argmax_rows", [&] { do_argmax_rows(best, z); });
}

void Backend::clone_loss(const CloneLoss& args) {
    const Operands check("clone_loss");
    check.has_dims("s", args.s, 2);
    check.is_dense("s", args.s);
    check.same_shape("t", args.t, args.s);
    check.has_shape("sum", args.sum, {1});
    if (args.d_s) {
        check.same_shape("d_s", args.d_s, args.s);
    }
    check.require(args.T > 0 && args.s.rows() % args.T == 0,
                  "the rows are not whole sequences of T");
    Call::run(*this, "clone_loss", [&] { do_clone_loss(args); });
}

void Backend::tap_moments(const View& column_sums, const View& square_sum, const View& x,
                          std::int64_t T, bool skip_first) {
    const Operands check("tap_moments");
    check.has_dims("x", x, 2);
    check.is_dense("x", x);
    check.has_shape("column_sums", column_sums, {x.cols()});
    check.has_shape("square_sum", square_sum, {1});
    check.require(T > 0 && x.rows() % T == 0, "the rows are not whole sequences of T");
    Call::run(*this, "tap_moments",
              [&] { do_tap_moments(column_sums, square_sum, x, T, skip_first); });
}

// ---- reductions and optimisers

void Backend::sum(const View& total, const View& x) {
    const Operands check("sum");
    check.is_dense("x", x);
    check.has_shape("total", total, {1});
    Call::run(*this, "sum", [&] { do_sum(total, x); });
}

void Backend::sum_squares(const View& total, const View& x) {
    const Operands check("sum_squares");
    check.is_dense("x", x);
    check.has_shape("total", total, {1});
    Call::run(*this, "sum_squares", [&] { do_sum_squares(total, x); });
}

void Backend::adamw(const View& p, const View& grad, const View& m, const View& v,
                    AdamWStep step) {
    const Operands check("adamw");
    check.is_dense("p", p);
    check.same_shape("grad", grad, p);
    check.same_shape("m", m, p);
    check.same_shape("v", v, p);
    Call::run(*this, "adamw", [&] { do_adamw(p, grad, m, v, step); });
}

void Backend::sgd(const View& p, const View& grad, float lr, float weight_decay,
                  float grad_scale) {
    const Operands check("sgd");
    check.is_dense("p", p);
    check.same_shape("grad", grad, p);
    Call::run(*this, "sgd", [&] { do_sgd(p, grad, lr, weight_decay, grad_scale); });
}

}  // namespace lrd
