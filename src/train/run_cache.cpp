// SPDX-License-Identifier: MIT
// What a Run does about its teacher cache.
#include "core/log.hpp"
#include "train/run.hpp"
#include "train/top_k_bias.hpp"

namespace lrd {

CacheNeeds Run::needs_of_cache() const {
    CacheNeeds needs = cache_needs(config_, teacher_weights_->config());
    needs.teacher_digest = sources_.teacher_digest;
    needs.tokens_digest = tokens_->digest();
    needs.instruction_set = sources_.instruction_set;
    needs.stored = backend_.stored();
    needs.windows = loader_->windows();
    needs.planned = blank_;
    return needs;
}

void Run::open_cache() {
    teacher_ = open_teacher(*teacher_model_, needs_of_cache(),
                            {config_.train.micro_batch, config_.data.context}, world_);
    cached_teacher_ = dynamic_cast<CachedTeacher*>(teacher_.get());
}

/// Some window of the next step may have been another rank's before.
bool Run::begins_epoch(std::int64_t step) const {
    const std::int64_t G = config_.train.global_batch;
    return step > 0 && step * G / loader_->windows() != (step - 1) * G / loader_->windows();
}

void Run::print_top_k_bias() {
    if (!root() || cached_teacher_ == nullptr || config_.teacher.cache_topk == 0) {
        return;
    }
    constexpr std::int64_t windows = 8;
    const auto bias =
        measure_top_k_bias(*teacher_, students_, *loader_, config_.teacher.cache_topk,
                           {config_.train.micro_batch, config_.data.context}, windows);
    for (std::size_t k = 0; k < students_.size(); ++k) {
        const LossSettings& loss = students_[k]->loss.settings();
        if (loss.kd != 0.0) {
            log::info(
                "student {}: of the {} largest logits, on {} or more windows at τ = {}: KL {:.4f} "
                "of {:.4f} ({:+.1f} %), missing mass {:.4f}, cosine of the gradients {:.4f}",
                students_[k]->name(), config_.teacher.cache_topk, windows, loss.tau, bias[k].bound,
                bias[k].exact, 100.0 * (bias[k].bound / bias[k].exact - 1.0), bias[k].missing,
                bias[k].cosine);
        }
    }
}

}  // namespace lrd
