// SPDX-License-Identifier: MIT
#include "train/open_teacher_cache.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/check.hpp"
#include "core/log.hpp"
#include "io/digest.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"
#include "train/cache_description.hpp"
#include "train/same_on_all_ranks.hpp"
#include "train/teacher_cache_files.hpp"
#include "train/teacher_cache_memory.hpp"

namespace lrd {

namespace {

/// Naming the layers that a student compares with: without a clone term none is cached.
TeacherSettings needed_settings(const CacheNeeds& n) {
    TeacherSettings s = n.settings;
    s.cache_clone = clone_setting(n.clone_layers);
    return s;
}

}  // namespace

TeacherCacheSize size_of_cache(const CacheNeeds& n) {
    return teacher_cache_size(needed_settings(n), n.teacher, n.windows, n.data.context,
                              static_cast<std::int64_t>(cached_taus(n).size()));
}

namespace {

namespace fs = std::filesystem;

void require_room_on_disk(const std::string& folder, const CacheNeeds& n, std::int64_t bytes) {
    const std::uint64_t free = free_bytes(folder);
    const auto needed = static_cast<std::uint64_t>(bytes) / 100 * 101;  // with the files' overhead
    if (free < needed) {
        fail(ExitCode::io,
             "teacher.cache = {}: {:.1f} MB are needed and {:.1f} MB free there: {}; choose fewer "
             "layers or another disk",
             folder, static_cast<double>(needed) / 1e6, static_cast<double>(free) / 1e6,
             describe(size_of_cache(n), n.settings.cache_clone));
    }
}

void require_memory(const CacheNeeds& n, int copies) {
    const TeacherCacheSize size = size_of_cache(n);
    const auto needed = static_cast<double>(size.total()) * copies;
    const auto free = static_cast<double>(available_memory());
    if (free < needed) {
        fail(ExitCode::out_of_memory,
             "teacher.cache = memory: {:.1f} MB are needed for {} cop{} on this node and {:.1f} MB "
             "are free: {}; choose fewer layers, or a folder",
             needed / 1e6, copies, copies == 1 ? "y" : "ies", free / 1e6,
             describe(size, n.settings.cache_clone));
    }
}

void refuse_foreign_folder(const std::string& folder) {
    if (fs::exists(folder) && !fs::is_directory(folder)) {
        fail(ExitCode::io, "teacher.cache = {} is a file; name a folder", folder);
    }
    if (!fs::exists(folder)) {
        return;
    }
    for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with('.')) {
            fail(ExitCode::busy,
                 "teacher.cache = {}: there is no cache.json but {}, which is not of lrd; name a "
                 "folder of its own",
                 folder, name);
        }
    }
}

/// Has nothing and keeps nothing.
class PlannedCache : public TeacherCache {
public:
    using TeacherCache::TeacherCache;
    std::int64_t present() const override { return 0; }
    bool has(std::int64_t) const override { return false; }
    bool claim(std::int64_t) override { return false; }
    void read(std::int64_t, std::size_t, std::span<std::byte>) override {}
    void write(std::int64_t, std::size_t, std::span<const std::byte>) override {}
    void commit(std::int64_t) override {}
    void share(Communicator&) override {}
};

/// A cache, and the temperatures of its log-sum-exps.
struct Opened {
    std::unique_ptr<TeacherCache> cache;
    std::vector<double> taus;
};

Opened open_files(const CacheNeeds& needs, int rank) {
    const std::string& folder = needs.settings.cache;
    const std::string file = folder + "/cache.json";
    const Json wanted = describe_cache(needs);
    std::unique_ptr<RunDirectory> lock;
    if (!fs::exists(file)) {  // rank 0 comes first
        refuse_foreign_folder(folder);
        require_room_on_disk(folder, needs, size_of_cache(needs).total());
        lock = std::make_unique<RunDirectory>(folder, "teacher.cache");
        publish_text(file, wanted.dump(2) + "\n");
    }
    const Json found = Json::parse(read_text(file), file);
    if (found.at("format_version").as_int() > cache_version) {
        fail(ExitCode::bad_data,
             "{}: format_version {} is newer than this lrd's {}; use a newer lrd", file,
             found.at("format_version").as_int(), cache_version);
    }
    check_same(folder, found, wanted, needs);
    const CacheLayout layout = layout_of(found, needs, file);
    const std::string digest = sha256(found.dump());
    auto cache = std::make_unique<FileCache>(folder, digest, layout, rank);
    if (rank == 0 && !cache->complete()) {
        if (!lock) {
            lock = std::make_unique<RunDirectory>(folder, "teacher.cache");
        }
        require_room_on_disk(
            folder, needs,
            (layout.windows - cache->present()) * static_cast<std::int64_t>(layout.window_bytes()));
        cache->hold(std::move(lock));
    }
    return {std::move(cache), taus_of(found)};
}

/// Once on every node, or where its ranks cannot share memory once for each.
Opened open_memory(const CacheNeeds& needs, Communicator& world) {
    root_first(world, [&] { require_memory(needs, 1); });
    auto cache = std::make_unique<MemoryCache>(
        layout_of(describe_cache(needs), needs, "teacher.cache = memory"), world);
    if (!cache->shared()) {  // of this node: others may differ
        require_memory(needs, world.node_size());
    }
    return {std::move(cache), cached_taus(needs)};
}

void print_payback(Backend& backend, const CacheNeeds& n) {
    const CacheRates rates{product_rate(backend, 512, 512, 512, 4)};
    const auto taus = static_cast<std::int64_t>(cached_taus(n).size());
    const CachePayback pays =
        cache_payback(needed_settings(n), n.teacher, n.data.context, taus, rates);
    const auto tokens = static_cast<double>(n.windows * n.data.context);
    const std::string when =
        pays.epochs < 0.0 ? "it never pays on this machine"
                          : fmt::format("it pays after {:.2f} epochs that read it", pays.epochs);
    log::info(
        "of one rank at {:.0f} GFLOP/s (measured) and disks of {:.1f} GB/s to read, {:.1f} "
        "to write: the teacher takes {} an epoch, reading {}, writing once {}: {}",
        rates.flops_per_s / 1e9, rates.read_bytes_per_s / 1e9, rates.write_bytes_per_s / 1e9,
        log::duration(pays.teacher_s * tokens), log::duration(pays.read_s * tokens),
        log::duration(pays.write_s * tokens), when);
}

std::uint64_t number_in(const std::string& file, const std::string& key = "") {
    std::ifstream stream(file);
    std::string word;
    std::uint64_t number = 0;
    if (key.empty()) {
        return stream >> number ? number : ~std::uint64_t{0};  // "max" in cgroups
    }
    while (stream >> word) {
        if (word == key && stream >> number) {
            return number * 1024;
        }
    }
    return ~std::uint64_t{0};
}

}  // namespace

std::uint64_t available_memory() {
    const std::uint64_t free = number_in("/proc/meminfo", "MemAvailable:");
    const std::uint64_t limit = number_in("/sys/fs/cgroup/memory.max");
    const std::uint64_t used = number_in("/sys/fs/cgroup/memory.current");
    return limit == ~std::uint64_t{0} || used > limit ? free : std::min(free, limit - used);
}

CacheNeeds cache_needs(const Config& config, const Gpt2Config& teacher) {
    CacheNeeds needs{};
    needs.settings = config.teacher;
    needs.teacher = teacher;
    needs.data = config.data;
    needs.reproducible = config.run.reproducible;
    const TeacherSettings& s = config.teacher;
    if (s.cache_topk > 0 && s.cache == "none") {
        fail(ExitCode::usage,
             "teacher.cache_topk = {} is of use with a cache alone; set teacher.cache, or "
             "cache_topk = 0",
             s.cache_topk);
    }
    if (s.cache_topk > teacher.V) {
        fail(ExitCode::usage, "teacher.cache_topk = {} is more than the {} tokens of the teacher",
             s.cache_topk, teacher.V);
    }
    const std::vector<std::int64_t> layers = clone_layers(s.cache_clone, teacher.L);
    for (const StudentSettings& student : config.students) {
        if (student.loss.clone != 0.0) {
            if (layers.empty()) {
                fail(ExitCode::usage,
                     "student {}: loss.clone = {}, but teacher.cache_clone = none leaves it no "
                     "clone targets; name layers, or set loss.clone = 0",
                     student.name, student.loss.clone);
            }
            needs.clone_layers = layers;
        }
        if (student.loss.kd != 0.0) {
            needs.taus.emplace_back(student.name, student.loss.tau);
        }
    }
    if (s.cache_topk > 0 && needs.taus.empty()) {
        fail(ExitCode::usage, "teacher.cache_topk = {}, but no student has a loss.kd",
             s.cache_topk);
    }
    return needs;
}

std::vector<double> cached_taus(const CacheNeeds& needs) {
    std::vector<double> taus;
    if (needs.settings.cache_topk > 0) {
        for (const auto& [student, tau] : needs.taus) {
            taus.push_back(tau);
        }
    }
    std::sort(taus.begin(), taus.end());
    taus.erase(std::unique(taus.begin(), taus.end()), taus.end());
    return taus;
}

std::unique_ptr<Teacher> open_teacher(Gpt2& model, const CacheNeeds& needs, BatchShape capacity,
                                      Communicator& world) {
    if (static_cast<std::int64_t>(needs.clone_layers.size()) < needs.teacher.L &&
        !needs.clone_layers.empty()) {
        log::info("the clone term compares layers [{}] alone (teacher.cache_clone)",
                  fmt::join(needs.clone_layers, ", "));
    }
    const bool listens = !needs.clone_layers.empty() || !needs.taus.empty();
    if (needs.settings.cache == "none" || !listens) {
        return std::make_unique<OnlineTeacher>(model, needs.clone_layers);
    }
    Opened opened;
    if (needs.planned) {
        opened = {std::make_unique<PlannedCache>(
                      layout_of(describe_cache(needs), needs, "teacher.cache")),
                  cached_taus(needs)};
    } else if (needs.settings.cache == "memory") {
        opened = open_memory(needs, world);
    } else {
        root_first(world, [&] { opened = open_files(needs, world.rank()); });
    }
    if (world.rank() == 0 && !needs.planned && !opened.cache->complete()) {
        print_payback(model.weights().backend(), needs);
    }
    log::info("teacher cache {}: {} of {} windows are there; {}", needs.settings.cache,
              opened.cache->present(), needs.windows,
              describe(size_of_cache(needs), needs.settings.cache_clone));
    return std::make_unique<CachedTeacher>(model, needs.clone_layers, std::move(opened.cache),
                                           std::move(opened.taus), capacity);
}

}  // namespace lrd
