// SPDX-License-Identifier: MIT
#include "commands/cores.hpp"

#include <fmt/core.h>
#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <thread>

namespace lrd {
namespace {

/// Of this thread; empty on a machine of more cores than a cpu_set_t counts.
cpu_set_t affinity() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        CPU_ZERO(&set);
    }
    return set;
}

Cores to_cores(const cpu_set_t& set) {
    Cores cores;
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (CPU_ISSET(core, &set)) {
            cores.push_back(core);
        }
    }
    return cores;
}

void run_on(const Cores& cores) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int core : cores) {
        CPU_SET(core, &set);
    }
    sched_setaffinity(0, sizeof set, &set);  // where it is refused, we run on as before
}

/// Asking for all cores gives those that the system allows. A thread of its own asks.
Cores reachable_cores() {
    Cores cores;
    std::thread([&] {
        cpu_set_t all;
        std::memset(&all, 0xff, sizeof all);
        sched_setaffinity(0, sizeof all, &all);
        cores = to_cores(affinity());
    }).join();
    return cores;
}

bool overlap(const Cores& a, const Cores& b) {
    return std::any_of(a.begin(), a.end(),
                       [&](int core) { return std::binary_search(b.begin(), b.end(), core); });
}

}  // namespace

Cores share_of_cores(const std::vector<Cores>& masks, std::size_t at) {
    const Cores& mine = masks[at];
    std::size_t sharers = 0;
    std::size_t before = 0;
    for (std::size_t rank = 0; rank < masks.size(); ++rank) {
        if (masks[rank] == mine) {
            ++sharers;
            before += rank < at ? 1 : 0;
        } else if (overlap(masks[rank], mine)) {
            return {};
        }
    }
    const auto each = static_cast<std::ptrdiff_t>(mine.size() / sharers);
    const auto first = mine.begin() + each * static_cast<std::ptrdiff_t>(before);
    return {first, first + each};
}

Placement placement(Communicator& world) {
    const cpu_set_t set = affinity();
    const std::string all =
        world.gather_node(std::string(reinterpret_cast<const char*>(&set), sizeof set));
    std::vector<Cores> masks;
    for (std::size_t at = 0; at < all.size(); at += sizeof set) {
        cpu_set_t one;
        std::memcpy(&one, all.data() + at, sizeof one);
        masks.push_back(to_cores(one));
    }
    return {to_cores(set), reachable_cores(),
            share_of_cores(masks, static_cast<std::size_t>(world.node_rank()))};
}

void pin(const Cores& own, std::int64_t threads) {
    run_on(own);
    if (threads != std::ssize(own)) {
        return;
    }
#pragma omp parallel num_threads(static_cast <int>(threads))
    if (omp_get_thread_num() > 0) {
        run_on({own[static_cast<std::size_t>(omp_get_thread_num())]});
    }
}

std::string describe(const Cores& cores) {
    std::string text;
    for (std::size_t i = 0; i < cores.size();) {
        std::size_t last = i;
        while (last + 1 < cores.size() && cores[last + 1] == cores[last] + 1) {
            ++last;
        }
        text += fmt::format("{}{}", text.empty() ? "" : ",", cores[i]);
        text += last > i ? fmt::format("-{}", cores[last]) : "";
        i = last + 1;
    }
    return text;
}

}  // namespace lrd
