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
    std::int64_t random = 0;
    std::int64_t embedding = 0;
    std::int64_t embedding_kept = 0;
    std::int64_t linear = 0;
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

/// In a file: values, and 0.45 kB of a dataset's header, attributes and index of chunks (measured).
std::int64_t bytes_of(const std::vector<NamedTensor>& tensors) {
    std::int64_t sum = static_cast<std::int64_t>(tensors.size()) * 450;
    for (const NamedTensor& tensor : tensors) {
        sum += static_cast<std::int64_t>(tensor.view.bytes());
    }
    return sum;
}

PartCosts forward_cost(const Architecture& model, std::int64_t rows, std::int64_t T) {
    PartCosts costs = blocks_forward_cost(model, rows, T);
    return costs += head_forward_cost(model, rows);
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

std::int64_t Budget::memory_shared() const {
    std::int64_t sum = 0;
    for (const Region& region : memory) {
        sum += region.shared ? region.bytes : 0;
    }
    return sum;
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

double Budget::flops_of_run() const {
    return flops_per_step() * static_cast<double>(steps) -
           cached_per_token * static_cast<double>(tokens_per_step()) * cached_steps;
}

namespace {
/// Of a step, of the rank with most micro-batches.
double busiest_tokens(const Budget& b) {
    const Share share = share_of(b.global_batch / b.micro_batch, 0, static_cast<int>(b.ranks));
    return static_cast<double>((share.last - share.first) * b.micro_batch * b.context);
}
}  // namespace

double Budget::flops_of_busiest() const {
    return flops_per_token() * busiest_tokens(*this) + per_step(*this);
}

double Budget::flops_saved_busiest() const {
    return cached_per_token * busiest_tokens(*this) * cached_steps;
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

namespace {

void add_region(Budget& b, const Arena& arena, bool from_start = false) {
    b.memory.push_back({arena.name(), static_cast<std::int64_t>(arena.bytes()), from_start});
}

void add_student(Budget& b, const Student& student, std::int64_t rows) {
    add_region(b, student.weights.arena(), true);
    add_region(b, student.model.arena());
    add_region(b, student.loss.arena());
    add_region(b, student.optimiser.arena(), true);
    b.models.push_back(model_size("student " + student.name(), student.weights.trained()));
    const Architecture& model = student.weights.architecture();
    PartCosts costs = forward_cost(model, rows, b.context);
    b.evaluation_per_token += costs.flops() / static_cast<double>(rows);
    costs += blocks_backward_cost(model, rows, b.context);
    costs += head_backward_cost(model, rows);
    add_work(b.work, student.name(), costs, rows);
    b.work.push_back({student.name() + " factors", 0.0, forms_cost(model).flops});
}

}  // namespace

Budget Run::budget() const {
    const TrainSettings& train = config_.train;
    Budget b;
    b.ranks = world_.size();
    b.steps = train.steps;
    b.windows = loader_->windows();
    b.context = config_.data.context;
    b.global_batch = train.global_batch;
    b.micro_batch = train.micro_batch;
    const std::int64_t rows = train.micro_batch * b.context;
    if (teacher_model_) {
        add_region(b, teacher_model_->weights().arena(), true);
        b.memory.back().shared = backend_.is_host();
        add_region(b, teacher_model_->arena());
        if (cached_teacher_ != nullptr) {
            add_region(b, cached_teacher_->arena());
            const TeacherCacheSize size = cache_size();
            b.cache_sizes = describe(size, config_.teacher.cache_clone);
            if (config_.teacher.cache == "memory") {
                b.memory.push_back({"teacher's outputs", size.total(), false, true});
            } else {
                b.cache = size.total();
            }
        }
        b.models.push_back(model_size("teacher", teacher_model_->weights().trained()));
    }
    if (const Architecture* teacher = trainer_->teacher_architecture()) {
        const PartCosts costs = forward_cost(*teacher, rows, b.context);
        b.evaluation_per_token += costs.flops() / static_cast<double>(rows);
        add_work(b.work, "teacher", costs, rows);
        if (cached_teacher_ != nullptr) {
            const bool head_too = config_.teacher.cache_topk > 0;
            b.cached_per_token = (costs.flops() - (head_too ? 0.0 : costs[Part::head].flops)) /
                                 static_cast<double>(rows);
            const auto first_epoch =
                static_cast<double>(b.windows) / static_cast<double>(b.global_batch);
            b.cached_steps = std::max(0.0, static_cast<double>(b.steps) - first_epoch);
        }
    }
    for (const auto& student : students_) {
        add_student(b, *student, rows);
    }
    add_region(b, trainer_->head().arena());
    add_region(b, trainer_->arena());
    if (const GradientTree* tree = trainer_->tree()) {
        add_region(b, tree->arena());
    }
    for (const auto& validation : validations_) {
        add_region(b, validation->arena());
        b.evaluation_targets += validation->targets();
    }
    std::int64_t tokens = tokens_->memory_bytes();
    for (const auto& split : eval_tokens_) {
        tokens += split->memory_bytes();
    }
    b.memory.push_back({"tokens at hand", tokens, false});
    b.first_values = first_values_bytes(students_, teacher_ != nullptr);
    const bool keeps_best = !validations_.empty() && train.keep_best;
    for (const auto& student : students_) {
        b.best += keeps_best ? bytes_of(model_tensors(*student)) : 0;
    }
    const std::vector<NamedTensor> tensors = checkpoint_tensors(students_);
    b.checkpoint = bytes_of(tensors);
    for (const NamedTensor& tensor : tensors) {
        b.saving = std::max(b.saving, static_cast<std::int64_t>(tensor.view.bytes()));
    }
    const auto times = [&](std::int64_t every) {
        return every > 0 ? (train.steps + every - 1) / every : 1;
    };
    b.evaluations = validations_.empty() ? 0 : times(train.eval_every);
    b.checkpoints = 1 + std::min(train.keep, times(train.checkpoint_every));
    return b;
}

}  // namespace lrd
