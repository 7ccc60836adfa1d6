// SPDX-License-Identifier: MIT
#include "optim/optimiser.hpp"

#include <cmath>

#include "optim/schedule.hpp"

namespace lrd {

Optimiser::Optimiser(Weights& weights, const std::string& name, OptimSettings settings,
                     std::int64_t steps)
    : weights_(weights),
      settings_(std::move(settings)),
      steps_(steps),
      arena_(weights.backend(), name + " optimiser") {
    if (settings_.kind != "adamw") {
        return;
    }
    for (Tensors* moment : {&m_, &v_}) {
        *moment = {&weights.trained(), arena_.region(moment == &m_ ? "m" : "v", DType::f32,
                                                     {weights.trained().flat_size()})};
        weights.backend().zero(moment->flat);
    }
}

void Optimiser::sum_squares(const View& total) const {
    weights_.backend().sum_squares(total, weights_.gradients().flat);
}

double Optimiser::update(std::int64_t s, double norm) {
    const double lr = learning_rate(settings_, steps_, s);
    const double clip = settings_.clip;
    const auto grad_scale = static_cast<float>(clip > 0.0 && norm > clip ? clip / norm : 1.0);
    ++updates_;
    if (settings_.kind == "adamw") {
        adamw(static_cast<float>(lr), grad_scale);
    } else {
        sgd(static_cast<float>(lr), grad_scale);
    }
    return lr;
}

void Optimiser::adamw(float lr, float grad_scale) {
    const auto t = static_cast<double>(updates_);
    AdamWStep step{.lr = lr,
                   .beta1 = static_cast<float>(settings_.beta1),
                   .beta2 = static_cast<float>(settings_.beta2),
                   .eps = static_cast<float>(settings_.eps),
                   .weight_decay = static_cast<float>(settings_.weight_decay),
                   .correction1 = static_cast<float>(1.0 - std::pow(settings_.beta1, t)),
                   .correction2 = static_cast<float>(1.0 - std::pow(settings_.beta2, t)),
                   .grad_scale = grad_scale};
    const View& p = weights_.parameters().flat;
    const View& g = weights_.gradients().flat;
    const std::int64_t matrices = weights_.trained().decay_end();
    const auto part = [&](std::int64_t begin, std::int64_t end) {
        if (begin < end) {
            weights_.backend().adamw(p.slice(begin, end), g.slice(begin, end),
                                     m_.flat.slice(begin, end), v_.flat.slice(begin, end), step);
        }
    };
    part(0, matrices);
    step.weight_decay = 0.0F;
    part(matrices, p.size());
}

void Optimiser::sgd(float lr, float grad_scale) {
    const View& p = weights_.parameters().flat;
    const View& g = weights_.gradients().flat;
    const std::int64_t matrices = weights_.trained().decay_end();
    const auto decay = static_cast<float>(settings_.weight_decay);
    weights_.backend().sgd(p.slice(0, matrices), g.slice(0, matrices), lr, decay, grad_scale);
    weights_.backend().sgd(p.slice(matrices, p.size()), g.slice(matrices, p.size()), lr, 0.0F,
                           grad_scale);
}

}  // namespace lrd
