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
    /// (B, T): where the document of each of `ids` begins in its window; none: no document mask.
    std::span<const std::int32_t> starts = {};
};

/// Rows of some samples, without their tokens.
struct RowCounts {
    std::int64_t rows = 0;     // all
    std::int64_t firsts = 0;   // of them, first of a sequence or of a document
    std::int64_t targets = 0;  // of them, scored
};

/// Where a trainer's batches come from: the endless sequence of samples of a run.
class BatchSource {
public:
    virtual ~BatchSource() = default;
    virtual std::int64_t context() const = 0;  ///< T
    /// Samples [first, first + count) of that sequence.
    virtual Batch sample(std::int64_t first, std::int64_t count) = 0;
    virtual RowCounts counts(std::int64_t /*first*/, std::int64_t count) {
        return {count * context(), count, count * context()};
    }
};

}  // namespace lrd
