// SPDX-License-Identifier: MIT
// What must hold whatever the numbers are: a student of full rank is the teacher, one of lower rank
// its truncated SVD, merging changes nothing, and sizes are those that the design states.
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "core/random.hpp"
#include "linalg/svd.hpp"
#include "loss/distill_loss.hpp"
#include "model/costs.hpp"
#include "model/initialise.hpp"
#include "model/merge.hpp"

namespace lrd::test {
namespace {

constexpr Gpt2Config config{.L = 2, .C = 24, .H = 3, .D = 8, .F = 40, .T = 11, .V = 53};
constexpr BatchShape shape{3, 11};

Gpt2Config sizes(bool tied) {
    Gpt2Config c = config;
    c.tied = tied;
    return c;
}

std::vector<float> download(Backend& backend, const View& x) {
    std::vector<float> host(static_cast<std::size_t>(x.size()));
    backend.download(host.data(), x);
    backend.synchronize();
    return host;
}

/// A teacher whose biases and LayerNorms are not trivial either.
std::unique_ptr<Weights> make_teacher(Backend& backend, bool tied) {
    auto teacher = std::make_unique<Weights>(backend, "teacher", dense_architecture(sizes(tied)),
                                             Use::inference);
    for (const Parameter& p : teacher->trained().all()) {
        std::vector<float> host(static_cast<std::size_t>(p.size()));
        Random(7, p.name).normal(host, p.vector && p.name.ends_with("weight") ? 1.0 : 0.0, 0.2);
        backend.upload(teacher->parameters().view(p), host.data());
    }
    return teacher;
}

struct Pass {
    std::vector<float> logits;  // (N, V)
    LossTerms terms;
};

/// A batch of fixed tokens through a student and, beside it, the teacher.
Pass run(Backend& backend, Weights& student, Weights* teacher) {
    student.materialise();
    Gpt2 model(student, "student", shape, true);
    std::unique_ptr<Gpt2> beside;
    if (teacher != nullptr) {
        beside = std::make_unique<Gpt2>(*teacher, "teacher", shape, true);
    }
    const std::int64_t n = shape.rows();
    Arena arena(backend, "test");
    const View ids = arena.region("ids", DType::i32, {n});
    const View labels = arena.region("labels", DType::i32, {n});
    const View z = arena.region("z", DType::f32, {n, config.V});
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        tokens[i] = static_cast<std::int32_t>(i * 31 % static_cast<std::size_t>(config.V));
    }
    backend.upload(ids, tokens.data());
    backend.upload(labels, tokens.data());
    model.forward(ids, shape);
    model.logits(z, 0, n);
    Pass pass{download(backend, z), {}};
    if (beside) {
        OnlineTeacher online(*beside);
        online.run(ids, shape, {}, {});
        LossSettings settings;
        settings.clone_reduction = "sum";
        DistillLoss loss(model, &online, "student", settings, n);
        HeadPass head(backend, config.V, n, true);
        loss.begin(n, shape.B);
        loss.add_clone_value();
        const HeadTerm term = loss.head_term();
        head.run(&online, {&term, 1}, labels, 1.0F, false);
        loss.download_sums();
        backend.synchronize();
        const std::vector<double> sums(loss.sums().begin(), loss.sums().end());
        pass.terms = loss.terms(sums.data());
    }
    return pass;
}

void expect_same_logits(const std::vector<float>& a, const std::vector<float>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        ASSERT_NEAR(a[i], b[i], 1e-4 * std::max(1.0F, std::fabs(b[i]))) << "logit " << i;
    }
}

/// The ranks that leave nothing out: min(m, n) of each linear, min(V, C) of the embedding.
Architecture full_rank(const std::string& form, bool tied) {
    Architecture a = low_rank_architecture(sizes(tied), form, {1}, std::min(config.V, config.C));
    const std::vector<LinearShape> shapes = linear_shapes(config);
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        a.linears[i].rank = std::min(shapes[i].m, shapes[i].n);
    }
    return a;
}

/// By form, and with a head that is tied to the embedding or its own.
class Identity : public testing::TestWithParam<std::tuple<const char*, bool>> {
protected:
    std::string form_ = std::get<0>(GetParam());
    bool tied_ = std::get<1>(GetParam());
    std::unique_ptr<Backend> backend_ = make_backend("cpu");
    std::unique_ptr<Weights> teacher_ = make_teacher(*backend_, tied_);

    std::unique_ptr<Weights> student(const Architecture& architecture) {
        auto weights = std::make_unique<Weights>(*backend_, "student", architecture, Use::training,
                                                 teacher_.get());
        initialise({{weights.get(), "svd", 1}}, teacher_.get());
        return weights;
    }
};

TEST_P(Identity, FullRankIsTheTeacher) {
    const auto weights = student(full_rank(form_, tied_));
    const Pass pass = run(*backend_, *weights, teacher_.get());
    expect_same_logits(pass.logits, run(*backend_, *teacher_, nullptr).logits);
    EXPECT_NEAR(pass.terms.kd, 0.0, 1e-6);
    EXPECT_NEAR(pass.terms.clone, 0.0, 1e-6);
}

TEST_P(Identity, LowRankIsTheTruncatedSvd) {
    const std::int64_t r = 5;
    const auto weights = student(low_rank_architecture(sizes(tied_), form_, {r}, r));
    weights->materialise();
    for (std::int64_t l = 0; l < config.L; ++l) {
        for (int i = 0; i < linears_per_layer; ++i) {
            const Form& form = weights->form(l, static_cast<Linear>(i));
            const auto [name, m, n] = form.shape();
            Arena arena(*backend_, "test");
            const View merged = arena.region("w", DType::f32, {n, m});
            form.merge(*backend_, merged);
            const std::vector<float> low = download(*backend_, merged);
            const std::vector<float> w =
                download(*backend_, teacher_->parameters()(name + ".weight"));
            const Svd full = svd({w.begin(), w.end()}, n, m);
            const Svd cut = svd({low.begin(), low.end()}, n, m);
            // Eckart–Young: the leading values stay, the rest is 0, and what is missing has the norm
            // of the values left out.
            double error = 0.0;
            double tail = 0.0;
            for (std::size_t k = 0; k < w.size(); ++k) {
                error += std::pow(static_cast<double>(w[k]) - static_cast<double>(low[k]), 2);
            }
            for (std::size_t k = 0; k < full.s.size(); ++k) {
                const bool kept = static_cast<std::int64_t>(k) < r;
                tail += kept ? 0.0 : full.s[k] * full.s[k];
                EXPECT_NEAR(cut.s[k], kept ? full.s[k] : 0.0, 1e-5) << name << " σ " << k;
            }
            EXPECT_NEAR(error, tail, 1e-5 * tail) << name;
        }
    }
}

TEST_P(Identity, MergingChangesNoLogit) {
    const auto weights = student(low_rank_architecture(sizes(tied_), form_, {6}, 7));
    const Pass low = run(*backend_, *weights, nullptr);
    const std::unique_ptr<Weights> dense = merged(*weights, "merged");
    EXPECT_TRUE(is_dense(dense->architecture()));
    expect_same_logits(run(*backend_, *dense, nullptr).logits, low.logits);
}

TEST_P(Identity, PlainFactorsChangeNoLogitAndNeedNoTeacher) {
    const auto weights = student(low_rank_architecture(sizes(tied_), form_, {6}, 7));
    const Pass low = run(*backend_, *weights, nullptr);
    const std::unique_ptr<Weights> plain = with_plain_factors(*weights, "plain");
    EXPECT_EQ(plain->architecture().linears.front().kind, "factored");
    expect_same_logits(run(*backend_, *plain, nullptr).logits, low.logits);
}

INSTANTIATE_TEST_SUITE_P(Forms, Identity,
                         testing::Combine(testing::Values("lifted", "factored"), testing::Bool()));

/// Gradient of one table for given gradients of the logits.
std::vector<float> gradient(Backend& backend, Weights& weights, const std::string& name) {
    const std::int64_t n = shape.rows();
    Gpt2 model(weights, "model", shape, true);
    Arena arena(backend, "test");
    const View ids = arena.region("ids", DType::i32, {n});
    const View z = arena.region("z", DType::f32, {n, config.V});
    const View d_z = arena.region("d_z", DType::f32, {n, config.V});
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(n));
    std::vector<float> d_logits(static_cast<std::size_t>(d_z.size()));
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        tokens[i] = static_cast<std::int32_t>(i * 31 % static_cast<std::size_t>(config.V));
    }
    Random(3, "d_z").normal(d_logits, 0.0, 1.0);
    backend.upload(ids, tokens.data());
    backend.upload(d_z, d_logits.data());
    weights.zero_gradients();
    weights.materialise();
    model.forward(ids, shape);
    model.logits(z, 0, n);
    model.logits_backward(d_z, 0, n);
    model.backward(ids, nullptr);
    weights.pull_back();
    return download(backend, weights.gradients()(name));
}

/// An own head that holds the embedding's values splits the tied gradient in two.
TEST(UntiedHead, GradientsAddUpToTheTiedOne) {
    const auto backend = make_backend("cpu");
    for (const std::int64_t re : {std::int64_t{0}, std::int64_t{7}}) {
        const std::string form = re == 0 ? "dense" : "factored";
        Weights tied(*backend, "tied", low_rank_architecture(sizes(true), form, {6}, re),
                     Use::training);
        Weights own(*backend, "own", low_rank_architecture(sizes(false), form, {6}, re),
                    Use::training);
        initialise({{&tied, "random", 1}}, nullptr);
        for (const Parameter& p : own.trained().all()) {
            std::string name = p.name;
            if (name.starts_with("lm_head")) {
                name.replace(0, 7, "wte");
            }
            backend->copy(own.parameters().view(p), tied.parameters()(name));
        }
        for (const std::string& ending : re == 0 ? std::vector<std::string>{".weight"}
                                                 : std::vector<std::string>{".Ce", ".De"}) {
            const std::vector<float> whole = gradient(*backend, tied, "wte" + ending);
            const std::vector<float> input = gradient(*backend, own, "wte" + ending);
            const std::vector<float> head = gradient(*backend, own, "lm_head" + ending);
            for (std::size_t i = 0; i < whole.size(); ++i) {
                ASSERT_NEAR(whole[i], input[i] + head[i], 1e-4 * (1.0F + std::fabs(whole[i])))
                    << ending << " " << i;
                ASSERT_NE(head[i], 0.0F) << ending << " " << i;
            }
        }
    }
}

constexpr Gpt2Config gpt2_small{
    .L = 12, .C = 768, .H = 12, .D = 64, .F = 3072, .T = 1024, .V = 50257};

TEST(Sizes, Gpt2SmallAtRank58Has12419674Parameters) {
    const Architecture a = low_rank_architecture(gpt2_small, "factored", {58}, 58);
    std::int64_t count = 0;
    for (const Parameter& p : Embedding(gpt2_small, 58).trained()) {
        count += p.size();
    }
    const std::vector<LinearShape> shapes = linear_shapes(gpt2_small);
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        for (const std::string form : {"factored", "lifted"}) {
            const auto made = make_form({form, 58}, shapes[i]);
            std::int64_t size = 0;
            for (const Parameter& p : made->trained()) {
                size += p.size();
            }
            EXPECT_EQ(size, 58 * (shapes[i].m + shapes[i].n) + shapes[i].m) << form;
            count += form == "lifted" ? size : 0;
        }
    }
    count += gpt2_small.T * gpt2_small.C + (2 * gpt2_small.L + 1) * 2 * gpt2_small.C;
    EXPECT_EQ(count, 12'419'674);
}

TEST(Costs, AreThoseOfTheDesign) {
    const std::int64_t rows = 2048;
    const std::int64_t T = 1024;
    const Architecture teacher = dense_architecture(gpt2_small);
    const Architecture student = low_rank_architecture(gpt2_small, "lifted", {58}, 58);
    const auto per_token = [&](double flops) { return flops / static_cast<double>(rows) / 1e6; };
    const PartCosts forward = blocks_forward_cost(teacher, rows, T);
    EXPECT_NEAR(per_token(forward[Part::linears].flops), 170, 0.5);
    EXPECT_NEAR(per_token(forward[Part::attention].flops), 19, 0.5);
    EXPECT_NEAR(per_token(head_forward_cost(teacher, rows).flops()), 77, 0.5);
    PartCosts own = blocks_forward_cost(student, rows, T);
    EXPECT_NEAR(per_token(own[Part::attention].flops), 19, 0.5);
    own += blocks_backward_cost(student, rows, T);
    EXPECT_NEAR(per_token(own[Part::linears].flops), 51.6, 0.5);  // 51.3 and Ce[ids] De
    PartCosts head = head_forward_cost(student, rows);
    head += head_backward_cost(student, rows);
    EXPECT_NEAR(per_token(head.flops()), 18, 0.5);
    EXPECT_NEAR(forms_cost(student).flops / 1e9, 23, 0.5);
    // Full fine-tuning, 807: the teacher as its own student without a teacher.
    EXPECT_NEAR(per_token(step_cost({&teacher}, nullptr, 1, rows, T).flops()), 807, 1.0);
}

}  // namespace
}  // namespace lrd::test
