// SPDX-License-Identifier: MIT
#include "work.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/check.hpp"
#include "core/log.hpp"
#include "core/random.hpp"
#include "model/initialise.hpp"

namespace lrd {
namespace {

std::vector<std::int64_t> integers(const Json& json) {
    std::vector<std::int64_t> values;
    for (const Json& one : json.as_array()) {
        values.push_back(one.as_int());
    }
    return values;
}

/// Attention that is not uniform, and logits far enough apart for the KD term to weigh.
float times_initial(const std::string& name) {
    if (name == "wte.weight" || name == "wte.Ce") {
        return 3.0F;
    }
    return name.starts_with("h.") && name.ends_with(".weight") ? 2.0F : 1.0F;
}

}  // namespace

Work::Work(const Json& json)
    : does(json.at("does").as_string()),
      micro_batch(json.at("micro_batch").as_int()),
      global_batch(json.at("global_batch").as_int()),
      windows(json.at("windows").as_int()),
      form(json.at("form").as_string()),
      ranks(integers(json.at("ranks"))),
      teacher(json.at("teacher").as_string()),
      topk(json.at("topk").as_int()),
      separate(json.at("separate").as_bool()),
      precision(json.at("precision").as_string()),
      threads(json.at("threads").as_int()),
      prompt(json.at("prompt").as_int()),
      new_tokens(json.at("new_tokens").as_int()),
      folder(json.at("folder").as_string()),
      model(json.at("model").as_string()),
      tokens(json.at("tokens").as_string()) {
    const auto size = [&](const char* name) { return json.at(name).as_int(); };
    config = {size("L"), size("C"), size("H"), size("D"), size("F"), size("T"), size("V")};
    LRD_CHECK(windows % micro_batch == 0, "{} windows by {}", windows, micro_batch);
}

std::unique_ptr<Turns> make_turns(const Work& work, Backend& backend, Communicator& world) {
    if (work.does == "eval") {
        return make_evaluation(work, backend, world);
    }
    if (work.does == "generate") {
        return make_generation(work, backend);
    }
    if (work.does == "top-k bias") {
        return make_top_k_bias(work, backend, world);
    }
    LRD_CHECK(work.does == "step", "work {}", work.does);
    return make_steps(work, backend, world);
}

void make_random(Weights& weights, std::int64_t seed) {
    initialise({{&weights, "random", seed}}, nullptr);
    Backend& backend = weights.backend();
    for (const Parameter& p : weights.trained().all()) {
        const View x = weights.parameters().view(p);
        std::vector<float> values(static_cast<std::size_t>(p.size()));
        backend.download(values.data(), x);
        backend.synchronize();
        if (p.vector) {
            std::vector<float> noise(values.size());
            Random(static_cast<std::uint64_t>(seed), "noise " + p.name).normal(noise, 0.0, 0.1);
            std::transform(values.begin(), values.end(), noise.begin(), values.begin(),
                           std::plus<>());
        } else {
            const float factor = times_initial(p.name);
            std::transform(values.begin(), values.end(), values.begin(),
                           [factor](float v) { return factor * v; });
        }
        backend.upload(x, values.data());
        backend.synchronize();
    }
}

std::vector<std::int32_t> random_tokens(std::int64_t count, std::int64_t vocabulary) {
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
    const Random random(1, "step tokens");
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        tokens[i] = static_cast<std::int32_t>(random.uniform(i) * static_cast<double>(vocabulary));
    }
    return tokens;
}

double gflop_rate(Backend& backend) { return product_rate(backend, 2048, 3072, 768, 6) / 1e9; }

double gigabyte_rate() {
    // Far more than any cache holds; whole numbers, whose sum may be taken in any order.
    std::vector<std::int64_t> words(std::size_t{1} << 26U);
    std::iota(words.begin(), words.end(), 0);
    const auto n = static_cast<std::int64_t>(words.size());
    double best = 0.0;
    std::int64_t all = 0;
    for (int i = 0; i < 6; ++i) {
        const double start = log::now();
        std::int64_t sum = 0;
#pragma omp parallel for simd reduction(+ : sum)
        for (std::int64_t j = 0; j < n; ++j) {
            sum += words[static_cast<std::size_t>(j)];
        }
        all += sum;
        best = std::max(best, 8e-9 * static_cast<double>(n) / (log::now() - start));
    }
    LRD_CHECK(all == 6 * (n / 2) * (n - 1), "sums {}", all);
    return best;
}

}  // namespace lrd
