// SPDX-License-Identifier: MIT
#include "io/digest.hpp"

#include <openssl/evp.h>
#include <xxhash.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "core/check.hpp"

namespace lrd {
namespace {

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
struct FreeHash {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

}  // namespace

struct Sha256::State {
    std::unique_ptr<EVP_MD_CTX, FreeContext> context{EVP_MD_CTX_new()};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
    LRD_CHECK(state_->context != nullptr &&
                  EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1,
              "OpenSSL offers no SHA-256");
}
Sha256::~Sha256() = default;

void Sha256::add(const void* data, std::size_t bytes) {
    LRD_CHECK(EVP_DigestUpdate(state_->context.get(), data, bytes) == 1, "SHA-256 update failed");
}

std::string Sha256::hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned size = 0;
    LRD_CHECK(EVP_DigestFinal_ex(state_->context.get(), bytes.data(), &size) == 1,
              "SHA-256 was asked for twice");
    std::string text;
    for (unsigned i = 0; i < size; ++i) {
        text += fmt::format("{:02x}", bytes[i]);
    }
    return text;
}

std::string sha256(std::string_view bytes) {
    Sha256 digest;
    digest.add(bytes.data(), bytes.size());
    return digest.hex();
}

std::string sha256_file(const std::string& path) {
    const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rb"));
    if (file == nullptr) {
        fail(errno == ENOENT ? ExitCode::missing_input : ExitCode::io, "{}: cannot be opened: {}",
             path, std::strerror(errno));
    }
    Sha256 digest;
    std::vector<char> buffer(std::size_t{1} << 20);
    std::size_t n = 0;
    while ((n = std::fread(buffer.data(), 1, buffer.size(), file.get())) > 0) {
        digest.add(buffer.data(), n);
    }
    if (std::ferror(file.get()) != 0) {
        fail(ExitCode::io, "{}: cannot be read: {}", path, std::strerror(errno));
    }
    return digest.hex();
}

std::string Hash128::hex() const { return fmt::format("{:016x}{:016x}", high, low); }

std::string xxh3_128(const void* data, std::size_t bytes) {
    const XXH128_hash_t hash = XXH3_128bits(data, bytes);
    return Hash128{hash.high64, hash.low64}.hex();
}

struct Xxh3::State {
    std::unique_ptr<XXH3_state_t, FreeHash> hash{XXH3_createState()};
};

Xxh3::Xxh3() : state_(std::make_unique<State>()) {
    LRD_CHECK(state_->hash != nullptr, "no memory for a hash");
    restart();
}
Xxh3::~Xxh3() = default;

void Xxh3::restart() { XXH3_128bits_reset(state_->hash.get()); }

void Xxh3::add(const void* data, std::size_t bytes) {
    XXH3_128bits_update(state_->hash.get(), data, bytes);
}

Hash128 Xxh3::value() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_->hash.get());
    return {hash.high64, hash.low64};
}

}  // namespace lrd
