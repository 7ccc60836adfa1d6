// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "core/random.hpp"
#include "kernels/backend.hpp"

namespace lrd {

/// Where GPT-2 drops: token embedding + position; attention's probabilities; the outputs of
/// attn.c_proj and of mlp.c_proj.
enum class DropoutPlace : std::uint32_t { embedding, probabilities, attention, mlp };

/// The dropout of one model. Its masks are a function of (seed, name, layer, place, sample,
/// position, column) alone; the sample's number counts through the whole run, so the step is in it.
struct ModelDropout {
    float rate = 0.0F;
    std::uint64_t key = 0;
    std::int64_t first_row = 0;  // of the batch: number of its first sample, times T

    static std::uint64_t key_of(std::int64_t seed, const std::string& name) {
        return Random(static_cast<std::uint64_t>(seed), "dropout " + name).bits(0);
    }
    /// `layer` 0 for the embedding.
    Dropout at(std::int64_t layer, DropoutPlace place) const {
        const auto words =
            philox({static_cast<std::uint32_t>(layer), static_cast<std::uint32_t>(place), 0, 0},
                   {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)});
        return {rate, (std::uint64_t{words[0]} << 32) | words[1], first_row};
    }
};

}  // namespace lrd
