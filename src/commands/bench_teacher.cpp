// SPDX-License-Identifier: MIT
#include "commands/bench_teacher.hpp"

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <utility>

#include "core/check.hpp"
#include "train/teacher_cache_files.hpp"

namespace lrd {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t most_likely = 64;  // K of topk

std::string make_folder() {
    std::string pattern = (fs::temp_directory_path() / "lrd-bench-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
        fail(ExitCode::io, "no temporary folder like {}; set TMPDIR to one with room", pattern);
    }
    return pattern;
}

/// The first windows are computed, the others are copies of them: what is read is what counts.
void fill(CachedTeacher& teacher, FileCache& cache, Backend& backend, BatchShape shape) {
    const std::int64_t first = std::min(shape.B, bench_windows);
    Arena arena(backend, "fill");
    const View ids = arena.region("ids", DType::i32, {first * shape.T});
    backend.zero(ids);
    std::vector<std::int64_t> windows(static_cast<std::size_t>(first));
    std::iota(windows.begin(), windows.end(), 0);
    teacher.run(ids, {first, shape.T}, windows, {});
    cache.publish();
    for (std::int64_t w = first; w < bench_windows; ++w) {
        cache.claim(w);
        for (std::size_t f = 0; f < cache.layout().fields.size(); ++f) {
            std::vector<std::byte> values(cache.layout().field_bytes(f));
            cache.read(w % first, f, values);
            cache.write(w, f, values);
        }
        cache.commit(w);
    }
    cache.publish();
}

}  // namespace

BenchTeacher::BenchTeacher(const std::string& kind, Gpt2& model, BatchShape shape, bool clone,
                           double tau) {
    if (kind == "online") {
        teacher_ = std::make_unique<OnlineTeacher>(model);
        return;
    }
    TeacherSettings settings;
    settings.cache_topk = kind == "topk" ? std::min(most_likely, model.config().V) : 0;
    settings.cache_clone = clone ? "all" : "none";
    const std::vector<double> taus = kind == "topk" ? std::vector{tau} : std::vector<double>{};
    CacheLayout layout{
        cache_fields(settings, model.config(), static_cast<std::int64_t>(taus.size())),
        bench_windows, shape.T};
    folder_ = make_folder();
    auto cache = std::make_unique<FileCache>(folder_, "bench", std::move(layout), 0);
    FileCache& files = *cache;
    auto teacher = std::make_unique<CachedTeacher>(
        model, clone_layers(settings.cache_clone, model.config().L), std::move(cache), taus, shape);
    fill(*teacher, files, model.weights().backend(), shape);
    cached_ = teacher.get();
    teacher_ = std::move(teacher);
    take_read_seconds();
}

BenchTeacher::~BenchTeacher() {
    teacher_.reset();
    std::error_code ignored;
    if (!folder_.empty()) {
        fs::remove_all(folder_, ignored);
    }
}

double BenchTeacher::take_read_seconds() {
    if (cached_ == nullptr) {
        return 0.0;
    }
    const double now = cached_->account().read_s;
    return now - std::exchange(read_before_, now);
}

}  // namespace lrd
