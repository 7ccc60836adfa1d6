// SPDX-License-Identifier: MIT
// Causal attention in bf16: operands are packed as pairs once per head, then small products and
// loops over rows take turns in the cache. Forward: a few queries against whole rows of keys, so no
// running maximum is needed. Backward: blocks of queries against blocks of keys, P from lse (Dao
// 2022), sums in fp32.
#include <array>
#include <utility>

#include "kernels/cpu/attention.hpp"
#include "kernels/cpu/dropout.hpp"
#include "kernels/cpu/pair_product.hpp"

namespace lrd {
namespace {

/// What is the same for all heads.
struct Job {
    AttentionShape s;
    const AttentionOptions& options;
    const View& qkv;

    std::int64_t ld() const { return 3 * s.H * s.D; }
    std::int64_t ld_y() const { return s.H * s.D; }
    std::int64_t pairs() const { return (s.D + 1) / 2; }        // of a row of q or k
    std::int64_t width() const { return padded(s.D, lanes); }   // of a row of sums
    std::int64_t panels() const { return padded(s.D, panel); }  // columns of packed rows
    std::int64_t length() const { return padded(s.T, panel); }  // of a packed sequence
    bool drops() const { return options.dropout.rate > 0.0F; }
};

/// Pieces of a worker's memory.
struct Room {
    float* next;

    float* floats(std::int64_t n) { return std::exchange(next, next + n); }
    Pair* pairs(std::int64_t n) { return reinterpret_cast<Pair*>(floats(n)); }
};

// ---- forward

constexpr std::int64_t queries = 32;  // of a block

struct ForwardScratch {
    Pair *k, *v, *q, *p;
    float *scores, *sums, *factors;
    std::int64_t ld;  // of scores

    ForwardScratch(Worker& worker, const Job& job) : ld(job.length() + lanes) {
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
                   const View& lse, const Head<Bf16>& head, const Job& job, std::int64_t first,
                   std::int64_t rows) {
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
            soften_row_roughly(row, keys_of(job.options, head, t, 0, end), scale_of(job.s));
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

// ---- backward

constexpr std::int64_t block_q = 64;   // queries
constexpr std::int64_t block_k = 128;  // keys

struct BackwardScratch {
    Pair *q, *d_y, *q_rows, *d_y_rows;     // of the head
    Pair *k, *v, *k_rows;                  // of a block of keys
    Pair *p_turned, *d_turned, *d_scores;  // of a block of queries against it
    float *scores, *d, *delta, *factors, *d_q, *d_k, *d_v;

    BackwardScratch(Worker& worker, const Job& job) {
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
                   const Job& job, Block b, std::int64_t i) {
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
    differentiate_row_roughly(row, d_row, keys_of(job.options, head, t, b.key, end),
                              scale_of(job.s), lse.f32()[head.at_lse + t], at.delta[t]);
    if (job.drops()) {
        multiply(row, row, at.factors, end);
    }
}

/// P from lse; d_v += (P ∘ dropout)ᵀ d_y; d_P = dropout ∘ d_y vᵀ; d_q += d_scores k; d_k +=
/// d_scoresᵀ q.
void backward_block(const BackwardScratch& at, const Packed& packed, const View& lse,
                    const Head<Bf16>& head, const Job& job, Block b) {
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

void narrow_rows(Bf16* to, std::int64_t ld, const float* from, std::int64_t rows, const Job& job) {
    for (std::int64_t i = 0; i < rows; ++i) {
        prefetch_row(to, ld, i, job.s.D);
        narrow(to + i * ld, from + i * job.width(), job.s.D);
    }
}

void backward_head(Worker& worker, const AttentionGradients& g, const Job& job,
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

// A head's keys and values are packed by each of its parts: parts only as far as threads need them.
void attention_bf16(Team& team, const View& y, const View& lse, const View& qkv, AttentionShape s,
                    const AttentionOptions& options) {
    const Job job{s, options, qkv};
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

// One item per head: nobody else adds to its d_k and d_v.
void attention_backward_bf16(Team& team, const AttentionGradients& g, const View& qkv,
                             AttentionShape s, const AttentionOptions& options) {
    const Job job{s, options, qkv};
    team.for_each(s.B * s.H, [&](Worker& worker, std::int64_t index) {
        backward_head(worker, g, job, index);
    });
}

}  // namespace lrd
