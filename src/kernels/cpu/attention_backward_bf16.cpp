// SPDX-License-Identifier: MIT
// Blocks of queries against blocks of keys, P from lse (Dao 2022), sums in fp32.
#include "kernels/cpu/attention_bf16.hpp"
#include "kernels/cpu/dropout.hpp"

namespace lrd {
namespace {

constexpr std::int64_t block_q = 64;   // queries
constexpr std::int64_t block_k = 128;  // keys

struct BackwardScratch {
    Pair *q, *d_y, *q_rows, *d_y_rows;     // of the head
    Pair *k, *v, *k_rows;                  // of a block of keys
    Pair *p_turned, *d_turned, *d_scores;  // of a block of queries against it
    float *scores, *d, *delta, *factors, *d_q, *d_k, *d_v;

    BackwardScratch(Worker& worker, const AttentionJob& job) {
        const std::int64_t T = job.length();
        const std::int64_t P = job.pairs();
        Room room{worker.floats.floats(T * (2 * P + job.panels() + job.width() + 1) +
                                       block_k * (2 * P + job.panels() / 2 + 2 * job.width() + 1) +
                                       block_q * block_k * 7 / 2)};
        q = room.pairs(T * P);
        d_y = room.pairs(T * P);
        q_rows = room.pairs(T / 2 * job.panels());
        d_y_rows = room.pairs(T / 2 * job.panels());
        d_q = room.floats(T * job.width());
        delta = room.floats(T);
        k = room.pairs(block_k * P);
        v = room.pairs(block_k * P);
        k_rows = room.pairs(block_k / 2 * job.panels());
        d_k = room.floats(block_k * job.width());
        d_v = room.floats(block_k * job.width());
        factors = room.floats(block_k);
        scores = room.floats(block_q * block_k);
        d = room.floats(block_q * block_k);
        p_turned = room.pairs(block_q / 2 * block_k);
        d_turned = room.pairs(block_q / 2 * block_k);
        d_scores = room.pairs(block_q * block_k / 2);
    }
};

/// A block: its first query and key, and how many.
struct Block {
    std::int64_t query, queries, key, keys;
};

/// Queries of the head and keys of a block, as the products take them.
struct Packed {
    LeftPairs q, d_y;
    RightPairs q_rows, d_y_rows, k, v, k_rows;
};

/// Row i of a block: scores and d_P become P ∘ dropout and d_scores; 0 after the last query.
void differentiate(const BackwardScratch& at, const View& lse, const Head<Bf16>& head,
                   const AttentionJob& job, Block b, std::int64_t i) {
    float* row = at.scores + i * block_k;
    float* d_row = at.d + i * block_k;
    const std::int64_t end = padded(b.keys, 2 * apart);
    const std::int64_t t = b.query + i;
    if (i >= b.queries) {
        std::fill(row, row + end, 0.0F);
        std::fill(d_row, d_row + end, 0.0F);
        return;
    }
    if (job.drops()) {
        dropout_factors(at.factors, end, job.options.dropout, head.row + t, head.h, b.key);
        multiply(d_row, d_row, at.factors, end);
    }
    differentiate_row(row, d_row, keys_of(job.options, head, t, b.key, end), scale_of(job.s),
                      lse.f32()[head.at_lse + t], at.delta[t]);
    if (job.drops()) {
        multiply(row, row, at.factors, end);
    }
}

/// P from lse; d_v += (P ∘ dropout)ᵀ d_y; d_P = dropout ∘ d_y vᵀ; d_q += d_scores k; d_k +=
/// d_scoresᵀ q.
void backward_block(const BackwardScratch& at, const Packed& packed, const View& lse,
                    const Head<Bf16>& head, const AttentionJob& job, Block b) {
    const std::int64_t D = job.s.D;
    const std::int64_t P = job.pairs();
    multiply_pairs(block_q, b.keys, P, at.scores, block_k, packed.q.from(b.query), packed.k);
    multiply_pairs(block_q, b.keys, P, at.d, block_k, packed.d_y.from(b.query), packed.v);
    const std::int64_t keys = padded(b.keys, 2 * apart);
    const std::int64_t pairs = padded(b.queries, 2 * apart) / 2;
    for (std::int64_t p = 0; p < pairs; ++p) {
        const std::int64_t i = p / apart * 2 * apart + p % apart;
        for (const std::int64_t one : {i, i + apart}) {
            differentiate(at, lse, head, job, b, one);
            pair_row(at.d_scores + one * block_k / 2, at.d + one * block_k, keys);
        }
        const std::int64_t first = i * block_k;
        const std::int64_t second = (i + apart) * block_k;
        pair_rows(at.p_turned + p * block_k, at.scores + first, at.scores + second, keys);
        pair_rows(at.d_turned + p * block_k, at.d + first, at.d + second, keys);
    }
    const std::int64_t width = job.width();
    multiply_pairs(b.keys, D, pairs, at.d_v, width, {at.p_turned, 1, block_k},
                   packed.d_y_rows.from(b.query / 2), true);
    multiply_pairs(b.keys, D, pairs, at.d_k, width, {at.d_turned, 1, block_k},
                   packed.q_rows.from(b.query / 2), true);
    multiply_pairs(block_q, D, keys / 2, at.d_q + b.query * width, width,
                   {at.d_scores, block_k / 2, 1}, packed.k_rows, true);
}

void narrow_rows(Bf16* to, std::int64_t ld, const float* from, std::int64_t rows,
                 const AttentionJob& job) {
    for (std::int64_t i = 0; i < rows; ++i) {
        prefetch_row(to, ld, i, job.s.D);
        narrow(to + i * ld, from + i * job.width(), job.s.D);
    }
}

void backward_head(Worker& worker, const AttentionGradients& g, const AttentionJob& job,
                   std::int64_t index) {
    const std::int64_t T = job.s.T;
    const std::int64_t D = job.s.D;
    const std::int64_t ld = job.ld();
    const std::int64_t ld_y = job.ld_y();
    const auto head = head_of<Bf16>(job.qkv, job.s, index);
    const auto d_head = head_of<Bf16>(g.d_qkv, job.s, index);
    const Bf16* y = elements<Bf16>(g.y) + head.at_y;
    const Bf16* d_y = elements<Bf16>(g.d_y) + head.at_y;
    const BackwardScratch at(worker, job);
    Packed packed{pack_left(at.q, head.q, ld, T, D),
                  pack_left(at.d_y, d_y, ld_y, T, D),
                  pack_rows(at.q_rows, head.q, ld, T, D),
                  pack_rows(at.d_y_rows, d_y, ld_y, T, D),
                  {},
                  {},
                  {}};
    for (std::int64_t t = 0; t < T; ++t) {
        prefetch_row(y, ld_y, t, D);
        at.delta[t] = dot(d_y + t * ld_y, y + t * ld_y, D);
    }
    std::fill_n(at.d_q, job.length() * job.width(), 0.0F);
    for (std::int64_t key = 0; key < T; key += block_k) {
        const std::int64_t keys = std::min(block_k, T - key);
        packed.k = pack_transposed(at.k, head.k + key * ld, ld, keys, D);
        packed.v = pack_transposed(at.v, head.v + key * ld, ld, keys, D);
        packed.k_rows = pack_rows(at.k_rows, head.k + key * ld, ld, keys, D);
        std::fill_n(at.d_k, 2 * block_k * job.width(), 0.0F);  // and d_v
        for (std::int64_t query = key; query < T; query += block_q) {
            const std::int64_t end = std::min(T, query + block_q);
            const Block b{query, end - query, key, std::min(keys, end - key)};
            backward_block(at, packed, g.lse, head, job, b);
        }
        narrow_rows(d_head.k + key * ld, ld, at.d_k, keys, job);
        narrow_rows(d_head.v + key * ld, ld, at.d_v, keys, job);
    }
    narrow_rows(d_head.q, ld, at.d_q, T, job);
}

}  // namespace

// One item per head: nobody else adds to its d_k and d_v.
void attention_backward_bf16(Team& team, const AttentionGradients& g, const View& qkv,
                             AttentionShape s, const AttentionOptions& options) {
    const AttentionJob job{s, options, qkv};
    team.for_each(s.B * s.H, [&](Worker& worker, std::int64_t index) {
        backward_head(worker, g, job, index);
    });
}

}  // namespace lrd
