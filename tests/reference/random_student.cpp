// SPDX-License-Identifier: MIT
#include "reference/random_student.hpp"

#include <cmath>
#include <random>

namespace lrd::reference {
namespace {

class Numbers {
public:
    explicit Numbers(std::uint32_t seed) : engine_(seed) {}

    Matrix normal(std::size_t rows, std::size_t cols, double stddev, double mean = 0.0) {
        Matrix out(rows, cols);
        for (double& value : out.data) {
            value = static_cast<double>(static_cast<float>(mean + stddev * distribution_(engine_)));
        }
        return out;
    }

    std::int32_t token(std::size_t V) {
        return static_cast<std::int32_t>(engine_() % static_cast<std::uint32_t>(V));
    }

private:
    std::mt19937 engine_;
    std::normal_distribution<double> distribution_;
};

double spread(std::size_t width) { return 1.0 / std::sqrt(static_cast<double>(width)); }

Matrix near(const Matrix& x, Numbers& numbers, double stddev) {
    Matrix out = add(x, numbers.normal(x.rows, x.cols, stddev));
    for (double& value : out.data) {
        value = static_cast<double>(static_cast<float>(value));
    }
    return out;
}

std::vector<std::string> norm_names(const Sizes& sizes) {
    std::vector<std::string> out;
    for (std::size_t l = 0; l < sizes.L; ++l) {
        out.push_back("h." + std::to_string(l) + ".ln_1");
        out.push_back("h." + std::to_string(l) + ".ln_2");
    }
    out.push_back("ln_f");
    return out;
}

// The last channel carries the offset of all logits: ln_f is the constant 50 there, E is −2.
constexpr double offset_hidden = 50.0, offset_embedding = -2.0;

void add_outliers(const Sizes& sizes, Model& model) {
    for (std::size_t i = 0; i < 3; ++i) {
        model.at("wpe.weight")(0, i * (sizes.C - 1) / 3) *= 100.0;
    }
    model.at("ln_f.weight").data.back() = 0.0;
    model.at("ln_f.bias").data.back() = offset_hidden;
    Matrix& e = model.at("wte.weight");
    for (std::size_t i = 0; i < sizes.V; ++i) {
        e(i, sizes.C - 1) = offset_embedding;
    }
}

/// The first component of the factored embedding becomes the offset: Ce(:, 0) = 1, De(0, C−1) = −2.
void offset_factored_embedding(Model& model) {
    Matrix& ce = model.at("wte.Ce");
    Matrix& de = model.at("wte.De");
    for (std::size_t i = 0; i < ce.rows; ++i) {
        ce(i, 0) = 1.0;
    }
    for (std::size_t k = 0; k < de.rows; ++k) {
        de(k, de.cols - 1) = k == 0 ? offset_embedding : 0.0;
    }
}

}  // namespace

Matrix random_matrix(std::size_t rows, std::size_t cols, double stddev, std::uint32_t seed) {
    return Numbers(seed).normal(rows, cols, stddev);
}

Model random_teacher(const Sizes& sizes, std::uint32_t seed, Teacher kind) {
    Numbers numbers(seed);
    Model model;
    model["wte.weight"] = numbers.normal(sizes.V, sizes.C, 0.5);
    model["wpe.weight"] = numbers.normal(sizes.T, sizes.C, 0.3);
    for (const std::string& name : norm_names(sizes)) {
        model[name + ".weight"] = numbers.normal(1, sizes.C, 0.2, 1.0);
        model[name + ".bias"] = numbers.normal(1, sizes.C, 0.2);
    }
    for (const LinearSize& linear : linear_sizes(sizes)) {
        model[linear.name + ".weight"] = numbers.normal(linear.n, linear.m, 1.2 * spread(linear.n));
        model[linear.name + ".bias"] = numbers.normal(1, linear.m, 0.2);
    }
    if (kind == Teacher::outlier) {
        add_outliers(sizes, model);
    }
    return model;
}

Model random_student(const Sizes& sizes, const Model& teacher, const std::vector<LinearForm>& forms,
                     std::size_t embedding_rank, std::uint32_t seed, Teacher kind) {
    Numbers numbers(seed);
    Model model;
    for (const auto& [name, value] : teacher) {
        if (is_vector(name) || name == "wpe.weight") {
            model[name] = near(value, numbers, 0.1);
        }
    }
    if (embedding_rank == 0) {
        model["wte.weight"] = near(teacher.at("wte.weight"), numbers, 0.1);
    } else {
        model["wte.Ce"] = numbers.normal(sizes.V, embedding_rank, 0.6);
        model["wte.De"] = numbers.normal(embedding_rank, sizes.C, 0.6);
        if (kind == Teacher::outlier) {
            offset_factored_embedding(model);
        }
    }
    const std::vector<LinearSize> linears = linear_sizes(sizes);
    for (std::size_t i = 0; i < linears.size(); ++i) {
        const auto& [name, m, n] = linears[i];
        const auto& [form, r] = forms[forms.size() == 1 ? 0 : i];
        if (form == "lifted") {
            model[name + ".P_l"] = numbers.normal(r, m, spread(m));
            model[name + ".P_r"] = numbers.normal(n, r, spread(n));
        } else if (form == "factored") {
            model[name + ".A"] = numbers.normal(m, r, spread(r));
            model[name + ".B"] = numbers.normal(r, n, spread(n));
        } else {
            model[name + ".weight"] = near(teacher.at(name + ".weight"), numbers, 0.1);
        }
    }
    return model;
}

Batch random_batch(const Sizes& sizes, std::size_t B, std::size_t T, std::uint32_t seed,
                   bool padding) {
    Numbers numbers(seed);
    Batch batch{B, T, Ids(B * T), Ids(B * T)};
    for (std::size_t i = 0; i < B * T; ++i) {
        batch.ids[i] = numbers.token(sizes.V);
        batch.labels[i] = padding && i % 5 == 4 ? -1 : numbers.token(sizes.V);
    }
    return batch;
}

}  // namespace lrd::reference
