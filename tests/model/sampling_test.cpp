// SPDX-License-Identifier: MIT
// sample() against the definition in its header, written once more with a sort.
#include "model/sampling.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/random.hpp"
#include "expect_error.hpp"

namespace lrd::test {
namespace {

using Logits = std::vector<float>;

/// The probability of every token, 0 for those that are not kept.
std::vector<double> probabilities(const Logits& z, const Sampling& s) {
    std::vector<std::size_t> order(z.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return z[a] > z[b]; });
    std::vector<double> weight(z.size(), 0.0);
    std::size_t kept =
        s.top_k > 0 ? std::min(z.size(), static_cast<std::size_t>(s.top_k)) : z.size();
    double total = 0.0;
    for (std::size_t i = 0; i < kept; ++i) {
        weight[order[i]] = std::exp(static_cast<double>(z[order[i]]) / s.temperature);
        total += weight[order[i]];
    }
    double share = 0.0;
    std::size_t n = 0;
    while (n < kept && (n == 0 || share < s.top_p)) {
        share += weight[order[n++]] / total;
    }
    for (std::size_t i = n; i < kept; ++i) {
        weight[order[i]] = 0.0;
    }
    const double left = std::accumulate(weight.begin(), weight.end(), 0.0);
    for (double& w : weight) {
        w /= left;
    }
    return weight;
}

Logits random_logits(std::size_t n, const char* stream) {
    Logits z(n);
    Random(3, stream).normal(z, -1.0, 1.0);
    return z;
}

TEST(Sample, FrequenciesAreTheProbabilities) {
    const Logits z = random_logits(23, "logits");
    const Random random(11, "draws");
    constexpr int draws = 20000;
    std::uint64_t i = 0;
    for (const Sampling& s : {Sampling{1.0, 0, 1.0}, Sampling{0.7, 0, 1.0}, Sampling{1.5, 5, 1.0},
                              Sampling{1.0, 0, 0.9}, Sampling{2.0, 9, 0.6}}) {
        const std::vector<double> p = probabilities(z, s);
        std::vector<int> count(z.size());
        for (int draw = 0; draw < draws; ++draw) {
            ++count[static_cast<std::size_t>(sample(z, s, random.uniform(i++)))];
        }
        double chi = 0.0;
        int cells = 0;
        for (std::size_t id = 0; id < z.size(); ++id) {
            const double expected = p[id] * draws;
            if (expected == 0.0) {
                EXPECT_EQ(count[id], 0) << id;
                continue;
            }
            chi += (count[id] - expected) * (count[id] - expected) / expected;
            ++cells;
        }
        // χ² with cells − 1 degrees of freedom: mean and 4.5 standard deviations.
        EXPECT_LT(chi, cells - 1 + 4.5 * std::sqrt(2.0 * (cells - 1))) << s.temperature;
        EXPECT_GT(cells, 2);
    }
}

/// Every token gets the part of [0, 1) that its probability says, in the order of ids.
TEST(Sample, DividesTheUnitIntervalByProbability) {
    for (const std::size_t V : {1U, 2U, 7U, 257U}) {
        const Logits z = random_logits(V, "more logits");
        for (const double temperature : {0.3, 1.0, 4.0}) {
            for (const std::int64_t top_k : {0, 1, 3, 300}) {
                for (const double top_p : {0.05, 0.5, 0.9, 1.0}) {
                    const Sampling s{temperature, top_k, top_p};
                    const std::vector<double> p = probabilities(z, s);
                    double border = 0.0;
                    for (std::size_t id = 0; id < V; ++id) {
                        if (p[id] > 1e-9) {
                            const auto want = static_cast<std::int32_t>(id);
                            EXPECT_EQ(sample(z, s, border + 1e-10), want);
                            EXPECT_EQ(sample(z, s, border + p[id] - 1e-10), want);
                        }
                        border += p[id];
                    }
                }
            }
        }
    }
}

// e^z = 4, 2, 2, 8 of 16: shares in order are 1/2, 1/4, 1/8, 1/8.
TEST(Sample, TopPKeepsTheFewestThatReachIt) {
    const Logits z{std::log(4.0F), std::log(2.0F), std::log(2.0F), std::log(8.0F)};
    const auto kept = [&](double p, std::int64_t k = 0) {
        std::vector<std::int32_t> ids;
        for (int i = 0; i < 1600; ++i) {
            ids.push_back(sample(z, {1.0, k, p}, (i + 0.5) / 1600.0));
        }
        ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
        return ids;
    };
    using Ids = std::vector<std::int32_t>;
    EXPECT_EQ(kept(1e-9), Ids{3}) << "never none";
    EXPECT_EQ(kept(0.49), Ids{3});
    EXPECT_EQ(kept(0.51), (Ids{0, 3}));
    EXPECT_EQ(kept(0.74), (Ids{0, 3}));
    EXPECT_EQ(kept(0.76), (Ids{0, 1, 3})) << "of equals the smaller id";
    EXPECT_EQ(kept(0.88), (Ids{0, 1, 2, 3}));
    EXPECT_EQ(kept(1.0), (Ids{0, 1, 2, 3}));
    EXPECT_EQ(kept(1.0, 3), (Ids{0, 1, 3})) << "of equals the smaller id";
    EXPECT_EQ(kept(0.6, 2), Ids{3}) << "2/3 of what top_k left reach 0.6";
}

TEST(Sample, TemperatureNearZeroIsGreedy) {
    const Logits z = random_logits(101, "greedy");
    const auto best = static_cast<std::int32_t>(std::max_element(z.begin(), z.end()) - z.begin());
    for (const double uniform : {0.0, 0.3, 0.999999}) {
        for (const double temperature : {0.0, 1e-300, 1e-9, 1e-5}) {
            EXPECT_EQ(sample(z, {temperature, 0, 1.0}, uniform), best) << temperature;
        }
        EXPECT_EQ(sample(Logits{1, 5, 5, 2}, {0.0, 0, 1.0}, uniform), 1) << "first of equals";
    }
    EXPECT_EQ(sample(Logits{1, 5, 5, 2}, {1e-6, 0, 1.0}, 0.6), 2) << "equals share";
}

TEST(Sample, LogitsFarFromZero) {
    EXPECT_EQ(sample(Logits{-3e38F, 3e38F}, {1.0, 0, 1.0}, 0.5), 1);
    EXPECT_EQ(sample(Logits{-5000, -5000}, {1.0, 0, 1.0}, 0.75), 1);
}

TEST(Sample, ANumberThatIsNoneIsAnError) {
    for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
        for (const double temperature : {0.0, 1.0}) {
            EXPECT_ERROR(ExitCode::bad_data, "token 1",
                         sample(Logits{0, bad, 0}, {temperature, 0, 1.0}, 0.5));
        }
    }
}

}  // namespace
}  // namespace lrd::test
