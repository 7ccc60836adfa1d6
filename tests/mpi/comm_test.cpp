// SPDX-License-Identifier: MIT
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "mpi/mpi_main.hpp"

namespace lrd::test {
namespace {

/// Host memory that counts how often it is open to the host.
class CountingMemory : public Memory {
public:
    void* allocate(std::size_t bytes) override {
        return std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    }
    void release(void* data, std::size_t) noexcept override { std::free(data); }
    void begin_host_access(const View&) override { ++open; }
    void end_host_access(const View&) noexcept override { --open; }

    int open = 0;
};

// Sums over ranks 0 … R−1 of (rank + 1).
double triangle() { return 0.5 * world().size() * (world().size() + 1); }

TEST(Communicator, SumsTensorsOfSeveralMessagesInTheBackground) {
    CountingMemory memory;
    Arena arena(memory, "test");
    // More than a message, and a tail; a second one beside it, as two layers' gradients are.
    const View x = arena.region("x", DType::f32, {(1 << 22) + 3, 2});
    const View y = arena.region("y", DType::f32, {5});
    const auto mine = static_cast<float>(world().rank() + 1);
    for (std::int64_t i = 0; i < x.size(); ++i) {
        x.f32()[i] = mine * static_cast<float>(i % 1000);
    }
    for (std::int64_t i = 0; i < y.size(); ++i) {
        y.f32()[i] = mine;
    }
    world().start_all_reduce_sum(memory, x);
    world().progress();
    world().start_all_reduce_sum(memory, y);
    EXPECT_EQ(memory.open, world().size() > 1 ? 2 : 0)
        << "memory under way must be open to the host";
    world().wait_all();
    EXPECT_EQ(memory.open, 0);
    const auto total = static_cast<float>(triangle());
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < x.size(); ++i) {
        wrong += x.f32()[i] == total * static_cast<float>(i % 1000) ? 0 : 1;
    }
    EXPECT_EQ(wrong, 0);
    for (std::int64_t i = 0; i < y.size(); ++i) {
        EXPECT_EQ(y.f32()[i], total);
    }
}

TEST(Communicator, EveryRankOfANodeHearsAllOfIt) {
    std::string all;
    for (int rank = 0; rank < world().node_size(); ++rank) {
        all += fmt::format("rank {:03}", rank);
    }
    EXPECT_EQ(world().gather_node(fmt::format("rank {:03}", world().node_rank())), all);
}

TEST(Communicator, CanReduceAgainAfterWaiting) {
    CountingMemory memory;
    float value = 1.0F;
    const View x(&value, DType::f32, {1});
    world().wait_all();  // nothing under way
    for (int i = 0; i < 3; ++i) {
        world().start_all_reduce_sum(memory, x);
        world().wait_all();
    }
    const auto size = static_cast<float>(world().size());
    EXPECT_EQ(value, size * size * size);
}

TEST(Communicator, BroadcastsTensorsFromAnyRoot) {
    CountingMemory memory;
    const int root = world().size() - 1;
    std::vector<float> values(1000, static_cast<float>(world().rank()));
    world().broadcast(memory, View(values.data(), DType::f32, {10, 100}), root);
    EXPECT_EQ(values, std::vector<float>(1000, static_cast<float>(root)));
    EXPECT_EQ(memory.open, 0);
}

TEST(Communicator, ReducesHostValues) {
    const double rank = world().rank();
    std::vector<double> values = {rank + 1.0, 0.5, -rank};
    world().all_reduce_sum(values);
    EXPECT_EQ(values[0], triangle());
    EXPECT_EQ(values[1], 0.5 * world().size());
    std::vector<double> most = {rank, -rank, 3.0};
    world().all_reduce_max(most);
    EXPECT_EQ(most, (std::vector<double>{world().size() - 1.0, 0.0, 3.0}));
}

TEST(Communicator, BroadcastsAndGathersBytes) {
    const int root = world().size() - 1;
    std::string text = world().rank() == root ? std::string("a\0b", 3) : "something much longer";
    world().broadcast(text, root);
    EXPECT_EQ(text, std::string("a\0b", 3));
    text = "something";
    if (world().rank() == root) {
        text.clear();
    }
    world().broadcast(text, root);
    EXPECT_EQ(text, "");

    // Rank r gives r letters: rank 0 gives none.
    const auto r = static_cast<std::size_t>(world().rank());
    const std::string all =
        world().gather(std::string(r, static_cast<char>('a' + world().rank())), root);
    std::string expected;
    for (int i = 0; world().rank() == root && i < world().size(); ++i) {
        expected += std::string(static_cast<std::size_t>(i), static_cast<char>('a' + i));
    }
    EXPECT_EQ(all, expected);
}

TEST(Communicator, KnowsItsPlaceOnTheNode) {
    EXPECT_GE(world().node_rank(), 0);
    EXPECT_LT(world().node_rank(), world().node_size());
    EXPECT_LE(world().node_size(), world().size());
    // The ranks of one machine are as many as the world here, and differ.
    std::vector<double> taken(static_cast<std::size_t>(world().size()));
    taken[static_cast<std::size_t>(world().node_rank())] = 1.0;
    world().all_reduce_sum(taken);
    EXPECT_EQ(taken, std::vector<double>(taken.size(), 1.0));
}

TEST(Communicator, BarrierWaitsForAll) {
    using Clock = std::chrono::steady_clock;
    world().barrier();
    const Clock::time_point start = Clock::now();
    if (world().rank() == world().size() - 1) {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
    world().barrier();
    EXPECT_GT(Clock::now() - start, std::chrono::milliseconds(200));
}

}  // namespace
}  // namespace lrd::test
