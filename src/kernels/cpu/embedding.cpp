// SPDX-License-Identifier: MIT
#include <cstring>

#include "core/check.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/simd.hpp"

namespace lrd {
namespace {

LRD_HOT void add_row(float* y, const float* x, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        y[i] += x[i];
    }
}

void check_ids(const char* op, const View& ids, std::int64_t vocabulary) {
    for (std::int64_t i = 0; i < ids.dim(0); ++i) {
        const std::int32_t id = ids.i32()[i];
        LRD_CHECK(id >= 0 && id < vocabulary, "{}: ids[{}] = {} is not in [0, {})", op, i, id,
                  vocabulary);
    }
}

}  // namespace

void CpuBackend::do_embed(const View& x, const View& table, const View& ids) {
    check_ids("embed", ids, table.rows());
    const std::int64_t width = table.cols();
    for_ranges(x.rows(), rows_of(width), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            std::memcpy(x.f32() + i * width, table.f32() + ids.i32()[i] * width,
                        static_cast<std::size_t>(width) * sizeof(float));
        }
    });
}

// Each piece owns some rows of the table and walks through all ids, so that a row's terms are added
// in the order of i, whatever the number of threads.
void CpuBackend::do_embed_backward(const View& d_table, const View& d_x, const View& ids) {
    check_ids("embed_backward", ids, d_table.rows());
    constexpr std::int64_t owners = 64;
    const std::int64_t width = d_table.cols();
    for_ranges(owners, 1, [&](std::int64_t owner, std::int64_t) {
        for (std::int64_t i = 0; i < d_x.rows(); ++i) {
            const std::int64_t id = ids.i32()[i];
            if (id % owners == owner) {
                add_row(d_table.f32() + id * width, d_x.f32() + i * width, width);
            }
        }
    });
}

void CpuBackend::do_add_positions(const View& x, const View& positions) {
    const std::int64_t width = x.cols();
    for_ranges(x.rows(), rows_of(width), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            add_row(x.f32() + i * width, positions.f32() + i % positions.rows() * width, width);
        }
    });
}

void CpuBackend::do_add_positions_backward(const View& d_positions, const View& d_x) {
    const std::int64_t width = d_x.cols();
    const std::int64_t length = d_positions.rows();
    for_ranges(length, rows_of(width), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = 0; row < d_x.rows(); row += length) {
            for (std::int64_t t = begin; t < end; ++t) {
                add_row(d_positions.f32() + t * width, d_x.f32() + (row + t) * width, width);
            }
        }
    });
}

}  // namespace lrd
