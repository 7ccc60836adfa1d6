// SPDX-License-Identifier: MIT
// Team: what belongs to the threads of a CpuBackend: primitives, scratch, and the region in which
// each of them works alone.
#pragma once

#include <omp.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <vector>

#include "kernels/cpu/product_engine.hpp"

namespace lrd {

/// One thread's own.
struct Worker {
    ProductEngine products;
    Buffer floats;
};

class Team {
public:
    /// Products of the whole team, called outside any region.
    ProductEngine products;

    /// body(worker, i) for i in [0, n): one region, whose threads take the next i when free. Which
    /// thread takes which i must not show in the result.
    template <class Body>
    void for_each(std::int64_t n, Body&& body) {
        const int threads = static_cast<int>(
            std::min<std::int64_t>(omp_get_max_threads(), std::max<std::int64_t>(n, 1)));
        while (workers_.size() < static_cast<std::size_t>(threads)) {
            workers_.push_back(std::make_unique<Worker>());
        }
        std::exception_ptr error;
#pragma omp parallel num_threads(threads)
        {
            // oneDNN asks for the number of threads: a nested team would cost 100 µs per product.
            const int outside = omp_get_max_threads();
            omp_set_num_threads(1);
            Worker& worker = *workers_[static_cast<std::size_t>(omp_get_thread_num())];
#pragma omp for schedule(dynamic, 1)
            for (std::int64_t i = 0; i < n; ++i) {
                try {
                    body(worker, i);
                } catch (...) {  // must not leave the region
#pragma omp critical(lrd_team_error)
                    error = std::current_exception();
                }
            }
            omp_set_num_threads(outside);
        }
        if (error) {
            std::rethrow_exception(error);
        }
        level();
    }

private:
    /// What one worker has come to need, all have: which of them meets it first is chance, and a
    /// later call must find it there.
    void level() {
        std::size_t room = 0;
        bool grown = false;
        for (const auto& worker : workers_) {
            room = std::max(room, worker->floats.size());
            grown = grown || worker->products.grown();
        }
        for (const auto& worker : workers_) {
            worker->floats.bytes(room);
        }
        if (!grown) {
            return;
        }
        const int outside = omp_get_max_threads();
        omp_set_num_threads(1);  // as where they are run
        for (const auto& to : workers_) {
            for (const auto& from : workers_) {
                to->products.learn(from->products);
            }
        }
        omp_set_num_threads(outside);
        for (const auto& worker : workers_) {
            worker->products.settle();
        }
    }

    std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace lrd
