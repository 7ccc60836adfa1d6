// SPDX-License-Identifier: MIT
// Turns of a model that is not trained: as `lrd eval` and `lrd generate` run it.
#include <filesystem>

#include "core/check.hpp"
#include "data/shard_writer.hpp"
#include "model/costs.hpp"
#include "model/generation.hpp"
#include "train/evaluate.hpp"
#include "work.hpp"

namespace lrd {
namespace {

Architecture architecture_of(const Work& work) {
    return work.form == "dense"
               ? dense_architecture(work.config)
               : low_rank_architecture(work.config, work.form, work.ranks, work.ranks.front());
}

/// A model of random values, ready to run.
struct Model {
    Model(const Work& work, Backend& backend)
        : weights(backend, "model", architecture_of(work), Use::inference) {
        make_random(weights, 1);
        weights.materialise();
    }
    Weights weights;
};

/// global_batch windows of random tokens as a split of one document, the end-of-text token last.
TokenFiles write_tokens(const Work& work) {
    std::filesystem::create_directories(work.folder);
    ShardWriter writer(work.folder,
                       {.split = "test",
                        .document_rule = "random",
                        .tokenizer_sha256 = "none",
                        .vocab_size = work.config.V,
                        .end_of_text = static_cast<std::int32_t>(work.config.V - 1)},
                       {});
    writer.add(random_tokens(work.global_batch * work.config.T, work.config.V - 1));
    writer.end_document(1, 1);
    writer.finish();
    return {work.folder, "test"};
}

class Evaluation : public Turns {
public:
    Evaluation(const Work& work, Backend& backend, Communicator& world)
        : model_(work, backend),
          net_(model_.weights, "model", {work.micro_batch, work.config.T}, false),
          evaluator_(world, net_, nullptr, {work.micro_batch, work.config.T}),
          tokens_(write_tokens(work)),
          windows_(tokens_, work.config.T, 0, work.micro_batch) {}

    Json run() override {
        const EvalSums sums = evaluator_.run(windows_).sums;
        return Json::object({{"nll", sums.nll / sums.tokens}});
    }
    Bound bound() override {
        const std::int64_t rows = windows_.targets();
        PartCosts cost =
            blocks_forward_cost(model_.weights.architecture(), rows, model_.weights.config().T);
        cost += head_forward_cost(model_.weights.architecture(), rows);
        return {cost.flops() / 1e9, gflop_rate(model_.weights.backend()), "GFLOP", "products"};
    }

private:
    Model model_;
    Gpt2 net_;
    Evaluator evaluator_;
    TokenFiles tokens_;
    EvalWindows windows_;
};

class Generation : public Turns {
public:
    Generation(const Work& work, Backend& backend)
        : model_(work, backend),
          prompts_{random_tokens(work.prompt, work.config.V)},
          settings_{{.temperature = 0.0}, work.new_tokens, -1, 1},
          decoder_(model_.weights, "model", room_for(work.config, prompts_, work.new_tokens, 1)) {}

    Json run() override {
        return Json::object({{"ids", generate(decoder_, prompts_, settings_)[0].ids}});
    }
    /// Every token reads all weights but the table of positions once.
    Bound bound() override {
        const Weights& weights = model_.weights;
        const std::int64_t read = weights.trained().count() - weights.positions().size();
        const double bytes =
            static_cast<double>(read) * static_cast<double>(size_of(weights.backend().stored()));
        return {bytes * static_cast<double>(settings_.max_new) / 1e9, gigabyte_rate(), "GB",
                "memory"};
    }

private:
    Model model_;
    std::vector<TokenIds> prompts_;
    GenerationSettings settings_;
    Decoder decoder_;
};

}  // namespace

std::unique_ptr<Turns> make_evaluation(const Work& work, Backend& backend, Communicator& world) {
    return std::make_unique<Evaluation>(work, backend, world);
}

std::unique_ptr<Turns> make_generation(const Work& work, Backend& backend) {
    return std::make_unique<Generation>(work, backend);
}

}  // namespace lrd
