// SPDX-License-Identifier: MIT
// What step_server is asked for, and what it then does whenever it is its turn.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "io/json.hpp"
#include "model/weights.hpp"

namespace lrd {

/// Read from {"L", "C", "H", "D", "F", "T", "V", "micro_batch", …}, all there: Work of
/// step_sides.py.
struct Work {
    explicit Work(const Json& json);

    std::string does;  // step | eval | generate | top-k bias
    Gpt2Config config;
    std::int64_t micro_batch, global_batch;  // sequences; the latter over all ranks
    std::int64_t windows;                    // different ones, that come again
    std::string form;                        // lifted | factored | dense
    std::vector<std::int64_t> ranks;         // a student each; dense: how many there are
    std::string teacher;                     // online | cached | topk | none (LM loss alone)
    std::int64_t topk;
    bool separate;  // each student a run of its own, with its own teacher pass
    std::string precision;
    std::int64_t threads;
    std::int64_t prompt, new_tokens;  // generate: tokens given, and made in a turn
    std::string folder;               // for the teacher's cache, or for tokens
    std::string model, tokens;        // top-k bias: a trained teacher, and what it has read
};

/// What a turn takes of that by which it is bounded, over all ranks, and what this rank has of it
/// in a second.
struct Bound {
    double per_turn = 0.0, per_second = 0.0;
    const char* unit = "";  // of both: "GFLOP", "GB"
    const char* of = "";    // "products", "memory"
};

class Turns {
public:
    virtual ~Turns() = default;
    /// One turn: that which is timed, and its results.
    virtual Json run() = 0;
    virtual Bound bound() { return {}; }
    /// What the other side needs to do the same.
    virtual void write(const std::string& /*path*/) const {}
    /// As a run does after its start; nothing can be written from here on.
    virtual void release_masters() {}
    virtual double fill_seconds() const { return 0.0; }  ///< of the teacher's cache, per window
};

std::unique_ptr<Turns> make_turns(const Work& work, Backend& backend, Communicator& world);
// The kinds of them.
std::unique_ptr<Turns> make_steps(const Work& work, Backend& backend, Communicator& world);
std::unique_ptr<Turns> make_evaluation(const Work& work, Backend& backend, Communicator& world);
std::unique_ptr<Turns> make_generation(const Work& work, Backend& backend);
std::unique_ptr<Turns> make_top_k_bias(const Work& work, Backend& backend, Communicator& world);

/// Random values of which none hides an error as biases of 0, gains of 1 or a soft-max that is flat
/// would: whatever is compared depends on every tensor.
void make_random(Weights& weights, std::int64_t seed);
/// `count` of them in [0, vocabulary).
std::vector<std::int32_t> random_tokens(std::int64_t count, std::int64_t vocabulary);

/// FLOP/s of a product as large as the model's own, in units of 1e9.
double gflop_rate(Backend& backend);
/// Bytes that all threads of this rank together read from memory in a second, in units of 1e9.
double gigabyte_rate();

}  // namespace lrd
