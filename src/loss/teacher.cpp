// SPDX-License-Identifier: MIT
#include "loss/teacher.hpp"

#include <algorithm>
#include <numeric>

namespace lrd {

View TopK::lse_of(double tau) const {
    // A student's τ has passed through fp32 on its way to the head.
    const auto at = std::find_if(taus.begin(), taus.end(), [&](double one) {
        return static_cast<float>(one) == static_cast<float>(tau);
    });
    return at == taus.end() ? View{} : lse[static_cast<std::size_t>(at - taus.begin())];
}

OnlineTeacher::OnlineTeacher(Gpt2& model)
    : model_(model), clone_layers_(static_cast<std::size_t>(model.config().L)) {
    std::iota(clone_layers_.begin(), clone_layers_.end(), 0);
}

OnlineTeacher::OnlineTeacher(Gpt2& model, std::vector<std::int64_t> clone_layers)
    : model_(model), clone_layers_(std::move(clone_layers)) {}

bool OnlineTeacher::has_tap(std::int64_t layer, Tap) const {
    return std::binary_search(clone_layers_.begin(), clone_layers_.end(), layer);
}

}  // namespace lrd
