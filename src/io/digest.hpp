// SPDX-License-Identifier: MIT
// Digests: SHA-256 for files that others check too (sha256sum), xxh3 for tensors in memory.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace lrd {

std::string sha256_file(const std::string& path);  ///< 64 hex digits; missing_input or io
std::string sha256(std::string_view bytes);
std::string xxh3_128(const void* data, std::size_t bytes);  ///< 32 hex digits, as xxh128sum

/// SHA-256 of bytes that come in pieces.
class Sha256 {
public:
    Sha256();
    ~Sha256();
    void add(const void* data, std::size_t bytes);
    std::string hex();  ///< once, at the end

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace lrd
