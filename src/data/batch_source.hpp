// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

namespace lrd {

/// B windows of T tokens on the host, valid until the next call. A label below 0 is not scored.
struct Batch {
    std::int64_t sequences = 0;                  // B
    std::int64_t context = 0;                    // T
    std::span<const std::int32_t> ids;           // (B, T)
    std::span<const std::int32_t> labels;        // (B, T): the token after each of `ids`
    std::span<const std::int64_t> windows = {};  // (B): which window each sequence is
};

/// Where a trainer's batches come from: the endless sequence of samples of a run.
class BatchSource {
public:
    virtual ~BatchSource() = default;
    virtual std::int64_t context() const = 0;  ///< T
    /// Samples [first, first + count) of that sequence.
    virtual Batch sample(std::int64_t first, std::int64_t count) = 0;
};

}  // namespace lrd
