// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/backend.hpp"

namespace lrd {

/// One row of head_loss whose teacher is known by its K largest logits.
void head_loss_top_k(const HeadLoss& args, std::int64_t row);

}  // namespace lrd
