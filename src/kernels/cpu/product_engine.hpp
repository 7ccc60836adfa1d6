// SPDX-License-Identifier: MIT
// ProductEngine: matrix products by oneDNN, primitives kept by shape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <dnnl.hpp>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "kernels/backend.hpp"
#include "kernels/cpu/bf16.hpp"

namespace lrd {

/// Host memory of 64-byte alignment that only grows.
class Buffer {
public:
    Buffer() = default;
    ~Buffer();
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    std::byte* bytes(std::size_t count);
    std::size_t size() const { return size_; }
    float* floats(std::int64_t count) {
        return reinterpret_cast<float*>(bytes(static_cast<std::size_t>(count) * sizeof(float)));
    }

private:
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

/// A matrix with one unit stride: element (i, j) at i·ld + j, or, `transposed`, j·ld + i.
struct Factor {
    Factor(float* floats, std::int64_t stride, bool turned = false)
        : data(floats), ld(stride), transposed(turned) {}
    Factor(Bf16* values, std::int64_t stride, bool turned = false)
        : data(values), ld(stride), transposed(turned), bf16(true) {}

    void* data;
    std::int64_t ld;
    bool transposed;
    bool bf16 = false;
    void* packed = nullptr;  // the same by ProductEngine::pack
};

/// All that tells one primitive from another.
struct ProductShape {
    std::int64_t M, N, K;
    std::int64_t ld_a, ld_b, ld_c;
    bool transposed_a, transposed_b, packed_b, bias, accumulate;
    bool bf16, bf16_c;  // the factors; c
    int threads;

    bool operator==(const ProductShape&) const = default;
};
struct ProductShapeHash {
    std::size_t operator()(const ProductShape& s) const;
};

/// The kernels that oneDNN takes for this processor, "avx512_core_bf16".
std::string product_instruction_set();
/// True if these multiply bf16 in one instruction.
bool product_has_bf16();

/// One caller at a time. The threads of a product are OpenMP's at the time of the call.
class ProductEngine {
public:
    ProductEngine();

    void run(const Product& product);
    /// c (M, N, rows without gaps) = a·b, or += with `accumulate`; bias (N) or null.
    void run(std::int64_t M, std::int64_t N, std::int64_t K, Factor c, Factor a, Factor b,
             bool accumulate = false, float* bias = nullptr);

    bool grown() const { return grown_; }  ///< has met a shape since it has settled
    void settle() { grown_ = false; }
    void learn(const ProductEngine& other);  ///< the shapes of another one
    /// Bytes of b (K, N) in the layout that products of many rows like best; 0: as it is.
    std::size_t packed_bytes(const View& b);
    void pack(const View& packed, const View& b);

private:
    struct Entry {
        dnnl::matmul primitive;
        dnnl::memory a, b, c, bias, scratch;
    };
    void run_turned(std::int64_t M, std::int64_t N, std::int64_t K, Factor c, Factor a, Factor b);
    using PackShape = std::tuple<std::int64_t, std::int64_t, std::int64_t, bool>;
    struct Packing {  // of K, N, the stride, transposed; of bf16 alone
        dnnl::reorder reorder;
        dnnl::memory from, to;
    };
    Entry& find(const ProductShape& shape);
    Entry make(const ProductShape& shape);
    const dnnl::memory::desc& packed_layout(std::int64_t K, std::int64_t N);

    dnnl::engine engine_;
    dnnl::stream stream_;
    Buffer scratch_, wide_;
    std::size_t scratch_bytes_ = 0;
    bool grown_ = false;
    std::unordered_map<ProductShape, Entry, ProductShapeHash> entries_;
    std::map<std::pair<std::int64_t, std::int64_t>, dnnl::memory::desc> packed_layouts_;
    std::map<PackShape, Packing> packings_;
};

}  // namespace lrd
