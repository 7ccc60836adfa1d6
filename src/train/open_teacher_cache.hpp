// SPDX-License-Identifier: MIT
// From settings to a teacher that looks up what it has seen: what a run needs of a cache, whether
// the one that is there has it, whether there is room for a new one.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.hpp"
#include "config/config.hpp"
#include "train/cached_teacher.hpp"

namespace lrd {

/// What determines a teacher's outputs, and which of them the students of a run need.
struct CacheNeeds {
    TeacherSettings settings;
    Gpt2Config teacher;
    std::string teacher_digest, tokens_digest;
    std::string instruction_set;  // of the machine: decides the last bits of what is computed
    DType stored = DType::f32;    // Backend::stored
    bool reproducible = false;    // … which run.reproducible fixes
    DataSettings data;
    std::int64_t windows = 0;
    bool planned = false;  // its buffers alone: nothing is opened, made or refused for room
    std::vector<std::int64_t> clone_layers;            // that a student compares with
    std::vector<std::pair<std::string, double>> taus;  // by student, of those with a kd term
};

/// Refuses settings of [teacher] that contradict each other or the students'. Error(usage).
CacheNeeds cache_needs(const Config& config, const Gpt2Config& teacher);

/// The temperatures that a cache of the K largest logits keeps a log-sum-exp for: each once, in
/// ascending order; none if it keeps the exact hidden state.
std::vector<double> cached_taus(const CacheNeeds& needs);

/// Of a new cache for these needs.
TeacherCacheSize size_of_cache(const CacheNeeds& needs);

/// The online teacher, or with teacher.cache a cached one. Collective.
/// Errors: bad_data for a cache of something else, naming it; io and out_of_memory where there is
/// no room, before a byte is written; busy.
std::unique_ptr<Teacher> open_teacher(Gpt2& model, const CacheNeeds& needs, BatchShape capacity,
                                      Communicator& world);

/// Free memory of this node as a new process may take it, of its cgroup too.
std::uint64_t available_memory();

}  // namespace lrd
