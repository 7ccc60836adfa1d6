// SPDX-License-Identifier: MIT
// generate_speed THREADS: tokens/s of greedy generation with the cache and, in turns with it, by a
// whole forward pass for every token; a GPT-2-small-shaped teacher and a student of rank 58 with
// random weights. Prints one JSON value a model; fails if the two make other ids.
#include <fmt/core.h>
#include <omp.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "core/log.hpp"
#include "core/random.hpp"
#include "model/generation.hpp"

namespace {

using namespace lrd;

constexpr std::int64_t new_tokens = 16;
constexpr int turns = 2;

void fill(Weights& weights) {
    for (const Parameter& p : weights.trained().all()) {
        std::vector<float> host(static_cast<std::size_t>(p.size()));
        Random(1, p.name).normal(host, p.vector && p.name.ends_with("weight") ? 1.0 : 0.0, 0.05);
        weights.backend().upload(weights.parameters().view(p), host.data());
    }
    weights.materialise();
}

class Recompute {
public:
    explicit Recompute(Weights& weights, std::int64_t room)
        : backend_(weights.backend()),
          gpt2_(weights, "recompute", {1, room}, false),
          arena_(backend_, "recompute"),
          ids_(arena_.region("ids", DType::i32, {room})),
          z_(arena_.region("z", DType::f32, {1, weights.config().V})) {}

    TokenIds operator()(const TokenIds& prompt) {
        TokenIds ids = prompt;
        std::vector<float> host(static_cast<std::size_t>(z_.size()));
        for (std::int64_t i = 0; i < new_tokens; ++i) {
            const auto n = static_cast<std::int64_t>(ids.size());
            backend_.upload(ids_.slice(0, n), ids.data());
            gpt2_.forward(ids_.slice(0, n), {1, n});
            gpt2_.logits(z_, n - 1, n);
            backend_.download(host.data(), z_);
            backend_.synchronize();
            ids.push_back(sample(host, {.temperature = 0.0}, 0.0));
        }
        return {ids.begin() + static_cast<std::ptrdiff_t>(prompt.size()), ids.end()};
    }

private:
    Backend& backend_;
    Gpt2 gpt2_;
    Arena arena_;
    View ids_, z_;
};

bool measure(const std::string& name, const Architecture& architecture) {
    const std::unique_ptr<Backend> backend = make_backend("cpu");
    Weights weights(*backend, name, architecture, Use::inference);
    fill(weights);
    bool same = true;
    for (const std::size_t length : {32U, 256U}) {
        const std::vector<TokenIds> prompts{TokenIds(length, 17)};
        const auto room = static_cast<std::int64_t>(length) + new_tokens;
        Decoder decoder(weights, name, room_for(weights.config(), prompts, new_tokens, 1));
        Recompute recompute(weights, room);
        const GenerationSettings settings{{.temperature = 0.0}, new_tokens, -1, 1};
        double cached = 1e30;
        double whole = 1e30;
        for (int turn = 0; turn < turns; ++turn) {
            const double start = log::now();
            const TokenIds a = generate(decoder, prompts, settings)[0].ids;
            const double middle = log::now();
            const TokenIds b = recompute(prompts[0]);
            cached = std::min(cached, middle - start);
            whole = std::min(whole, log::now() - middle);
            same = same && a == b;
        }
        fmt::print(
            "{{\"model\": \"{}\", \"prompt\": {}, \"new\": {}, \"cached_tokens_per_s\": {:.1f}, "
            "\"recomputed_tokens_per_s\": {:.1f}, \"ratio\": {:.1f}, \"same_ids\": {}}}\n",
            name, length, new_tokens, new_tokens / cached, new_tokens / whole, whole / cached,
            same);
        std::fflush(stdout);
    }
    return same;
}

}  // namespace

int main(int argc, char** argv) {
    omp_set_num_threads(argc > 1 ? std::atoi(argv[1]) : 1);
    const Gpt2Config gpt2_small;
    const bool dense = measure("gpt2-small dense", dense_architecture(gpt2_small));
    const bool factored = measure("gpt2-small factored r 58",
                                  low_rank_architecture(gpt2_small, "factored", {58}, 58));
    return dense && factored ? 0 : 1;
}
