// SPDX-License-Identifier: MIT
// A step allocates nothing once its buffers have grown: counted on the heap itself.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <thread>

#include "comm/silent_world.hpp"
#include "counting_tokens.hpp"
#include "data/loader.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "model/initialise.hpp"
#include "train/heap_watch.hpp"
#include "train/open_teacher_cache.hpp"
#include "train/trainer.hpp"

namespace lrd::test {
namespace {

constexpr std::int64_t tokens = 100;  // 3 windows: more than an epoch a step
constexpr Gpt2Config config{.L = 2, .C = 24, .H = 3, .D = 8, .F = 40, .T = 33, .V = tokens};
constexpr BatchShape shape{2, config.T};

Config settings(const std::string& cache, std::int64_t topk) {
    Config c;
    c.data.context = config.T;
    c.teacher.cache = cache;
    c.teacher.cache_topk = topk;
    c.train.global_batch = 4;
    c.train.micro_batch = shape.B;
    for (const char* form : {"lifted", "factored", "dense"}) {
        StudentSettings s;
        s.name = form;
        s.form = form;
        s.rank = {5};
        s.embedding_rank = s.form == "dense" ? 0 : 4;
        c.students.push_back(s);
    }
    return c;
}

/// Who allocated in steps 3 to 10.
std::map<std::string, HeapWatch::Caller> callers(DType stored, const std::string& cache,
                                                 std::int64_t topk, bool reproducible) {
    const Config c = settings(cache, topk);
    SilentWorld world(1, 1);
    CpuBackend backend(stored);
    Counting counting(tokens);
    std::vector<std::int32_t> all(tokens);
    counting.tokens.read(0, all);  // what HDF5 takes to read a block is not a step's
    Loader loader(counting.tokens, {.context = config.T, .shuffle = true, .seed = 1});
    Weights weights(backend, "teacher", dense_architecture(config), Use::inference);
    Gpt2 model(weights, "teacher", shape, true);
    initialise({{&weights, "random", 1}}, nullptr);
    CacheNeeds needs = cache_needs(c, config);
    needs.stored = stored;
    needs.windows = loader.windows();
    const std::unique_ptr<Teacher> teacher = open_teacher(model, needs, shape, world);
    Students students;
    std::vector<Initialisation> first;
    for (const StudentSettings& s : c.students) {
        students.push_back(std::make_unique<Student>(backend, s, config, teacher.get(), shape, 10));
        first.push_back({&students.back()->weights, "random", 2});
    }
    initialise(first, nullptr);
    Trainer trainer(backend, world, c.train, loader, teacher.get(), students, reproducible);
    trainer.step(1);
    trainer.step(2);
    HeapWatch watch;
    for (std::int64_t s = 3; s <= 10; ++s) {
        trainer.step(s);
    }
    return watch.callers();
}

TEST(HeapWatch, SeesEveryKindOfAllocationOnEveryThread) {
    void* volatile seen = nullptr;  // compilers may drop what nobody can see
    const auto drop = [&](void* made) {
        seen = made;
        std::free(seen);
    };
    HeapWatch watch;
    seen = ::operator new(10);
    ::operator delete(seen);
    drop(std::malloc(10));
    drop(std::calloc(2, 10));
    drop(std::aligned_alloc(64, 128));
    void* made = nullptr;
    EXPECT_EQ(posix_memalign(&made, 64, 100), 0);
    drop(std::realloc(made, 1000));
    std::thread([] { delete new volatile int(1); }).join();  // and the thread's own state
    EXPECT_EQ(watch.callers().at("program").count, 6 + 2);
}

void expect_none(DType stored, const std::string& cache, std::int64_t topk, bool reproducible) {
    for (const auto& [who, caller] : callers(stored, cache, topk, reproducible)) {
        if (who.starts_with("libdnnl.so") || who.starts_with("libgomp.so")) {
            continue;  // oneDNN per product that it runs, OpenMP per region
        }
        ADD_FAILURE() << name_of(stored) << ", cache " << cache << ", K = " << topk << ": "
                      << caller.count << " allocations by " << who << ", the first from\n"
                      << caller.trace;
    }
}

TEST(Allocations, NoneInASteadyStepInFp32) {
    expect_none(DType::f32, "none", 0, false);
    expect_none(DType::f32, "none", 0, true);
    expect_none(DType::f32, "memory", 0, false);
    expect_none(DType::f32, "memory", 8, false);
}

TEST(Allocations, NoneInASteadyStepInBf16) {
    expect_none(DType::bf16, "none", 0, false);
    expect_none(DType::bf16, "memory", 0, false);
}

}  // namespace
}  // namespace lrd::test
