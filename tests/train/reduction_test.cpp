// SPDX-License-Identifier: MIT
// How sums come together over micro-batches and ranks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "core/random.hpp"
#include "expect_error.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "model/gpt2.hpp"
#include "model/initialise.hpp"
#include "mpi/mpi_main.hpp"
#include "train/gradient_tree.hpp"
#include "train/ordered_sum.hpp"
#include "train/overlapped_reduction.hpp"
#include "train/same_on_all_ranks.hpp"

namespace lrd::test {
namespace {

/// Numbers of very different size: another order of additions gives other bits.
std::vector<float> leaf(std::int64_t i, std::int64_t size) {
    std::vector<float> values(static_cast<std::size_t>(size));
    const Random random(7, "leaf " + std::to_string(i));
    for (std::size_t j = 0; j < values.size(); ++j) {
        values[j] = static_cast<float>(std::exp(20.0 * random.uniform(j) - 10.0));
    }
    return values;
}

TEST(OrderedSum, HasTheBitsOfASumInOrder) {
    constexpr std::int64_t items = 37;
    constexpr std::int64_t width = 4001;  // more than one block
    const Share mine = share_of(items, world().rank(), world().size());
    OrderedSum sum(world(), mine, items, width);
    for (int again = 0; again < 2; ++again) {
        for (std::int64_t i = mine.first; i < mine.last; ++i) {
            std::ranges::copy(leaf(i, width), sum.row(i));
        }
        std::vector<double> expected(width, 0.0);
        for (std::int64_t i = 0; i < items; ++i) {
            const std::vector<float> row = leaf(i, width);
            std::transform(expected.begin(), expected.end(), row.begin(), expected.begin(),
                           std::plus<>());
        }
        EXPECT_EQ(sum.sum(), expected);
    }
}

/// Σ of leaves [first, first + count) by halves.
std::vector<float> tree(std::int64_t first, std::int64_t count, std::int64_t size) {
    if (count == 1) {
        return leaf(first, size);
    }
    std::vector<float> left = tree(first, count / 2, size);
    const std::vector<float> right = tree(first + count / 2, count / 2, size);
    std::transform(left.begin(), left.end(), right.begin(), left.begin(), std::plus<>());
    return left;
}

TEST(GradientTree, IsTheSameTreeOnAnyRanks) {
    if (world().size() == 3) {
        return;
    }
    constexpr std::int64_t leaves = 8;
    const std::int64_t sizes[] = {1001, 1, 6};  // of three students; odd halves, empty halves
    CpuBackend backend;
    Arena arena(backend, "test");
    std::vector<View> gradients;
    for (const std::int64_t size : sizes) {
        gradients.push_back(arena.region("gradient", DType::f32, {size}));
    }
    GradientTree sum(backend, world(), leaves, gradients);
    const Share mine = share_of(leaves, world().rank(), world().size());
    for (int again = 0; again < 2; ++again) {
        std::for_each(gradients.begin(), gradients.end(), [&](const View& g) { backend.zero(g); });
        for (std::int64_t i = mine.first; i < mine.last; ++i) {
            for (const View& gradient : gradients) {  // as a backward pass does: +=
                const std::vector<float> values = leaf(i, gradient.size());
                std::transform(values.begin(), values.end(), gradient.f32(), gradient.f32(),
                               std::plus<>());
            }
            sum.add_leaf(i - mine.first);
        }
        sum.reduce();
        for (const View& gradient : gradients) {
            const std::vector<float> found(gradient.f32(), gradient.f32() + gradient.size());
            EXPECT_EQ(found, tree(0, leaves, gradient.size()));
        }
    }
}

TEST(GradientTree, NeedsPowersOfTwo) {
    CpuBackend backend;
    EXPECT_ERROR(ExitCode::usage, "a power of two of micro-batches, not 12",
                 GradientTree(backend, world(), 12, {}));
    if (world().size() == 3) {
        EXPECT_ERROR(ExitCode::usage, "not 3; start 2 or 4",
                     GradientTree(backend, world(), 16, {}));
    }
}

constexpr Gpt2Config config{.L = 5, .C = 256, .H = 4, .D = 64, .F = 1024, .T = 6, .V = 37};

/// A model of 3 MiB a layer, so that two layers make a bucket, and one pass through it.
struct Pass {
    explicit Pass(const std::string& form)
        : weights(backend, form,
                  low_rank_architecture(config, form, {128}, form == "dense" ? 0 : 9),
                  Use::training),
          model(weights, form, {2, config.T}, true),
          arena(backend, "ids") {
        initialise({{&weights, "random", 1}}, nullptr);
        weights.materialise();
        ids = arena.region("ids", DType::i32, {2 * config.T});
        for (std::int64_t i = 0; i < ids.size(); ++i) {
            ids.i32()[i] = static_cast<std::int32_t>((7 * i + 3 * world().rank()) % config.V);
        }
        weights.zero_gradients();
        model.forward(ids, {2, config.T});
        std::fill_n(model.d_hidden().f32(), model.d_hidden().size(), 0.01F);
    }

    CpuBackend backend;
    Weights weights;
    Gpt2 model;
    Arena arena;
    View ids;
};

TEST(OverlappedReduction, CutsTheGradientsIntoWholeBuckets) {
    for (const char* form : {"dense", "factored"}) {
        const Pass pass(form);
        const View& flat = pass.weights.to_reduce().flat;
        std::vector<int> seen(static_cast<std::size_t>(flat.size()), 0);
        std::vector<std::int64_t> layers;
        for (const GradientBucket& bucket : gradient_buckets(pass.weights)) {
            layers.push_back(bucket.layer);
            const std::int64_t begin = bucket.part.f32() - flat.f32();
            for (std::int64_t i = begin; i < begin + bucket.part.size(); ++i) {
                ++seen[static_cast<std::size_t>(i)];
            }
            EXPECT_TRUE(bucket.layer < 0 || bucket.part.bytes() >= std::size_t{4} << 20);
        }
        EXPECT_EQ(std::ranges::count(seen, 1), flat.size()) << "each element travels once";
        // Dense: 786 432 numbers a layer. Factored: 524 288, of which two are just enough.
        EXPECT_EQ(layers, (std::vector<std::int64_t>{3, 1, -1, -1})) << form;
    }
}

// A bucket that starts too early would miss what the backward pass adds later.
TEST(OverlappedReduction, StartsBucketsWhenTheyAreComplete) {
    for (const char* form : {"dense", "factored"}) {
        Pass pass(form);
        const std::vector<GradientBucket> buckets = gradient_buckets(pass.weights);
        std::vector<std::vector<float>> when_told(buckets.size());
        const auto take = [&](std::int64_t layer) {
            for (std::size_t i = 0; i < buckets.size(); ++i) {
                const View& part = buckets[i].part;
                if (buckets[i].layer == layer) {
                    when_told[i].assign(part.f32(), part.f32() + part.size());
                }
            }
        };
        pass.model.backward(pass.ids, nullptr, take);
        take(-1);
        for (std::size_t i = 0; i < buckets.size(); ++i) {
            const View& part = buckets[i].part;
            EXPECT_EQ(when_told[i], std::vector<float>(part.f32(), part.f32() + part.size()))
                << "after layer " << buckets[i].layer;
            EXPECT_NE(*std::ranges::max_element(when_told[i]), 0.0F);
        }
    }
}

TEST(OverlappedReduction, SumsAsOneReductionDoes) {
    Pass overlapped("dense");
    Pass plain("dense");
    OverlappedReduction reduction(overlapped.backend, world(), {&overlapped.weights});
    overlapped.model.backward(overlapped.ids, nullptr,
                              [&](std::int64_t layer) { reduction.layer_done(0, layer); });
    reduction.layer_done(0, -1);
    reduction.finish();
    plain.model.backward(plain.ids, nullptr);
    const View& x = overlapped.weights.to_reduce().flat;
    const View& y = plain.weights.to_reduce().flat;
    world().start_all_reduce_sum(plain.backend, y);
    world().wait_all();
    double largest = 0.0;
    double error = 0.0;
    for (std::int64_t i = 0; i < x.size(); ++i) {
        largest = std::max(largest, std::abs(static_cast<double>(y.f32()[i])));
        error = std::max(error, std::abs(static_cast<double>(x.f32()[i] - y.f32()[i])));
    }
    EXPECT_LE(error, world().size() > 2 ? 1e-6 * largest : 0.0);  // two ranks: one order alone
    EXPECT_GT(largest, 0.0);
}

TEST(SameOnAllRanks, NamesTheFirstLineThatDiffers) {
    const bool other = world().size() > 1 && world().rank() == world().size() - 1;
    check_same_on_all_ranks(world(), "version = 1\n[train]\nsteps = 10\n");
    const auto check = [&](const std::string& of_other, const std::string& sentence) {
        const std::string text = "version = 1\n[train]\nsteps = 10\n[optim]\nlr = 0.1\n";
        if (other) {
            EXPECT_ERROR(ExitCode::usage, sentence, check_same_on_all_ranks(world(), of_other));
            world().barrier();  // where the others wait to be ended
        } else {
            check_same_on_all_ranks(world(), text);
        }
    };
    check("version = 2\n[train]\nsteps = 10\n[optim]\nlr = 0.1\n",
          "differ in what they run on: here `version = 2`, on rank 0 `version = 1`");
    check("version = 1\n[train]\nsteps = 11\n[optim]\nlr = 0.2\n",
          "differ in [train]: here `steps = 11`, on rank 0 `steps = 10`");
    check("version = 1\n[train]\nsteps = 10\n", "here `nothing`, on rank 0 `[optim]`");
}

}  // namespace
}  // namespace lrd::test
