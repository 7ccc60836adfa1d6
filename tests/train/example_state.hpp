// SPDX-License-Identifier: MIT
// A little state with every part of a real one, for the tests of checkpoints.
#pragma once

#include <memory>
#include <numeric>
#include <vector>

#include "core/arena.hpp"
#include "train/checkpoint.hpp"

namespace lrd::test {

class ExampleState {
public:
    /// Tensors filled with different numbers, or zeros with seed 0.
    explicit ExampleState(Backend& backend, float seed = 1.0F, std::int64_t rows = 300)
        : backend_(backend), arena_(backend, "example") {
        for (const char* part : {"model", "optim/m", "optim/v"}) {
            const std::string group = std::string("/students/lrc/") + part + "/";
            add(group + "h.0.attn.c_attn.P_l", arena_.region(part, DType::f32, {rows, 70}));
            add(group + "ln_f.weight", arena_.region(part, DType::f32, {7}));
        }
        add("/data/positions", arena_.region("positions", DType::i32, {5}));
        fill(seed);
    }

    void fill(float seed) {
        for (const NamedTensor& tensor : tensors) {
            std::vector<float> values(static_cast<std::size_t>(tensor.view.size()), 0.0F);
            if (seed != 0.0F) {
                std::iota(values.begin(), values.end(), seed);
            }
            backend_.upload(tensor.view, values.data());
            backend_.synchronize();
            seed *= 1.5F;
        }
    }

    /// The bits of all tensors, one after the other.
    std::string bits() const {
        std::string all;
        for (const NamedTensor& tensor : tensors) {
            std::string bytes(tensor.view.bytes(), '\0');
            backend_.download(bytes.data(), tensor.view);
            backend_.synchronize();
            all += bytes;
        }
        return all;
    }

    std::vector<NamedTensor> tensors;
    Json state = Json::object({{"step", 7}, {"teacher", "runs/teacher"}, {"loss", 0.1}});
    Provenance provenance{2, "[run]\nseed = 1\n", "0123", "lrd 0.1.0"};

private:
    void add(const std::string& path, const View& view) { tensors.push_back({path, view}); }

    Backend& backend_;
    Arena arena_;
};

}  // namespace lrd::test
