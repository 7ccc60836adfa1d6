// SPDX-License-Identifier: MIT
#include "model/initialise.hpp"

#include <cmath>
#include <optional>

#include "core/check.hpp"
#include "core/random.hpp"
#include "linalg/svd.hpp"
#include "model/merge.hpp"

namespace lrd {
namespace {

std::vector<float> download(const Weights& weights, const std::string& name) {
    const View x = weights.parameters()(name);
    std::vector<float> host(static_cast<std::size_t>(x.size()));
    weights.backend().download(host.data(), x);
    weights.backend().synchronize();
    return host;
}

void upload(const Weights& weights, const std::string& name, const std::vector<float>& host) {
    const View x = weights.parameters()(name);
    LRD_CHECK(x.size() == static_cast<std::int64_t>(host.size()), "{}: {} values for {}", name,
              host.size(), x.describe());
    weights.backend().upload(x, host.data());
    weights.backend().synchronize();
}

/// Factors of W ≈ L R from the leading r triples, L: m × r, R: r × n, row-major; σ^left goes to L.
struct Factors {
    std::vector<float> left, right;
};

Factors factors(const Svd& d, std::int64_t r, double left_power, double right_power) {
    Factors f{std::vector<float>(static_cast<std::size_t>(d.m * r)),
              std::vector<float>(static_cast<std::size_t>(r * d.n))};
    for (std::int64_t k = 0; k < r; ++k) {
        const double sigma = d.s[static_cast<std::size_t>(k)];
        const double a = std::pow(sigma, left_power);
        const double b = std::pow(sigma, right_power);
        for (std::int64_t i = 0; i < d.m; ++i) {
            f.left[static_cast<std::size_t>(i * r + k)] =
                static_cast<float>(a * d.u[static_cast<std::size_t>(i * d.k + k)]);
        }
        for (std::int64_t j = 0; j < d.n; ++j) {
            f.right[static_cast<std::size_t>(k * d.n + j)] =
                static_cast<float>(b * d.vt[static_cast<std::size_t>(k * d.n + j)]);
        }
    }
    return f;
}

/// The SVD of a teacher's matrix, taken when the first student asks.
class LazySvd {
public:
    /// W is (rows, cols) as stored, or its transpose.
    LazySvd(const Weights& teacher, std::string name, bool transpose)
        : teacher_(teacher), name_(std::move(name)), transpose_(transpose) {}

    const Svd& get() {
        if (!svd_) {
            const View w = teacher_.parameters()(name_);
            std::vector<float> host = download(teacher_, name_);
            if (transpose_) {
                host = transposed(host, w.rows(), w.cols());
            }
            svd_ = svd({host.begin(), host.end()}, transpose_ ? w.cols() : w.rows(),
                       transpose_ ? w.rows() : w.cols());
        }
        return *svd_;
    }

private:
    const Weights& teacher_;
    std::string name_;
    bool transpose_;
    std::optional<Svd> svd_;
};

void linear_from_svd(const Weights& student, const Form& form, LazySvd& source) {
    const std::string& name = form.shape().name;
    if (form.kind() == "factored") {  // A = U √Σ, B = √Σ Vᵀ
        const Factors f = factors(source.get(), form.rank(), 0.5, 0.5);
        upload(student, name + ".A", f.left);
        upload(student, name + ".B", f.right);
    } else if (form.kind() == "lifted") {  // P_l = U_rᵀ, P_r = V_r
        const Factors f = factors(source.get(), form.rank(), 0.0, 0.0);
        upload(student, name + ".P_l", transposed(f.left, form.shape().m, form.rank()));
        upload(student, name + ".P_r", transposed(f.right, form.rank(), form.shape().n));
    }
}

/// Tensors that the teacher has under the same name (biases, LayerNorms, positions, dense parts).
void copy_common(const Weights& student, const Weights& teacher) {
    for (const Parameter& p : student.trained().all()) {
        if (teacher.trained().has(p.name)) {
            LRD_CHECK(teacher.trained().find(p.name).same_shape(p), "{} differs in shape", p.name);
            student.backend().copy(student.parameters().view(p), teacher.parameters()(p.name));
        }
    }
}

double spread_of(const Weights& student, const Parameter& p) {
    constexpr double sigma = 0.02;  // GPT-2's
    const Gpt2Config& c = student.config();
    if (p.name == "wpe.weight") {
        return 0.01;
    }
    if (p.name == "wte.weight" || p.name == "lm_head.weight") {
        return sigma;
    }
    if (p.name.ends_with(".Ce") ||
        p.name.ends_with(".De")) {  // var of a product of rank r: r σ₁² σ₂²
        return std::sqrt(sigma / std::sqrt(static_cast<double>(student.embedding().rank())));
    }
    // Output projections are smaller by 1/√(2L), so that the residual stream keeps its size.
    const bool projects = p.name.find("c_proj") != std::string::npos;
    const double target = projects ? sigma / std::sqrt(2.0 * static_cast<double>(c.L)) : sigma;
    if (p.name.ends_with(".A") || p.name.ends_with(".B")) {
        const auto r = static_cast<double>(p.name.ends_with(".A") ? p.cols : p.rows);
        return std::sqrt(target / std::sqrt(r));
    }
    if (p.name.ends_with(".P_l")) {  // rows near orthonormal, as in the SVD init
        return 1.0 / std::sqrt(static_cast<double>(p.cols));
    }
    if (p.name.ends_with(".P_r")) {
        return 1.0 / std::sqrt(static_cast<double>(p.rows));
    }
    return target;
}

void initialise_random(const Weights& student, std::int64_t seed) {
    for (const Parameter& p : student.trained().all()) {
        std::vector<float> host(static_cast<std::size_t>(p.size()), 0.0F);
        if (!p.vector) {
            Random(static_cast<std::uint64_t>(seed), "init " + p.name)
                .normal(host, 0.0, spread_of(student, p));
        } else if (p.name.ends_with(".weight")) {
            std::fill(host.begin(), host.end(), 1.0F);  // LayerNorm
        }
        upload(student, p.name, host);
    }
}

}  // namespace

void initialise(const std::vector<Initialisation>& students, const Weights* teacher) {
    LRD_CHECK(teacher == nullptr || is_dense(teacher->architecture()),
              "a teacher is merged before students start from it");
    std::vector<const Weights*> from_svd;
    for (const Initialisation& one : students) {
        if (one.init == "random") {
            initialise_random(*one.student, one.seed);
        } else {
            LRD_CHECK(one.init == "svd" && teacher != nullptr, "init {}", one.init);
            copy_common(*one.student, *teacher);
            from_svd.push_back(one.student);
        }
    }
    if (from_svd.empty()) {
        return;
    }
    for (const std::string& table : teacher->embedding().tables()) {
        LazySvd embedding(*teacher, table + ".weight", false);
        for (const Weights* student : from_svd) {
            if (const std::int64_t re = student->embedding().rank(); re > 0) {
                const Factors f = factors(embedding.get(), re, 0.5, 0.5);
                upload(*student, table + ".Ce", f.left);
                upload(*student, table + ".De", f.right);
            }
        }
    }
    for (std::int64_t l = 0; l < teacher->config().L; ++l) {
        for (int i = 0; i < linears_per_layer; ++i) {
            const auto linear = static_cast<Linear>(i);
            LazySvd source(*teacher, linear_shape(teacher->config(), l, linear).name + ".weight",
                           true);
            for (const Weights* student : from_svd) {
                linear_from_svd(*student, student->form(l, linear), source);
            }
        }
    }
}

}  // namespace lrd
