// SPDX-License-Identifier: MIT
#include <cstring>

#include "core/check.hpp"
#include "kernels/cpu/bf16.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/parallel.hpp"

namespace lrd {
namespace {

LRD_HOT void add_row(float* y, const float* x, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        y[i] += x[i];
    }
}

LRD_HOT void add_row_bf16(float* y, const Bf16* x, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        y[i] += value_of(x[i]);
    }
}

void check_ids(const char* op, const View& ids, std::int64_t vocabulary) {
    for (std::int64_t i = 0; i < ids.dim(0); ++i) {
        const std::int32_t id = ids.i32()[i];
        LRD_CHECK(id >= 0 && id < vocabulary, "{}: ids[{}] = {} is not in [0, {})", op, i, id,
                  vocabulary);
    }
}

void check_starts(const char* op, const View& starts, std::int64_t T) {
    for (std::int64_t i = 0; starts && i < starts.dim(0); ++i) {
        const std::int32_t start = starts.i32()[i];
        LRD_CHECK(start >= 0 && start <= i % T, "{}: starts[{}] = {} is not in [0, {}]", op, i,
                  start, i % T);
    }
}

/// In its document, or in its sequence of T rows.
std::int64_t position_of(std::int64_t i, std::int64_t T, const View& starts) {
    return i % T - (starts ? starts.i32()[i] : 0);
}

}  // namespace

void CpuBackend::do_embed(const View& x, const View& table, const View& ids) {
    check_ids("embed", ids, table.rows());
    const std::int64_t width = table.cols();
    const std::size_t bytes = static_cast<std::size_t>(width) * size_of(x.dtype());
    const auto row = [&](const View& of, std::int64_t i) {
        return static_cast<std::byte*>(of.raw()) + static_cast<std::size_t>(i) * bytes;
    };
    for_ranges(x.rows(), rows_of(width), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            std::memcpy(row(x, i), row(table, ids.i32()[i]), bytes);
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
            if (id % owners != owner) {
                continue;
            }
            if (d_x.dtype() == DType::bf16) {
                add_row_bf16(d_table.f32() + id * width, elements<Bf16>(d_x) + i * width, width);
            } else {
                add_row(d_table.f32() + id * width, d_x.f32() + i * width, width);
            }
        }
    });
}

void CpuBackend::do_add_positions(const View& x, const View& positions, const View& starts) {
    check_starts("add_positions", starts, positions.rows());
    const std::int64_t width = x.cols();
    for_ranges(x.rows(), rows_of(width), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t t = position_of(i, positions.rows(), starts);
            add_row(x.f32() + i * width, positions.f32() + t * width, width);
        }
    });
}

// Each piece owns some positions and walks through all rows, as embed_backward does.
void CpuBackend::do_add_positions_backward(const View& d_positions, const View& d_x,
                                           const View& starts) {
    check_starts("add_positions_backward", starts, d_positions.rows());
    const std::int64_t width = d_x.cols();
    const std::int64_t length = d_positions.rows();
    for_ranges(length, rows_of(width), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = 0; i < d_x.rows(); ++i) {
            const std::int64_t t = position_of(i, length, starts);
            if (t >= begin && t < end) {
                add_row(d_positions.f32() + t * width, d_x.f32() + i * width, width);
            }
        }
    });
}

}  // namespace lrd
