// SPDX-License-Identifier: MIT
// A few queries against whole rows of keys: no running maximum is needed.
#include <array>

#include "kernels/cpu/attention_bf16.hpp"
#include "kernels/cpu/dropout.hpp"

namespace lrd {
namespace {

constexpr std::int64_t queries = 32;  // of a block

struct ForwardScratch {
    Pair *k, *v, *q, *p;
    float *scores, *sums, *factors;
    std::int64_t ld;  // of scores

    ForwardScratch(Worker& worker, const AttentionJob& job) : ld(job.length() + lanes) {
        const std::int64_t T = job.length();
        Room room{worker.floats.floats(T * (job.pairs() + job.panels() / 2 + 1) +
                                       queries * (job.pairs() + T / 2 + ld + job.width()))};
        k = room.pairs(T * job.pairs());
        v = room.pairs(T / 2 * job.panels());
        q = room.pairs(queries * job.pairs());
        p = room.pairs(queries * T / 2);
        scores = room.floats(queries * ld);
        sums = room.floats(queries * job.width());
        factors = room.floats(T);
    }
};

/// A head's keys and values, packed.
struct KeysAndValues {
    RightPairs k, v;
};

/// Queries [first, first + rows) of one head: scores = q kᵀ, P = softmax, y = (P ∘ dropout) v.
void forward_block(const ForwardScratch& at, const KeysAndValues& packed, const View& y,
                   const View& lse, const Head<Bf16>& head, const AttentionJob& job,
                   std::int64_t first, std::int64_t rows) {
    const std::int64_t D = job.s.D;
    const std::int64_t end = padded(first + rows, 2 * apart);
    const std::int64_t ld_p = job.length() / 2;
    std::array<float, queries> inverse;
    const LeftPairs q = pack_left(at.q, head.q + first * job.ld(), job.ld(), rows, D);
    multiply_pairs(rows, end, job.pairs(), at.scores, at.ld, q, packed.k);
    for (std::int64_t i = 0; i < rows; ++i) {
        const std::int64_t t = first + i;
        float* row = at.scores + i * at.ld;
        const Softmax sums =
            soften_row(row, keys_of(job.options, head, t, 0, end), scale_of(job.s));
        inverse[static_cast<std::size_t>(i)] = sums.inverse;
        lse.f32()[head.at_lse + t] = sums.lse;
        if (job.drops()) {
            dropout_factors(at.factors, t + 1, job.options.dropout, head.row + t, head.h);
            multiply(row, row, at.factors, t + 1);
        }
        pair_row(at.p + i * ld_p, row, end);
    }
    constexpr std::int64_t some = 64;  // pairs of v that stay in the cache for all rows
    for (std::int64_t k = 0; k < end / 2; k += some) {
        multiply_pairs(rows, D, std::min(some, end / 2 - k), at.sums, job.width(),
                       {at.p + k, ld_p, 1}, packed.v.from(k), k > 0);
    }
    for (std::int64_t i = 0; i < rows; ++i) {
        scale_row(elements<Bf16>(y) + head.at_y + (first + i) * job.ld_y(),
                  at.sums + i * job.width(), inverse[static_cast<std::size_t>(i)], D);
    }
}

}  // namespace

// A head's keys and values are packed by each of its parts: parts only as far as threads need them.
void attention_bf16(Team& team, const View& y, const View& lse, const View& qkv, AttentionShape s,
                    const AttentionOptions& options) {
    const AttentionJob job{s, options, qkv};
    const std::int64_t heads = s.B * s.H;
    if (heads * s.T == 0) {
        return;
    }
    const std::int64_t blocks = (s.T + queries - 1) / queries;
    const std::int64_t parts =
        std::min<std::int64_t>(blocks, (4 * omp_get_max_threads() + heads - 1) / heads);
    team.for_each(heads * parts, [&](Worker& worker, std::int64_t item) {
        const auto head = head_of<Bf16>(qkv, s, item / parts);
        const ForwardScratch at(worker, job);
        const KeysAndValues packed{pack_transposed(at.k, head.k, job.ld(), s.T, s.D),
                                   pack_rows(at.v, head.v, job.ld(), s.T, s.D)};
        for (std::int64_t block = item % parts; block < blocks; block += parts) {
            const std::int64_t first = block * queries;
            forward_block(at, packed, y, lse, head, job, first, std::min(queries, s.T - first));
        }
    });
}

}  // namespace lrd
