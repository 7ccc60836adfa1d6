// SPDX-License-Identifier: MIT
// The checks above every device: losses, reductions and optimisers.
#include "kernels/backend.hpp"
#include "kernels/backend_call.hpp"
#include "kernels/op_costs.hpp"
#include "kernels/operands.hpp"

namespace lrd {

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
    if (args.top_ids || args.top_z || args.lse) {
        check.require(!args.z_t, "z_t and top_ids exclude each other");
        check.has_dims("top_z", args.top_z, 2);
        const std::int64_t k = args.top_z.cols();
        check.require(k > 0 && k <= args.z_s.cols(), "K is not in [1, V]");
        check.has_shape("top_z", args.top_z, {rows, k});
        check.is_index("top_ids", args.top_ids, rows, k);
        check.has_shape("lse", args.lse, {rows});
    }
    if (args.d_z) {
        check.has_shape("d_z", args.d_z, {rows, args.z_s.cols()});
    }
    check.is_index("labels", args.labels, rows);
    check.has_shape("kd", args.kd, {rows});
    check.has_shape("lm", args.lm, {rows});
    Call::run(*this, "head_loss", cost_of(args), [&] { do_head_loss(args); });
}

void Backend::argmax_rows(const View& best, const View& z) {
    const Operands check("argmax_rows");
    check.has_dims("z", z, 2);
    check.is_dense("z", z);
    check.require(z.cols() > 0, "z has no columns");
    check.is_index("best", best, z.rows());
    Call::run(*this, "argmax_rows", per_element(1.0, z, best), [&] { do_argmax_rows(best, z); });
}

void Backend::top_k(const View& values, const View& ids, const View& z) {
    const Operands check("top_k");
    check.has_dims("z", z, 2);
    check.is_dense("z", z);
    check.has_dims("values", values, 2);
    const std::int64_t k = values.cols();
    check.require(k > 0 && k <= z.cols(), "K is not in [1, V]");
    check.has_shape("values", values, {z.rows(), k});
    check.is_index("ids", ids, z.rows(), k);
    Call::run(*this, "top_k", per_element(1.0, z, values, ids), [&] { do_top_k(values, ids, z); });
}

void Backend::log_sum_exp(const View& lse, const View& z, float tau) {
    const Operands check("log_sum_exp");
    check.has_dims("z", z, 2);
    check.is_dense("z", z);
    check.require(z.cols() > 0, "z has no columns");
    check.require(tau > 0.0F, "tau is not above 0");
    check.has_shape("lse", lse, {z.rows()});
    Call::run(*this, "log_sum_exp", per_element(4.0, z, lse), [&] { do_log_sum_exp(lse, z, tau); });
}

void Backend::label_ranks(const View& ranks, const View& z, const View& labels) {
    const Operands check("label_ranks");
    check.has_dims("z", z, 2);
    check.is_dense("z", z);
    check.is_index("ranks", ranks, z.rows());
    check.is_index("labels", labels, z.rows());
    Call::run(*this, "label_ranks", per_element(1.0, z, ranks, labels),
              [&] { do_label_ranks(ranks, z, labels); });
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
    check.is_starts(args.starts, args.s.rows());
    Call::run(*this, "clone_loss", cost_of(args), [&] { do_clone_loss(args); });
}

void Backend::tap_moments(const View& column_sums, const View& square_sum, const View& x,
                          std::int64_t T, bool skip_first, const View& starts) {
    const Operands check("tap_moments");
    check.has_dims("x", x, 2);
    check.is_dense("x", x);
    check.has_shape("column_sums", column_sums, {x.cols()});
    check.has_shape("square_sum", square_sum, {1});
    check.require(T > 0 && x.rows() % T == 0, "the rows are not whole sequences of T");
    check.is_starts(starts, x.rows());
    Call::run(*this, "tap_moments", per_element(3.0, x, column_sums, column_sums, starts),
              [&] { do_tap_moments(column_sums, square_sum, x, T, skip_first, starts); });
}

// ---- reductions and optimisers

void Backend::sum(const View& total, const View& x) {
    const Operands check("sum");
    check.is_dense("x", x);
    check.has_shape("total", total, {1});
    Call::run(*this, "sum", per_element(1.0, x), [&] { do_sum(total, x); });
}

void Backend::sum_squares(const View& total, const View& x) {
    const Operands check("sum_squares");
    check.is_dense("x", x);
    check.has_shape("total", total, {1});
    Call::run(*this, "sum_squares", per_element(2.0, x), [&] { do_sum_squares(total, x); });
}

void Backend::adamw(const View& p, const View& grad, const View& m, const View& v, AdamWStep step) {
    const Operands check("adamw");
    check.is_dense("p", p);
    check.same_shape("grad", grad, p);
    check.same_shape("m", m, p);
    check.same_shape("v", v, p);
    Call::run(*this, "adamw", per_element(op_flops::adamw, p, p, grad, m, m, v, v),
              [&] { do_adamw(p, grad, m, v, step); });
}

void Backend::sgd(const View& p, const View& grad, float lr, float weight_decay, float grad_scale) {
    const Operands check("sgd");
    check.is_dense("p", p);
    check.same_shape("grad", grad, p);
    Call::run(*this, "sgd", per_element(op_flops::sgd, p, p, grad),
              [&] { do_sgd(p, grad, lr, weight_decay, grad_scale); });
}

}  // namespace lrd
