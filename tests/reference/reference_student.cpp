// SPDX-License-Identifier: MIT
#include "reference/reference_student.hpp"

#include <algorithm>
#include <cmath>

#include "reference/forms.hpp"

namespace lrd::reference {
namespace {

const Vector& vector_of(const Model& model, const std::string& name) { return model.at(name).data; }

Matrix row_of(const Vector& x) {
    Matrix out(1, x.size());
    out.data = x;
    return out;
}

Matrix first_rows(const Matrix& x, std::size_t rows) {
    Matrix out(rows, x.cols);
    out.data.assign(x.data.begin(), x.data.begin() + static_cast<std::ptrdiff_t>(rows * x.cols));
    return out;
}

/// What a block keeps for its backward pass, by the names of the equations.
struct Block {
    Matrix h_in, x_1, qkv, att, h_mid, x_2, fc, act;
};

/// One model on one batch; values of the forward pass stay for the backward pass.
class Network {
public:
    Network(const Sizes& sizes, const Model& model, const Model& teacher, const Batch& batch)
        : sizes_(sizes), model_(model), teacher_(teacher), batch_(batch) {}

    const Pass& forward() {
        embedding_ = merged_embedding(model_);
        h_ = add_positions(embed(embedding_, batch_.ids),
                           first_rows(model_.at("wpe.weight"), batch_.T));
        h_ = dropout(h_, drop(0, Place::embedding));
        for (std::size_t l = 0; l < sizes_.L; ++l) {
            block_forward(l, "h." + std::to_string(l) + ".");
        }
        pass_.hidden = norm("ln_f", h_);
        pass_.logits = matmul(pass_.hidden, transpose(embedding_));
        return pass_;
    }

    /// d_taps in the order of Pass::taps.
    Model backward(const Matrix& d_logits, const std::vector<Matrix>& d_taps) {
        Matrix d_e = matmul(transpose(d_logits), pass_.hidden);
        Matrix d_h = norm_backward("ln_f", matmul(d_logits, embedding_), h_);
        for (std::size_t l = sizes_.L; l-- > 0;) {
            d_h = add(d_h, d_taps[2 * l]);
            const std::string block = "h." + std::to_string(l) + ".";
            d_h = block_backward(l, block, blocks_[l], d_h, d_taps[2 * l + 1]);
        }
        d_h = dropout(d_h, drop(0, Place::embedding));
        d_e = add(d_e, embed_backward(d_h, batch_.ids, sizes_.V));
        pull_back_embedding(model_, d_e, gradient_);
        Matrix d_positions(sizes_.T, sizes_.C);  // positions beyond T of the batch have none
        const Matrix used = add_positions_backward(d_h, batch_.T);
        std::copy(used.data.begin(), used.data.end(), d_positions.data.begin());
        gradient_["wpe.weight"] = d_positions;
        return gradient_;
    }

private:
    /// The places of a model where it drops, in the order of its enumeration.
    enum class Place : std::uint32_t { embedding, probabilities, attention, mlp };
    Drop drop(std::size_t layer, Place place) const {
        const auto key =
            philox({static_cast<std::uint32_t>(layer), static_cast<std::uint32_t>(place), 0, 0},
                   {static_cast<std::uint32_t>(batch_.drop.key),
                    static_cast<std::uint32_t>(batch_.drop.key >> 32)});
        return {batch_.drop.rate, (std::uint64_t{key[0]} << 32) | key[1], batch_.drop.first_row};
    }

    void block_forward(std::size_t l, const std::string& block) {
        Block b;
        b.h_in = h_;
        b.x_1 = norm(block + "ln_1", b.h_in);
        b.qkv = linear(block + "attn.c_attn", b.x_1);
        b.att = attention(b.qkv, heads(), drop(l, Place::probabilities)).y;
        const Matrix a = dropout(linear(block + "attn.c_proj", b.att), drop(l, Place::attention));
        b.h_mid = add(b.h_in, a);
        b.x_2 = norm(block + "ln_2", b.h_mid);
        b.fc = linear(block + "mlp.c_fc", b.x_2);
        b.act = gelu(b.fc);
        h_ = add(b.h_mid, dropout(linear(block + "mlp.c_proj", b.act), drop(l, Place::mlp)));
        pass_.taps.push_back(h_);
        pass_.taps.push_back(a);
        blocks_.push_back(std::move(b));
    }

    Matrix block_backward(std::size_t l, const std::string& block, const Block& b,
                          const Matrix& d_h, const Matrix& d_tap_a) {
        const Matrix d_act =
            linear_backward(block + "mlp.c_proj", dropout(d_h, drop(l, Place::mlp)), b.act);
        const Matrix d_x_2 = linear_backward(block + "mlp.c_fc", gelu_backward(d_act, b.fc), b.x_2);
        const Matrix d_h_mid = add(d_h, norm_backward(block + "ln_2", d_x_2, b.h_mid));
        const Matrix d_a = dropout(add(d_h_mid, d_tap_a), drop(l, Place::attention));
        const Matrix d_att = linear_backward(block + "attn.c_proj", d_a, b.att);
        const Matrix d_qkv =
            attention_backward(d_att, b.qkv, heads(), drop(l, Place::probabilities));
        const Matrix d_x_1 = linear_backward(block + "attn.c_attn", d_qkv, b.x_1);
        return add(d_h_mid, norm_backward(block + "ln_1", d_x_1, b.h_in));
    }

    Matrix linear(const std::string& name, const Matrix& x) const {
        return matmul(x, merged(model_, teacher_, name), vector_of(model_, name + ".bias"));
    }

    Matrix linear_backward(const std::string& name, const Matrix& d_y, const Matrix& x) {
        gradient_[name + ".bias"] = row_of(column_sums(d_y));
        pull_back(model_, teacher_, name, matmul(transpose(x), d_y), gradient_);
        return matmul(d_y, transpose(merged(model_, teacher_, name)));
    }

    Matrix norm(const std::string& name, const Matrix& x) const {
        return layernorm(x, {}, vector_of(model_, name + ".weight"),
                         vector_of(model_, name + ".bias"))
            .y;
    }

    Matrix norm_backward(const std::string& name, const Matrix& d_y, const Matrix& x) {
        const LayerNormGradient g = layernorm_backward(d_y, x, vector_of(model_, name + ".weight"));
        gradient_[name + ".weight"] = row_of(g.d_gamma);
        gradient_[name + ".bias"] = row_of(g.d_beta);
        return g.d_h;
    }

    Heads heads() const { return {batch_.B, batch_.T, sizes_.H, sizes_.D}; }

    const Sizes& sizes_;
    const Model& model_;
    const Model& teacher_;
    const Batch& batch_;
    Matrix embedding_, h_;
    std::vector<Block> blocks_;
    Pass pass_;
    Model gradient_;
};

std::size_t counted_rows(const Batch& batch, bool skip_first) {
    return batch.B * (skip_first ? batch.T - 1 : batch.T);
}

/// What Σ(s−t)² of a tap is multiplied with.
double tap_factor(const Losses& losses, std::size_t C, std::size_t rows, double variance) {
    if (losses.reduction == "mean") {
        return 1.0 / static_cast<double>(rows * C);
    }
    return 1.0 / (static_cast<double>(rows) * (losses.reduction == "sum" ? 1.0 : variance));
}

/// Where the losses meet the student: gradients of its logits and of its taps.
struct Slopes {
    Matrix d_logits;
    std::vector<Matrix> d_taps;
};

DistillStep measure(Network& network, const Losses& losses, const Sizes& sizes,
                    const Model& teacher, const Batch& batch, const Vector& variance,
                    Slopes& slopes) {
    DistillStep out{};
    const bool taught = !teacher.empty();
    if (taught) {
        out.teacher = forward(sizes, teacher, teacher, undropped(batch));
    }
    out.student = network.forward();
    const double rows = static_cast<double>(batch.ids.size());
    HeadLossResult head = head_loss(out.student.logits, out.teacher.logits, batch.labels,
                                    losses.tau, losses.kd, losses.lm, 1.0 / rows);
    out.kd = sum(head.kd) / rows;
    out.lm = sum(head.lm) / rows;
    slopes.d_logits = std::move(head.d_z);
    for (std::size_t i = 0; i < 2 * sizes.L; ++i) {
        if (!taught) {
            slopes.d_taps.emplace_back(batch.ids.size(), sizes.C);
            continue;
        }
        const double factor = tap_factor(losses, sizes.C, counted_rows(batch, losses.skip_first),
                                         variance.empty() ? 1.0 : variance[i]);
        const CloneResult clone = clone_loss(out.student.taps[i], out.teacher.taps[i], batch.T,
                                             losses.skip_first, 2.0 * losses.clone * factor);
        out.clone_tap.push_back(factor * clone.sum);
        slopes.d_taps.push_back(clone.d_s);
    }
    out.clone = sum(out.clone_tap);
    out.loss = losses.kd * out.kd + losses.lm * out.lm + losses.clone * out.clone;
    return out;
}

double norm_of(const Model& gradient) {
    double squares = 0.0;
    for (const auto& [name, g] : gradient) {
        squares += sum_squares(g.data);
    }
    return std::sqrt(squares);
}

}  // namespace

Batch undropped(Batch batch) {
    batch.drop = {};
    return batch;
}

bool is_vector(const std::string& name) {
    return name.ends_with(".bias") || name.find("ln_") != std::string::npos;
}

std::vector<LinearSize> linear_sizes(const Sizes& s) {
    std::vector<LinearSize> out;
    for (std::size_t l = 0; l < s.L; ++l) {
        const std::string block = "h." + std::to_string(l) + ".";
        out.push_back({block + "attn.c_attn", 3 * s.H * s.D, s.C});
        out.push_back({block + "attn.c_proj", s.C, s.H * s.D});
        out.push_back({block + "mlp.c_fc", s.F, s.C});
        out.push_back({block + "mlp.c_proj", s.C, s.F});
    }
    return out;
}

Pass forward(const Sizes& sizes, const Model& model, const Model& teacher, const Batch& batch) {
    return Network(sizes, model, teacher, batch).forward();
}

DistillStep distill(const Sizes& sizes, const Losses& losses, const Model& student,
                    const Model& teacher, const Batch& batch, const Vector& variance) {
    Network network(sizes, student, teacher, batch);
    Slopes slopes;
    DistillStep out = measure(network, losses, sizes, teacher, batch, variance, slopes);
    out.gradient = network.backward(slopes.d_logits, slopes.d_taps);
    out.grad_norm = norm_of(out.gradient);
    return out;
}

double distill_loss(const Sizes& sizes, const Losses& losses, const Model& student,
                    const Model& teacher, const Batch& batch, const Vector& variance) {
    Network network(sizes, student, teacher, batch);
    Slopes slopes;
    return measure(network, losses, sizes, teacher, batch, variance, slopes).loss;
}

Vector tap_variance(const Sizes& sizes, const Model& teacher, const Batch& batch, bool skip_first) {
    Vector out;
    const double rows = static_cast<double>(counted_rows(batch, skip_first));
    for (const Matrix& tap : forward(sizes, teacher, teacher, undropped(batch)).taps) {
        const Moments moments = tap_moments(tap, batch.T, skip_first);
        out.push_back(moments.square_sum / rows - sum_squares(moments.column_sums) / (rows * rows));
    }
    return out;
}

void update(Model& student, const Model& gradient, AdamWState& state) {
    ++state.updates;
    AdamW step{state.lr,
               state.beta1,
               state.beta2,
               state.eps,
               0.0,
               1.0 - std::pow(state.beta1, state.updates),
               1.0 - std::pow(state.beta2, state.updates),
               std::min(1.0, state.clip / norm_of(gradient))};
    for (auto& [name, p] : student) {
        Vector& m = state.m.try_emplace(name, p.rows, p.cols).first->second.data;
        Vector& v = state.v.try_emplace(name, p.rows, p.cols).first->second.data;
        step.weight_decay = is_vector(name) ? 0.0 : state.weight_decay;
        adamw(p.data, gradient.at(name).data, m, v, step);
    }
}

}  // namespace lrd::reference
