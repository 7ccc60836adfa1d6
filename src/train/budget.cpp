// SPDX-License-Identifier: MIT
#include "train/budget.hpp"

#include <algorithm>

#include "train/run.hpp"

namespace lrd {
namespace {

constexpr std::int64_t f32 = sizeof(float), f64 = sizeof(double);

const char* part_of(const std::string& name) {
    const auto has = [&](const char* text) { return name.find(text) != std::string::npos; };
    return name.starts_with("wpe")                  ? "positions"
           : has(".ln_") || name.starts_with("ln_") ? "norms"
           : has(".attn.")                          ? "attention"
           : has(".mlp.")                           ? "mlp"
                                                    : "embedding";
}

/// Bytes of the host while the SVD of an m × n matrix is taken: its values, transposed too for a
/// linear, in fp64, and the three factors; of these u and vt stay for other students.
struct SvdBytes {
    std::int64_t peak, kept;
};
SvdBytes svd_bytes(std::int64_t m, std::int64_t n, bool transposed) {
    const std::int64_t k = std::min(m, n);
    const std::int64_t factors = f64 * k * (m + n);
    return {(transposed ? 2 : 1) * f32 * m * n + f64 * m * n + factors, factors};
}

/// The embedding's SVD stays while those of the linears are taken, one after the other.
std::int64_t first_values_bytes(const Students& students, bool with_teacher) {
    std::int64_t random = 0, embedding = 0, embedding_kept = 0, linear = 0;
    for (const auto& student : students) {
        const Gpt2Config& c = student->weights.config();
        if (!with_teacher || student->settings.init == "random") {
            for (const Parameter& p : student->weights.trained().all()) {
                random = std::max(random, f32 * p.size());
            }
            continue;
        }
        if (student->weights.embedding().rank() > 0) {
            const SvdBytes bytes = svd_bytes(c.V, c.C, false);
            embedding = bytes.peak;
            embedding_kept = bytes.kept;
        }
        if (student->settings.form != "dense") {
            for (const LinearShape& shape : linear_shapes(c)) {
                linear = std::max(linear, svd_bytes(shape.m, shape.n, true).peak);
            }
        }
    }
    return std::max({random, embedding, embedding_kept + linear});
}

std::int64_t bytes_of(const Arena& arena) { return static_cast<std::int64_t>(arena.bytes()); }

void add_forward(PartCosts& costs, const Architecture& model, std::int64_t rows, std::int64_t T) {
    costs += blocks_forward_cost(model, rows, T);
    costs += head_forward_cost(model, rows);
}

/// The parts of a model's work on `rows` rows, per row.
void add_work(std::vector<Budget::Work>& work, const std::string& name, const PartCosts& costs,
              std::int64_t rows) {
    const auto add = [&](const char* what, Part part) {
        work.push_back({name + " " + what, costs[part].flops / static_cast<double>(rows), 0.0});
    };
    add("linears", Part::linears);
    add("attention", Part::attention);
    add("head", Part::head);
}

}  // namespace

ModelSize model_size(const std::string& name, const ParameterTable& table) {
    ModelSize size{name, {}, table.count()};
    for (const char* part : {"embedding", "positions", "attention", "mlp", "norms"}) {
        std::int64_t sum = 0;
        for (const Parameter& p : table.all()) {
            sum += std::string(part) == part_of(p.name) ? p.size() : 0;
        }
        size.parts.emplace_back(part, sum);
    }
    return size;
}

std::int64_t Budget::memory_sum() const {
    std::int64_t sum = 0;
    for (const Region& region : memory) {
        sum += region.bytes;
    }
    return sum;
}

std::int64_t Budget::memory_peak() const {
    std::int64_t start = first_values;
    for (const Region& region : memory) {
        start += region.from_start ? region.bytes : 0;
    }
    return std::max(start, memory_sum() + saving);
}

double Budget::flops_per_token() const {
    double sum = 0.0;
    for (const Work& one : work) {
        sum += one.per_token;
    }
    return sum;
}

namespace {
double per_step(const Budget& budget) {
    double sum = 0.0;
    for (const Budget::Work& one : budget.work) {
        sum += one.per_step;
    }
    return sum;
}
}  // namespace

double Budget::flops_per_step() const {
    return flops_per_token() * static_cast<double>(tokens_per_step()) +
           per_step(*this) * static_cast<double>(ranks);
}

double Budget::flops_of_busiest() const {
    const Share share = share_of(global_batch / micro_batch, 0, static_cast<int>(ranks));
    const std::int64_t tokens = (share.last - share.first) * micro_batch * context;
    return flops_per_token() * static_cast<double>(tokens) + per_step(*this);
}

double Budget::flops_of_evaluation() const {
    return evaluation_per_token * static_cast<double>(evaluation_targets) /
           static_cast<double>(ranks);
}

void log_budget(const Budget& b) {
    constexpr double mib = 1024.0 * 1024.0;
    log::info("{} training windows of {} tokens; {} rank(s); global batch {} × {} tokens",
              b.windows, b.context, b.ranks, b.global_batch, b.context);
    log::info("memory of a rank:");
    for (const Budget::Region& region : b.memory) {
        log::info("  {:<34} {:>9.1f} MiB", region.name, static_cast<double>(region.bytes) / mib);
    }
    log::info("  {:<34} {:>9.1f} MiB", "together", static_cast<double>(b.memory_sum()) / mib);
    for (const ModelSize& model : b.models) {
        log::info("{}: {} parameters", model.name, model.parameters);
    }
}

Budget Run::budget() const {
    Budget b;
    const auto arena = [&](const Arena& one, bool from_start = false) {
        b.memory.push_back({one.name(), bytes_of(one), from_start});
    };
    const std::int64_t rows = config_.train.micro_batch * config_.data.context;
    const std::int64_t T = config_.data.context;
    PartCosts evaluation;
    if (teacher_) {
        arena(teacher_->weights().arena(), true);
        arena(teacher_->arena());
        b.models.push_back(model_size("teacher", teacher_->weights().trained()));
    }
    if (const Architecture* teacher = trainer_->teacher_architecture()) {
        PartCosts costs;
        add_forward(costs, *teacher, rows, T);
        add_work(b.work, "teacher", costs, rows);
        evaluation += costs;
    }
    for (const auto& student : students_) {
        arena(student->weights.arena(), true);
        arena(student->model.arena());
        arena(student->loss.arena());
        arena(student->optimiser.arena(), true);
        b.models.push_back(model_size("student " + student->name(), student->weights.trained()));
        const Architecture& architecture = student->weights.architecture();
        PartCosts costs;
        add_forward(costs, architecture, rows, T);
        evaluation += costs;
        costs += blocks_backward_cost(architecture, rows, T);
        costs += head_backward_cost(architecture, rows);
        add_work(b.work, student->name(), costs, rows);
        b.work.push_back({student->name() + " factors", 0.0, forms_cost(architecture).flops});
        for (const NamedTensor& tensor : model_tensors(*student)) {
            b.best += static_cast<std::int64_t>(tensor.view.bytes());
        }
    }
    arena(trainer_->head().arena());
    arena(trainer_->arena());
    for (const auto& validation : validations_) {
        arena(validation->arena());
        b.evaluation_targets += validation->targets();
    }
    for (const NamedTensor& tensor : checkpoint_tensors(students_)) {
        const auto bytes = static_cast<std::int64_t>(tensor.view.bytes());
        b.checkpoint += bytes;
        b.saving = std::max(b.saving, bytes);
    }
    b.first_values = first_values_bytes(students_, teacher_ != nullptr);
    b.best = validations_.empty() || !config_.train.keep_best ? 0 : b.best;
    b.evaluation_per_token = evaluation.flops() / static_cast<double>(rows);
    const auto times = [&](std::int64_t every) {
        return every > 0 ? (config_.train.steps + every - 1) / every : 1;
    };
    b.evaluations = validations_.empty() ? 0 : times(config_.train.eval_every);
    b.checkpoints = 1 + std::min(config_.train.keep, times(config_.train.checkpoint_every));
    b.ranks = world_.size();
    b.steps = config_.train.steps;
    b.windows = loader_->windows();
    b.context = T;
    b.global_batch = config_.train.global_batch;
    b.micro_batch = config_.train.micro_batch;
    return b;
}

}  // namespace lrd
