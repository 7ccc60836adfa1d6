// SPDX-License-Identifier: MIT
#include "commands/cores.hpp"

#include <gtest/gtest.h>
#include <omp.h>
#include <sched.h>

#include <map>
#include <mutex>
#include <thread>

#include "comm/silent_world.hpp"

namespace lrd::test {
namespace {

std::vector<Cores> shares(const std::vector<Cores>& masks) {
    std::vector<Cores> out;
    for (std::size_t at = 0; at < masks.size(); ++at) {
        out.push_back(share_of_cores(masks, at));
    }
    return out;
}

TEST(ShareOfCores, AreApart) {
    const Cores all = {0, 1, 2, 3, 8};
    EXPECT_EQ(shares({all}), (std::vector<Cores>{all}));
    EXPECT_EQ(shares({all, all}), (std::vector<Cores>{{0, 1}, {2, 3}})) << "as many for each";
    EXPECT_EQ(shares({{0, 1}, {2, 3}}), (std::vector<Cores>{{0, 1}, {2, 3}})) << "bound already";
    // By socket: two ranks share each.
    EXPECT_EQ(shares({{0, 1}, {4, 5}, {0, 1}, {4, 5}}), (std::vector<Cores>{{0}, {4}, {1}, {5}}));
}

TEST(ShareOfCores, AreNoneWhereRanksCannotBeKeptApart) {
    EXPECT_EQ(shares({{0}, {0}}), (std::vector<Cores>{{}, {}})) << "more ranks than cores";
    EXPECT_EQ(shares({{0, 1}, {1, 2}, {3}}), (std::vector<Cores>{{}, {}, {3}}));
    EXPECT_EQ(shares({{}}), (std::vector<Cores>{{}})) << "unknown";
}

TEST(Cores, AreDescribedByRanges) {
    EXPECT_EQ(describe({}), "");
    EXPECT_EQ(describe({3}), "3");
    EXPECT_EQ(describe({0, 1, 2, 8, 10, 11}), "0-2,8,10-11");
}

Cores here() {
    SilentWorld alone(1, 1);
    return placement(alone).mask;
}

/// The cores that each thread of a team may run on.
std::map<int, Cores> team(int threads) {
    std::map<int, Cores> found;
    std::mutex lock;
#pragma omp parallel num_threads(threads)
    {
        const Cores mine = here();
        const std::lock_guard guard(lock);
        found[omp_get_thread_num()] = mine;
    }
    return found;
}

/// In a thread of its own, whose masks and team end with it.
template <class Work>
void apart(const Work& work) {
    std::thread(work).join();
}

TEST(Pin, AWorkerHasACoreForItself) {
    const Cores all = here();
    if (all.size() < 2) {
        GTEST_SKIP() << "one core";
    }
    const Cores two(all.begin(), all.begin() + 2);
    apart([&] {
        pin(two, 2);
        const std::map<int, Cores> pinned = {{0, two}, {1, {two[1]}}};
        EXPECT_EQ(team(2), pinned);
        team(1);
        EXPECT_EQ(team(3).at(2), two) << "a worker that comes later must not share one core";
    });
    apart([&] {
        pin(two, 1);
        EXPECT_EQ(team(2).at(1), two) << "fewer threads than cores move among them";
    });
    apart([&] {
        pin({two[1]}, 1);
        const std::map<int, Cores> one = {{0, {two[1]}}, {1, {two[1]}}};
        EXPECT_EQ(team(2), one);
        SilentWorld alone(1, 1);
        const Placement at = placement(alone);
        EXPECT_EQ(at.mask, Cores{two[1]});
        EXPECT_GT(at.reachable.size(), at.mask.size()) << "bound to fewer than it could have";
        EXPECT_EQ(here(), Cores{two[1]}) << "looking changes nothing";
    });
    EXPECT_EQ(here(), all);
}

}  // namespace
}  // namespace lrd::test
