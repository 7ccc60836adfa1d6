// SPDX-License-Identifier: MIT
#include "data/team.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <new>
#include <numeric>
#include <queue>
#include <thread>

#include "core/check.hpp"
#include "core/log.hpp"

namespace lrd {

namespace {

/// One byte of exit code and a sentence; "" for none.
std::string caught() {
    const auto news = [](ExitCode code, const std::string& sentence) {
        return static_cast<char>(code) + sentence;
    };
    try {
        throw;
    } catch (const Error& error) {
        return news(error.code(), error.what());
    } catch (const std::bad_alloc&) {
        return news(ExitCode::out_of_memory, "no memory left; use fewer --threads or ranks");
    } catch (const std::exception& error) {
        return news(ExitCode::io, error.what());
    }
}

/// The pieces of this rank, the largest first.
std::vector<std::size_t> mine_of(const std::vector<std::int64_t>& sizes,
                                 const Communicator& world) {
    const std::vector<int> owner = spread(sizes, world.size());
    std::vector<std::size_t> mine;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        if (owner[i] == world.rank()) {
            mine.push_back(i);
        }
    }
    std::stable_sort(mine.begin(), mine.end(),
                     [&](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
    return mine;
}

}  // namespace

std::vector<int> spread(const std::vector<std::int64_t>& sizes, int ranks) {
    std::vector<std::size_t> order(sizes.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
    using Load = std::pair<std::int64_t, int>;
    std::priority_queue<Load, std::vector<Load>, std::greater<>> loads;
    for (int rank = 0; rank < ranks; ++rank) {
        loads.push({0, rank});
    }
    std::vector<int> owner(sizes.size());
    for (const std::size_t i : order) {
        auto [load, rank] = loads.top();
        loads.pop();
        owner[i] = rank;
        loads.push({load + sizes[i] + 1, rank});
    }
    return owner;
}

void Team::on_all(const std::function<void()>& work) const {
    std::string news;
    try {
        work();
    } catch (...) {
        news = caught();
    }
    // Each rank sends its length in 8 bytes, so that the first that is not empty can be found.
    const std::uint64_t size = news.size();
    std::string all =
        world_->gather(std::string(reinterpret_cast<const char*>(&size), 8) + news, 0);
    std::string first;
    for (std::size_t at = 0; at + 8 <= all.size() && first.empty();) {
        std::uint64_t length = 0;
        std::copy_n(all.data() + at, 8, reinterpret_cast<char*>(&length));
        first = all.substr(at + 8, length);
        at += 8 + length;
    }
    world_->broadcast(first, 0);
    if (!first.empty()) {
        throw Error(static_cast<ExitCode>(first[0]), first.substr(1));
    }
}

void Team::on_first(const std::function<void()>& work) const {
    on_all([&] {
        if (world_->rank() == 0) {
            work();
        }
    });
}

std::string Team::share(const std::string& mine) const {
    std::string all = world_->gather(mine, 0);
    world_->broadcast(all, 0);
    return all;
}

void Team::run(const std::string& what, const std::vector<std::int64_t>& sizes,
               const std::function<void(std::size_t, int)>& work) const {
    const std::vector<std::size_t> mine = mine_of(sizes, *world_);
    std::int64_t total = 1;
    for (const std::size_t i : mine) {
        total += sizes[i];
    }
    log::Progress progress(what, static_cast<double>(total));
    std::atomic<std::size_t> next = 0;
    std::atomic<std::int64_t> done = 0;
    std::atomic<bool> failed = false;
    std::exception_ptr error;
    std::mutex error_mutex;
    const auto worker = [&](int thread) {
        try {
            for (std::size_t k = next++; k < mine.size() && !failed; k = next++) {
                work(mine[k], thread);
                done += sizes[mine[k]];
                if (thread == 0) {
                    progress.update(static_cast<double>(done));
                }
            }
        } catch (...) {
            const std::scoped_lock lock(error_mutex);
            error = failed ? error : std::current_exception();
            failed = true;
        }
    };
    on_all([&] {
        std::vector<std::jthread> others;
        for (int thread = 1; thread < std::min<int>(threads_, static_cast<int>(mine.size()));
             ++thread) {
            others.emplace_back(worker, thread);
        }
        worker(0);
        others.clear();  // joins them
        if (error) {
            std::rethrow_exception(error);
        }
    });
}

}  // namespace lrd
