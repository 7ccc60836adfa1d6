// SPDX-License-Identifier: MIT
// With the cache and without: the same ids. A decoder against whole forward passes, for every form,
// on memory that the host cannot touch.
#include "model/generation.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include "backends/guarded_backend.hpp"
#include "backends/tolerance.hpp"
#include "core/random.hpp"
#include "model/device_step.hpp"
#include "reference/random_student.hpp"

namespace lrd::test {
namespace {

using reference::LinearForm;
using reference::Sizes;

// C is no multiple of anything and not H·D; V is odd; F is not 4 C.
constexpr Sizes sizes{.L = 2, .C = 15, .H = 3, .D = 6, .F = 37, .T = 17, .V = 101};

struct Forms {
    std::string name;
    std::vector<LinearForm> linears;
    std::size_t embedding_rank;
};

class Generation : public testing::TestWithParam<Forms> {
protected:
    Generation() {
        omp_set_num_threads(1);  // the products are tiny
        teacher_model_ = reference::random_teacher(sizes, 1);
        model_ = reference::random_student(sizes, teacher_model_, GetParam().linears,
                                           GetParam().embedding_rank, 2);
        teacher_ = make(teacher_model_, "teacher");
        weights_ = make(model_, "student");
        weights_->materialise();
    }

    std::unique_ptr<Weights> make(const reference::Model& model, const std::string& name) {
        auto weights = std::make_unique<Weights>(backend_, name, architecture_of(sizes, model),
                                                 Use::inference, teacher_.get());
        upload(*weights, model);
        return weights;
    }

    /// The logits after `ids` from a whole forward pass in fp64.
    reference::Vector want(const TokenIds& ids) {
        const reference::Batch batch{1, ids.size(), ids, TokenIds(ids.size(), 0)};
        const reference::Matrix z = reference::forward(sizes, model_, teacher_model_, batch).logits;
        return {z.data.end() - static_cast<std::ptrdiff_t>(sizes.V), z.data.end()};
    }

    void expect_logits(const std::string& what, std::span<const float> got, const TokenIds& ids) {
        const reference::Vector expected = want(ids);
        for (std::size_t v = 0; v < expected.size(); ++v) {
            const double size = std::max(1.0, std::fabs(expected[v]));
            ASSERT_NEAR(static_cast<double>(got[v]), expected[v],
                        bound(Op::logits, Precision::fp32, 0.0, size, 0.0))
                << what << " logit " << v;
        }
    }

    /// generate() without a cache: the whole text again for every token.
    TokenIds recompute(const TokenIds& prompt, const GenerationSettings& settings, int repeat = 0) {
        Gpt2 gpt2(*weights_, "recompute", {1, sizes.T}, false);
        Arena arena(backend_, "recompute");
        const View all = arena.region("ids", DType::i32, {sizes.T});
        const View z = arena.region("z", DType::f32, {1, sizes.V});
        const Random random = random_of_text(settings.seed, prompt, repeat);
        TokenIds ids = prompt, made;
        while (static_cast<std::int64_t>(made.size()) < settings.max_new && ids.size() < sizes.T) {
            const auto n = static_cast<std::int64_t>(ids.size());
            backend_.upload(all.slice(0, n), ids.data());
            gpt2.forward(all.slice(0, n), {1, n});
            gpt2.logits(z, n - 1, n);
            std::vector<float> host(sizes.V);
            backend_.download(host.data(), z);
            backend_.synchronize();
            made.push_back(sample(host, settings.sampling, random.uniform(made.size())));
            ids.push_back(made.back());
            if (made.back() == settings.end_of_text) {
                break;
            }
        }
        return made;
    }

    std::vector<Generated> run(const std::vector<TokenIds>& prompts,
                               const GenerationSettings& settings, std::int64_t side_by_side = 8) {
        Decoder decoder(*weights_, "decoder",
                        room_for(weights_->config(), prompts, settings.max_new, side_by_side));
        return generate(decoder, prompts, settings);
    }

    GuardedCpuBackend backend_;
    reference::Model teacher_model_, model_;
    std::unique_ptr<Weights> teacher_, weights_;
};

constexpr double hot = 20.0;  // random models are sure of themselves
const std::vector<TokenIds> prompts{{7, 100, 0}, {3}, {5, 5, 5, 5, 5, 5, 5, 5, 9, 1, 2}, {8, 64}};

TEST_P(Generation, LogitsAreThoseOfAWholePass) {
    Decoder decoder(*weights_, "decoder", {5, 11, static_cast<std::int64_t>(sizes.T)});
    for (int filling = 0; filling < 2; ++filling) {  // the second finds the first one's cache
        std::vector<TokenIds> texts = prompts;
        std::rotate(texts.begin(), texts.begin() + filling, texts.end());
        decoder.prefill(texts);
        for (int step = 0; step < 6; ++step) {
            std::vector<std::int32_t> tokens;
            for (std::size_t b = 0; b < texts.size(); ++b) {
                const bool ended = b == 1 && step > 2;
                if (!ended) {
                    expect_logits(fmt::format("text {} step {}", b, step), decoder.logits(b),
                                  texts[b]);
                }
                const auto id =
                    static_cast<std::int32_t>((31 * step + 7 * static_cast<int>(b)) % 101);
                tokens.push_back(b == 1 && step >= 2 ? -1 : id);
                texts[b].push_back(id);
            }
            decoder.step(tokens);
        }
    }
}

TEST_P(Generation, SameIdsAsWithoutACache) {
    for (const Sampling& sampling :
         {Sampling{0.0, 0, 1.0}, Sampling{hot, 0, 1.0}, Sampling{hot, 20, 0.9}}) {
        for (const std::int64_t max_new : {5, 50}) {
            const GenerationSettings settings{sampling, max_new, 4, 9};
            const std::vector<Generated> got = run(prompts, settings);
            for (std::size_t i = 0; i < prompts.size(); ++i) {
                EXPECT_EQ(got[i].ids, recompute(prompts[i], settings)) << "prompt " << i;
                const bool full = got[i].ids.size() + prompts[i].size() == sizes.T;
                EXPECT_EQ(got[i].stop, got[i].ids.back() == 4 ? Stop::end_of_text
                                       : max_new < 50         ? Stop::max_new
                                                              : Stop::context);
                EXPECT_EQ(full, got[i].stop == Stop::context);
            }
        }
    }
}

TEST_P(Generation, CompanyChangesNoText) {
    const GenerationSettings settings{{hot, 0, 1.0}, 6, -1, 9};
    const std::vector<Generated> together = run(prompts, settings);
    const std::vector<Generated> in_pairs = run(prompts, settings, 2);
    for (std::size_t i = 0; i < prompts.size(); ++i) {
        EXPECT_EQ(together[i].ids, run({prompts[i]}, settings)[0].ids) << i;
        EXPECT_EQ(together[i].ids, in_pairs[i].ids) << i;
    }
}

TEST_P(Generation, SeedAndRepeatGiveOtherTexts) {
    GenerationSettings settings{{hot, 0, 1.0}, 10, -1, 9};
    const std::vector<Generated> twice = run({prompts[0], prompts[0]}, settings);
    EXPECT_NE(twice[0].ids, twice[1].ids);
    EXPECT_EQ(twice[1].ids, recompute(prompts[0], settings, 1));
    EXPECT_EQ(run({prompts[0]}, settings)[0].ids, twice[0].ids);
    settings.seed = 10;
    EXPECT_NE(run({prompts[0]}, settings)[0].ids, twice[0].ids);
}

TEST_P(Generation, FullContextAndNothingAskedFor) {
    const TokenIds full(sizes.T, 3), nearly(sizes.T - 1, 3);
    const std::vector<Generated> got = run({full, nearly}, {{0.0, 0, 1.0}, 9, -1, 1});
    EXPECT_EQ(got[0].ids, TokenIds{});
    EXPECT_EQ(got[0].stop, Stop::context);
    EXPECT_EQ(got[1].ids.size(), 1U);
    EXPECT_EQ(got[1].stop, Stop::context);
    EXPECT_EQ(run({{3}}, {{0.0, 0, 1.0}, 0, -1, 1})[0].stop, Stop::max_new);
}

TEST_P(Generation, EveryTokenIsHeardOfOnce) {
    Decoder decoder(*weights_, "decoder", room_for(weights_->config(), prompts, 6, 2));
    std::vector<TokenIds> heard(prompts.size());
    const std::vector<Generated> got =
        generate(decoder, prompts, {{hot, 0, 1.0}, 6, -1, 9},
                 [&](std::size_t prompt, std::int32_t id) { heard[prompt].push_back(id); });
    for (std::size_t i = 0; i < prompts.size(); ++i) {
        EXPECT_EQ(heard[i], got[i].ids);
    }
}

INSTANTIATE_TEST_SUITE_P(Forms, Generation,
                         testing::Values(Forms{"dense", {{"dense"}}, 0},
                                         Forms{"factored", {{"factored", 5}}, 7},
                                         Forms{"lifted", {{"lifted", 4}}, 6},
                                         Forms{"mixed",
                                               {{"lifted", 1},
                                                {"dense"},
                                                {"factored", 2},
                                                {"lifted", 7},
                                                {"dense"},
                                                {"factored", 6},
                                                {"lifted", 15},
                                                {"dense"}},
                                               5}),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace lrd::test
