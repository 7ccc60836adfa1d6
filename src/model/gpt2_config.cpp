// SPDX-License-Identifier: MIT
#include "model/gpt2_config.hpp"

#include <fmt/core.h>

namespace lrd {

LinearShape linear_shape(const Gpt2Config& c, std::int64_t layer, Linear linear) {
    const std::string block = fmt::format("h.{}.", layer);
    switch (linear) {
        case Linear::c_attn: return {block + "attn.c_attn", 3 * c.attention_width(), c.C};
        case Linear::attn_c_proj: return {block + "attn.c_proj", c.C, c.attention_width()};
        case Linear::c_fc: return {block + "mlp.c_fc", c.F, c.C};
        case Linear::mlp_c_proj: return {block + "mlp.c_proj", c.C, c.F};
    }
    return {};
}

std::vector<LinearShape> linear_shapes(const Gpt2Config& config) {
    std::vector<LinearShape> shapes;
    for (std::int64_t l = 0; l < config.L; ++l) {
        for (int i = 0; i < linears_per_layer; ++i) {
            shapes.push_back(linear_shape(config, l, static_cast<Linear>(i)));
        }
    }
    return shapes;
}

}  // namespace lrd
