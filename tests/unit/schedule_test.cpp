// SPDX-License-Identifier: MIT
// Learning rates: published values of cosine with warm-up, and the ends of every schedule.
#include "optim/schedule.hpp"

#include <gtest/gtest.h>

#include <array>

namespace lrd::test {
namespace {

TEST(Schedule, CosineOfPublishedValues) {
    // Maximum 1, minimum 0.1, warm-up 7, cycle 21, steps 0 to 24.
    constexpr std::array<double, 25> expected = {
        0,    1.0 / 7,    2.0 / 7,    3.0 / 7,    4.0 / 7,    5.0 / 7,    6.0 / 7,
        1,    0.98871756, 0.95543599, 0.90182417, 0.83057041, 0.74524768, 0.65013442,
        0.55, 0.44986558, 0.35475232, 0.26942959, 0.19817583, 0.14456401, 0.11128244,
        0.1,  0.1,        0.1,        0.1};
    for (std::size_t s = 0; s < expected.size(); ++s) {
        EXPECT_NEAR(cosine(1.0, 0.1, 7, 21, static_cast<std::int64_t>(s)), expected[s], 1e-8) << s;
    }
}

OptimSettings settings(const std::string& schedule, double lr_min = 0.1) {
    OptimSettings o;
    o.lr = 1.0;
    o.lr_min = lr_min;
    o.warmup = 0.25;
    o.schedule = schedule;
    return o;
}

TEST(Schedule, WarmsUpOverItsShareOfTheUpdates) {
    for (const char* schedule : {"cosine", "constant", "linear", "inverse-sqrt"}) {
        const OptimSettings o = settings(schedule);
        EXPECT_DOUBLE_EQ(learning_rate(o, 16, 1), 0.25) << schedule;
        EXPECT_DOUBLE_EQ(learning_rate(o, 16, 3), 0.75) << schedule;
        EXPECT_DOUBLE_EQ(learning_rate(o, 16, 4), 1.0) << schedule;
    }
}

TEST(Schedule, EndsWhereItSays) {
    EXPECT_DOUBLE_EQ(learning_rate(settings("cosine"), 16, 16), 0.1);
    EXPECT_DOUBLE_EQ(learning_rate(settings("cosine"), 16, 10), 0.55);
    EXPECT_DOUBLE_EQ(learning_rate(settings("linear"), 16, 16), 0.1);
    EXPECT_DOUBLE_EQ(learning_rate(settings("linear"), 16, 10), 0.55);
    EXPECT_DOUBLE_EQ(learning_rate(settings("constant"), 16, 16), 1.0);
    EXPECT_DOUBLE_EQ(learning_rate(settings("inverse-sqrt"), 16, 16), 0.5);
    EXPECT_DOUBLE_EQ(learning_rate(settings("inverse-sqrt", 0.7), 16, 16), 0.7);
}

TEST(Schedule, WithoutWarmUpTheFirstUpdateIsFull) {
    OptimSettings o = settings("constant");
    o.warmup = 0.0;
    EXPECT_DOUBLE_EQ(learning_rate(o, 10, 1), 1.0);
    o.schedule = "inverse-sqrt";
    EXPECT_DOUBLE_EQ(learning_rate(o, 10, 1), 1.0);
}

}  // namespace
}  // namespace lrd::test
