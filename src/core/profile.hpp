// SPDX-License-Identifier: MIT
// Profile: what this rank did when. A backend, the phases of a step and the reduction of gradients
// write to it while it is theirs; it is read when the steps are over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/cost.hpp"

namespace lrd {

/// Lines of a picture of the time, from top to bottom. Spans of one track lie side by side or
/// inside each other, but for reductions, of which several are under way at once.
enum class Track : std::uint8_t { steps, phases, ops, waiting, reductions };

struct Span {
    const char* name;  // a literal: it outlives the profile
    Track track;
    double begin, end;         // log::now()
    Cost cost = {};            // of an op; bytes of a reduction
    std::int64_t number = -1;  // of the step, of the bucket
};

class Profile {
public:
    /// Room for `capacity` spans from the start: adding one allocates nothing.
    explicit Profile(std::size_t capacity) { spans_.reserve(capacity); }

    void add(const Span& span) {
        if (spans_.size() < spans_.capacity()) {
            spans_.push_back(span);
        } else {
            ++lost_;
        }
    }
    const std::vector<Span>& spans() const { return spans_; }
    std::int64_t lost() const { return lost_; }  ///< spans that found no room

private:
    std::vector<Span> spans_;
    std::int64_t lost_ = 0;
};

}  // namespace lrd
