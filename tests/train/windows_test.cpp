// SPDX-License-Identifier: MIT
// Which windows a trainer reads, by their ids: on any number of ranks and for any micro-batch, each
// window exactly once an epoch.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>

#include "counting_tokens.hpp"
#include "data/loader.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "model/initialise.hpp"
#include "mpi/mpi_main.hpp"
#include "train/trainer.hpp"

namespace lrd::test {
namespace {

constexpr Gpt2Config config{.L = 1, .C = 4, .H = 1, .D = 4, .F = 4, .T = 3, .V = 128};

struct Read {
    std::int64_t sample;
    std::int32_t tokens[4];  // ids and the last label of the window
};

/// A loader that remembers what it gave.
class Recorder : public BatchSource {
public:
    explicit Recorder(const TokenFiles& tokens) : loader_(tokens, {.context = config.T}) {}
    std::int64_t windows() const { return loader_.windows(); }
    std::int64_t context() const override { return config.T; }
    Batch sample(std::int64_t first, std::int64_t count) override {
        const Batch batch = loader_.sample(first, count);
        for (std::int64_t b = 0; b < count; ++b) {
            const auto at = static_cast<std::size_t>(b * config.T);
            Read one{first + b, {0, 0, 0, batch.labels[at + 2]}};
            std::copy_n(batch.ids.begin() + b * config.T, config.T, one.tokens);
            log.append(reinterpret_cast<const char*>(&one), sizeof one);
        }
        return batch;
    }
    std::string log;

private:
    Loader loader_;
};

TEST(Windows, AreReadOnceAnEpoch) {
    Counting data(112);
    for (const std::int64_t micro_batch : {1, 2, 4}) {
        CpuBackend backend;
        Recorder source(data.tokens);
        ASSERT_EQ(source.windows(), 37);
        StudentSettings settings;
        settings.name = "s";
        settings.form = "dense";
        settings.loss.kd = settings.loss.clone = 0.0;
        Students students;
        students.push_back(std::make_unique<Student>(backend, settings, config, nullptr,
                                                     BatchShape{micro_batch, config.T}, 6));
        initialise({{&students.front()->weights, "random", 1}}, nullptr);
        TrainSettings train;
        train.global_batch = 20;
        train.micro_batch = micro_batch;
        Trainer trainer(backend, world(), train, source, nullptr, students);
        for (std::int64_t s = 1; s <= 6; ++s) {
            trainer.step(s);
        }
        const std::string all = world().gather(source.log, 0);
        if (world().rank() != 0) {
            continue;
        }
        std::map<std::int64_t, std::int64_t> window_of;
        for (std::size_t at = 0; at < all.size(); at += sizeof(Read)) {
            Read one;
            std::memcpy(&one, all.data() + at, sizeof one);
            for (std::int32_t t = 0; t < 4; ++t) {  // token i of the split has id i
                EXPECT_EQ(one.tokens[t], one.tokens[0] + t);
            }
            EXPECT_TRUE(window_of.emplace(one.sample, one.tokens[0] / config.T).second)
                << "sample " << one.sample << " was read twice";
        }
        ASSERT_EQ(window_of.size(), 120U);
        for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
            std::set<std::int64_t> seen;
            for (std::int64_t s = epoch * 37; s < (epoch + 1) * 37; ++s) {
                seen.insert(window_of.at(s));
            }
            EXPECT_EQ(seen.size(), 37U) << "epoch " << epoch;
            EXPECT_EQ(*seen.rbegin(), 36);
        }
    }
}

}  // namespace
}  // namespace lrd::test
