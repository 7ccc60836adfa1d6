// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "train/cached_teacher.hpp"

namespace lrd {

constexpr std::int64_t bench_windows = 64;  // of a cache: more than stays near the cores

/// The teacher of `lrd bench`, and the folder of its cache for as long as this lives.
class BenchTeacher {
public:
    /// `kind`: online, cached (exact) or topk, of which a cache in a temporary folder holds all
    /// windows before anything is timed. `clone`: students compare taps; `tau`: theirs.
    BenchTeacher(const std::string& kind, Gpt2& model, BatchShape shape, bool clone, double tau);
    ~BenchTeacher();
    BenchTeacher(const BenchTeacher&) = delete;
    BenchTeacher& operator=(const BenchTeacher&) = delete;

    Teacher* get() { return teacher_.get(); }
    /// Seconds that reading took since the last call.
    double take_read_seconds();

private:
    std::string folder_;
    std::unique_ptr<Teacher> teacher_;
    CachedTeacher* cached_ = nullptr;
    double read_before_ = 0.0;
};

}  // namespace lrd
