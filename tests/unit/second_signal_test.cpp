// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <csignal>

#include "in_child.hpp"
#include "train/stop.hpp"

namespace lrd::test {
namespace {

TEST(SecondSignal, EndsTheProcessAtOnce) {
    const Outcome outcome = in_child([] {
        const StopConditions stop("nowhere", "");
        std::raise(SIGUSR1);
        std::raise(SIGTERM);
        return 1;
    });
    EXPECT_EQ(outcome.code, 128 + SIGTERM);
}

TEST(SecondSignal, TheFirstOnlyAsks) {
    const Outcome outcome = in_child([] {
        const StopConditions stop("nowhere", "");
        std::raise(SIGTERM);
        return 1;
    });
    EXPECT_EQ(outcome.code, 1);
}

TEST(SecondSignal, AfterTheRunSignalsEndTheProcessAsUsual) {
    const Outcome outcome = in_child([] {
        { const StopConditions stop("nowhere", ""); }
        std::raise(SIGTERM);
        return 1;
    });
    EXPECT_EQ(outcome.signal, SIGTERM);
}

}  // namespace
}  // namespace lrd::test
