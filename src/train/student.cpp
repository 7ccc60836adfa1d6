// SPDX-License-Identifier: MIT
#include "train/student.hpp"

#include <limits>

namespace lrd {

Student::Student(Backend& backend, const StudentSettings& s, const Gpt2Config& config,
                 Teacher* teacher, BatchShape capacity, std::int64_t steps, bool recompute)
    : settings(s),
      weights(backend, s.name, low_rank_architecture(config, s.form, s.rank, s.embedding_rank),
              Use::training, teacher != nullptr ? &teacher->weights() : nullptr),
      model(weights, s.name, capacity, Keep{.taps = true, .recompute = recompute}),
      loss(model, teacher, s.name, s.loss, capacity.rows()),
      optimiser(weights, s.name, s.optim, steps),
      dropout{.key = ModelDropout::key_of(s.seed, s.name)},
      best_val_loss(std::numeric_limits<double>::infinity()) {}

}  // namespace lrd
