// SPDX-License-Identifier: MIT
#include "kernels/cpu/product_engine.hpp"

#include <omp.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "core/check.hpp"
#include "kernels/cpu/parallel.hpp"

namespace lrd {

// ---- Buffer

Buffer::~Buffer() { std::free(data_); }

std::byte* Buffer::bytes(std::size_t count) {
    if (count > size_) {
        std::free(data_);
        size_ = 0;
        const std::size_t rounded = (count + 63) / 64 * 64;
        data_ = static_cast<std::byte*>(std::aligned_alloc(64, rounded));
        if (data_ == nullptr) {
            fail(ExitCode::out_of_memory, "no memory for {} bytes of scratch", rounded);
        }
        size_ = rounded;
    }
    return data_;
}

// ---- primitives

std::size_t ProductShapeHash::operator()(const ProductShape& s) const {
    std::uint64_t hash = 0;
    const auto mix = [&](std::int64_t value) {
        hash = (hash ^ static_cast<std::uint64_t>(value)) * 0x9E3779B97F4A7C15ULL;
        hash ^= hash >> 29U;
    };
    for (const std::int64_t value : {s.M, s.N, s.K, s.ld_a, s.ld_b, s.ld_c}) {
        mix(value);
    }
    std::int64_t flags = s.threads;
    for (const bool flag :
         {s.transposed_a, s.transposed_b, s.packed_b, s.bias, s.accumulate, s.bf16, s.bf16_c}) {
        flags = 2 * flags + (flag ? 1 : 0);
    }
    mix(flags);
    return static_cast<std::size_t>(hash);
}

ProductEngine::ProductEngine() : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

namespace {

dnnl::memory::data_type type_of(bool bf16) {
    return bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

dnnl::memory::desc matrix(std::int64_t rows, std::int64_t cols, bool bf16, std::int64_t ld,
                          bool transposed) {
    return {{rows, cols},
            type_of(bf16),
            transposed ? dnnl::memory::dims{1, ld} : dnnl::memory::dims{ld, 1}};
}

}  // namespace

ProductEngine::Entry ProductEngine::make(const ProductShape& s) {
    using dnnl::memory;
    const memory::desc a = matrix(s.M, s.K, s.bf16, s.ld_a, s.transposed_a);
    const memory::desc b =
        s.packed_b ? packed_layout(s.K, s.N) : matrix(s.K, s.N, s.bf16, s.ld_b, s.transposed_b);
    const memory::desc c = matrix(s.M, s.N, s.bf16_c, s.ld_c, false);
    const memory::desc bias = matrix(1, s.N, false, s.N, false);
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (s.accumulate) {
        dnnl::post_ops post;
        post.append_sum(1.0F);
        attributes.set_post_ops(post);
    }
    const dnnl::matmul::desc operation =
        s.bias ? dnnl::matmul::desc(a, b, bias, c) : dnnl::matmul::desc(a, b, c);
    const dnnl::matmul::primitive_desc chosen(operation, attributes, engine_);
    scratch_bytes_ = std::max(scratch_bytes_, chosen.scratchpad_desc().get_size());
    scratch_.bytes(scratch_bytes_);
    const auto unbound = [&](const memory::desc& d) {
        return memory(d, engine_, DNNL_MEMORY_NONE);
    };
    return {dnnl::matmul(chosen), unbound(a),    unbound(b),
            unbound(c),           unbound(bias), unbound(chosen.scratchpad_desc())};
}

ProductEngine::Entry& ProductEngine::find(const ProductShape& shape) {
    const auto found = entries_.find(shape);
    if (found != entries_.end()) {
        return found->second;
    }
    try {
        Entry& entry = entries_.emplace(shape, make(shape)).first->second;
        grown_ = true;
        return entry;
    } catch (const dnnl::error& error) {
        fail(error.status == dnnl_out_of_memory ? ExitCode::out_of_memory : ExitCode::internal,
             "oneDNN has no product of {} × {} × {}: {}", shape.M, shape.N, shape.K, error.what());
    }
}

void ProductEngine::learn(const ProductEngine& other) {
    for (const auto& [shape, entry] : other.entries_) {
        find(shape);
    }
}

namespace {

template <class T>
void add_bias_to(T* data, std::int64_t M, std::int64_t N, Factor c, bool accumulate,
                 const float* bias) {
    for (std::int64_t i = 0; i < M; ++i) {
        for (std::int64_t j = 0; j < N; ++j) {
            T& out = data[c.transposed ? j * c.ld + i : i * c.ld + j];
            set(out, (accumulate ? value_of(out) : 0.0F) + (bias == nullptr ? 0.0F : bias[j]));
        }
    }
}

/// c = 0 or the bias, or c += bias: a product without any a·b.
void add_bias_only(std::int64_t M, std::int64_t N, Factor c, bool accumulate, const float* bias) {
    if (c.bf16) {
        add_bias_to(static_cast<Bf16*>(c.data), M, N, c, accumulate, bias);
    } else {
        add_bias_to(static_cast<float*>(c.data), M, N, c, accumulate, bias);
    }
}

/// A view as a Factor. A stride beside an extent of 1 may be anything, and oneDNN insists on one
/// that fits, so it is set here.
Factor factor_of(const View& x) {
    const std::int64_t rows = x.rows();
    const std::int64_t cols = x.cols();
    const bool by_rows = (cols <= 1 || x.stride(1) == 1) && (rows <= 1 || x.stride(0) >= cols);
    const std::int64_t ld = by_rows ? (rows <= 1 ? std::max<std::int64_t>(cols, 1) : x.stride(0))
                                    : (cols <= 1 ? std::max<std::int64_t>(rows, 1) : x.stride(1));
    return x.dtype() == DType::bf16 ? Factor(elements<Bf16>(x), ld, !by_rows)
                                    : Factor(x.f32(), ld, !by_rows);
}

}  // namespace

void ProductEngine::run(std::int64_t M, std::int64_t N, std::int64_t K, Factor c, Factor a,
                        Factor b, bool accumulate, float* bias) {
    if (M == 0 || N == 0) {
        return;
    }
    if (K == 0) {
        add_bias_only(M, N, c, accumulate, bias);
        return;
    }
    Entry& entry = find({M, N, K, a.ld, b.ld, c.ld, a.transposed, b.transposed, b.packed != nullptr,
                         bias != nullptr, accumulate, a.bf16, c.bf16, omp_get_max_threads()});
    entry.a.set_data_handle(a.data, stream_);
    entry.b.set_data_handle(b.packed != nullptr ? b.packed : b.data, stream_);
    entry.c.set_data_handle(c.data, stream_);
    entry.scratch.set_data_handle(scratch_.bytes(scratch_bytes_), stream_);
    std::array<dnnl_exec_arg_t, 5> args{{{DNNL_ARG_SRC, entry.a.get()},
                                         {DNNL_ARG_WEIGHTS, entry.b.get()},
                                         {DNNL_ARG_DST, entry.c.get()},
                                         {DNNL_ARG_SCRATCHPAD, entry.scratch.get()},
                                         {DNNL_ARG_BIAS, entry.bias.get()}}};
    if (bias != nullptr) {
        entry.bias.set_data_handle(bias, stream_);
    }
    // The C call: the C++ one would build a map and a vector each time.
    const dnnl_status_t status = dnnl_primitive_execute(entry.primitive.get(), stream_.get(),
                                                        bias != nullptr ? 5 : 4, args.data());
    LRD_CHECK(status == dnnl_success, "oneDNN returned {} for a product of {} × {} × {}",
              static_cast<int>(status), M, N, K);
}

// The layout is asked for once, for many rows; products of fewer take it as it then is.
const dnnl::memory::desc& ProductEngine::packed_layout(std::int64_t K, std::int64_t N) {
    const auto [at, fresh] = packed_layouts_.try_emplace({K, N});
    if (fresh) {
        constexpr std::int64_t many = 1024;
        const dnnl::memory::desc any({K, N}, type_of(true), dnnl::memory::format_tag::any);
        const dnnl::matmul::desc operation(matrix(many, K, true, K, false), any,
                                           matrix(many, N, true, N, false));
        at->second = dnnl::matmul::primitive_desc(operation, engine_).weights_desc();
    }
    return at->second;
}

std::size_t ProductEngine::packed_bytes(const View& b) {
    if (b.size() == 0 || b.dtype() != DType::bf16) {
        return 0;
    }
    const dnnl::memory::desc& layout = packed_layout(b.rows(), b.cols());
    const bool plain = layout.data.format_desc.blocking.inner_nblks == 0;
    return plain ? 0 : layout.get_size();
}

void ProductEngine::pack(const View& packed, const View& b) {
    const Factor from = factor_of(b);
    const PackShape shape{b.rows(), b.cols(), from.ld, from.transposed};
    auto found = packings_.find(shape);
    if (found == packings_.end()) {
        const dnnl::memory plain(matrix(b.rows(), b.cols(), true, from.ld, from.transposed),
                                 engine_, DNNL_MEMORY_NONE);
        const dnnl::memory blocked(packed_layout(b.rows(), b.cols()), engine_, DNNL_MEMORY_NONE);
        found = packings_.emplace(shape, Packing{{plain, blocked}, plain, blocked}).first;
    }
    Packing& packing = found->second;
    packing.from.set_data_handle(from.data, stream_);
    packing.to.set_data_handle(packed.raw(), stream_);
    const std::array<dnnl_exec_arg_t, 2> args{
        {{DNNL_ARG_FROM, packing.from.get()}, {DNNL_ARG_TO, packing.to.get()}}};
    const dnnl_status_t status = dnnl_primitive_execute(packing.reorder.get(), stream_.get(),
                                                        static_cast<int>(args.size()), args.data());
    LRD_CHECK(status == dnnl_success, "oneDNN returned {} for a packing of {} × {}",
              static_cast<int>(status), b.rows(), b.cols());
}

// c += aᵀ·b of a wide a and a narrow b, the gradient of a skinny factor: oneDNN would transpose all
// of a; turned round, cᵀ = bᵀ·a, it is the narrow one, and cᵀ is added to c after.
void ProductEngine::run_turned(std::int64_t M, std::int64_t N, std::int64_t K, Factor c, Factor a,
                               Factor b) {
    const auto turn = [](Factor x) {
        x.transposed = !x.transposed;
        return x;
    };
    float* sums = wide_.floats(M * N);
    run(N, M, K, {sums, M}, turn(b), turn(a));
    auto* out = static_cast<float*>(c.data);
    constexpr std::int64_t rows = 64;  // of c: a piece of every row of cᵀ stays in the cache
    for_ranges(M, rows, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            for (std::int64_t j = 0; j < N; ++j) {
                out[i * c.ld + j] += sums[j * M + i];
            }
        }
    });
}

void ProductEngine::run(const Product& p) {
    const std::int64_t M = p.c.rows();
    const std::int64_t N = p.c.cols();
    const std::int64_t K = p.a.cols();
    const Factor c = factor_of(p.c);
    float* bias = p.bias ? p.bias.f32() : nullptr;
    if (!c.transposed) {
        const Factor a = factor_of(p.a);
        Factor b = factor_of(p.b);
        constexpr std::int64_t narrow = 128;
        if (a.transposed && p.accumulate && a.bf16 && !c.bf16 && N <= narrow && 4 * N <= M &&
            M <= 2 * K) {
            run_turned(M, N, K, c, a, b);
            return;
        }
        b.packed = p.packed_b.raw();
        run(M, N, K, c, a, b, p.accumulate, bias);
        return;
    }
    // oneDNN wants rows of c without gaps: cᵀ = bᵀ aᵀ. The bias is then one per row.
    Factor turned = c;
    turned.transposed = false;
    if (bias != nullptr && c.bf16) {  // rounded once
        float* wide = wide_.floats(M * N);
        run(N, M, K, {wide, M}, factor_of(p.b.t()), factor_of(p.a.t()));
        auto* out = static_cast<Bf16*>(c.data);
        for (std::int64_t j = 0; j < N; ++j) {
            for (std::int64_t i = 0; i < M; ++i) {
                out[j * c.ld + i] = rounded(wide[j * M + i] + bias[j]);
            }
        }
        return;
    }
    run(N, M, K, turned, factor_of(p.b.t()), factor_of(p.a.t()), p.accumulate);
    if (bias != nullptr) {
        add_bias_only(M, N, c, true, bias);
    }
}

}  // namespace lrd
