// SPDX-License-Identifier: MIT
// lrc_fixture.h5, written by lrc_torch.py (its fields: lrc_fixture.py).
#pragma once

#include "reference/reference_student.hpp"

namespace lrd::reference {

/// What PyTorch found with one loss setting.
struct FixtureCase {
    Losses losses;
    Vector variance;         // (2 L) tr Cov of the teacher's taps over the first batch
    double loss, grad_norm;  // of the first update, before clipping
    Vector clone_tap;        // (2 L)
    Model gradient;          // of the first update, before clipping
    Model after;             // trained tensors after all updates; empty: not trained so far
};

struct FixtureStudent {
    std::string name, form;
    std::size_t rank, embedding_rank;
    Model initial;
    Matrix logits;  // (N, V) of the first batch, before the first update
    double kd, lm;  // likewise; without weights
    std::vector<FixtureCase> cases;
};

struct Fixture {
    Sizes sizes;
    AdamWState optim;
    std::vector<Batch> batches;  // one per update
    Model teacher;
    Matrix teacher_logits;  // (N, V) of the first batch
    std::vector<FixtureStudent> students;
};

Fixture load_fixture();

}  // namespace lrd::reference
