// SPDX-License-Identifier: MIT
// Digests: SHA-256 for files that others check too (sha256sum), xxh3 for tensors in memory.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace lrd {

std::string sha256_file(const std::string& path);  ///< 64 hex digits; missing_input or io
std::string sha256(std::string_view bytes);
std::string xxh3_128(const void* data, std::size_t bytes);  ///< 32 hex digits, as xxh128sum

struct Hash128 {
    std::uint64_t high = 0, low = 0;

    auto operator<=>(const Hash128&) const = default;
    std::string hex() const;  ///< 32 digits
};

/// xxh3_128 of bytes that come in pieces.
class Xxh3 {
public:
    Xxh3();
    ~Xxh3();
    Xxh3(const Xxh3&) = delete;
    Xxh3& operator=(const Xxh3&) = delete;
    void restart();
    void add(const void* data, std::size_t bytes);
    Hash128 value() const;  ///< of what came since restart()

private:
    struct State;
    std::unique_ptr<State> state_;
};

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
