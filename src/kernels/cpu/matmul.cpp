// SPDX-License-Identifier: MIT
#include <utility>

#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/team.hpp"

namespace lrd {

void CpuBackend::do_matmul(const Product& product) { team_->products.run(product); }

// Fewer products than threads: each by the whole team. Otherwise each by one thread, so that small
// products do not pay for a team.
void CpuBackend::do_grouped_matmul(std::span<const Product> products) {
    if (std::cmp_less(products.size(), omp_get_max_threads())) {
        for (const Product& product : products) {
            team_->products.run(product);
        }
        return;
    }
    team_->for_each(static_cast<std::int64_t>(products.size()),
                    [&](Worker& worker, std::int64_t i) {
                        worker.products.run(products[static_cast<std::size_t>(i)]);
                    });
}

std::size_t CpuBackend::do_packed_bytes(const View& b) { return team_->products.packed_bytes(b); }

void CpuBackend::do_pack(const View& packed, const View& b) { team_->products.pack(packed, b); }

}  // namespace lrd
