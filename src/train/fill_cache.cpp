// SPDX-License-Identifier: MIT
#include "train/fill_cache.hpp"

#include <algorithm>

#include "config/run_options.hpp"
#include "core/check.hpp"
#include "core/log.hpp"
#include "data/loader.hpp"
#include "train/cache_description.hpp"
#include "train/model_reference.hpp"
#include "train/open_teacher_cache.hpp"
#include "train/resolve_config.hpp"
#include "train/run.hpp"
#include "train/same_on_all_ranks.hpp"
#include "train/stop.hpp"
#include "train/trainer.hpp"

namespace lrd {
namespace {

/// Teacher and tokens of a configuration, as its run has them.
struct Source {
    Source(const Config& given, Backend& backend, Communicator& world) {
        root_first(world, [&] { config = resolved(given, backend); });
        check_same_on_all_ranks(world, to_toml(config));
        root_first(world, [&] {
            tokens = std::make_unique<TokenFiles>(config.data.tokens, config.data.split);
            // In the order of the windows; the run's own order is nothing to a cache.
            loader = std::make_unique<Loader>(
                *tokens, LoaderSettings{config.data.context, false, 0, config.data.limit_tokens,
                                        config.data.document_mask});
            check_teacher_reads(locate_model(config.teacher.model).architecture.config,
                                config.teacher.model, *tokens, config.data.context);
        });
        shared = load_shared_teacher(backend, world, config.teacher.model);
        CacheNeeds needs = cache_needs(config, shared.weights->config());
        needs.teacher_digest = shared.digest;
        needs.tokens_digest = tokens->digest();
        needs.instruction_set = backend.instruction_set();
        needs.stored = backend.stored();
        needs.windows = loader->windows();
        check_same_on_all_ranks(world, describe_cache(needs).dump(0));
        model = std::make_unique<Gpt2>(*shared.weights, "teacher", shape(), true);
        teacher = open_teacher(*model, needs, shape(), world);
        cached = dynamic_cast<CachedTeacher*>(teacher.get());
        if (cached == nullptr) {
            fail(ExitCode::usage, "no student listens to the teacher: there is nothing to cache");
        }
    }
    BatchShape shape() const { return {config.train.micro_batch, config.data.context}; }

    Config config;
    std::unique_ptr<TokenFiles> tokens;
    std::unique_ptr<Loader> loader;
    SharedTeacher shared;
    std::unique_ptr<Gpt2> model;
    std::unique_ptr<Teacher> teacher;
    CachedTeacher* cached = nullptr;
};

}  // namespace

ExitCode fill_cache(const Config& given, Backend& backend, Communicator& world) {
    StopConditions stop(given.teacher.cache, given.run.max_time);
    Source source(given, backend, world);
    TeacherCache& cache = source.cached->cache();
    Arena arena(backend, "cache");
    const View ids = arena.region("ids", DType::i32, {source.shape().rows()});
    const View starts = arena.region("starts", DType::i32, {source.shape().rows()});
    const Share share = share_of(source.loader->windows(), world.rank(), world.size());
    const std::int64_t B = source.shape().B;
    // Every rank takes the turns of the one with the most windows, so that all stop together.
    const std::int64_t most = (source.loader->windows() + world.size() - 1) / world.size();
    const std::int64_t turns = (most + B - 1) / B;
    log::Progress progress("cache", static_cast<double>(turns));
    for (std::int64_t turn = 0; turn < turns; ++turn) {
        const double start = log::now();
        const std::int64_t first = share.first + turn * B;
        const std::int64_t count = std::min(B, share.last - first);
        bool missing = false;
        for (std::int64_t w = first; w < first + count; ++w) {
            missing = missing || !cache.has(w);
        }
        if (missing) {
            const Batch batch = source.loader->sample(first, count);
            const BatchShape shape{count, batch.context};
            backend.upload(ids.slice(0, shape.rows()), batch.ids.data());
            View begins;
            if (!batch.starts.empty()) {
                begins = starts.slice(0, shape.rows());
                backend.upload(begins, batch.starts.data());
            }
            source.cached->run(ids.slice(0, shape.rows()), shape, batch.windows, begins);
        }
        progress.update(static_cast<double>(turn + 1));
        stop.note_step(log::now() - start);
        const StopDecision decision = stop.poll(world);
        if (decision.stop && turn + 1 < turns) {
            cache.share(world);
            log::info("stopped by {}: {} of {} windows are there; the same command goes on",
                      decision.reason, cache.present(), source.loader->windows());
            return ExitCode::stopped;
        }
    }
    cache.share(world);
    if (!cache.complete()) {
        fail(ExitCode::internal, "{}: only {} of {} windows are there", source.config.teacher.cache,
             cache.present(), source.loader->windows());
    }
    log::info("{}: all {} windows are there", source.config.teacher.cache, cache.present());
    return ExitCode::done;
}

}  // namespace lrd
