// SPDX-License-Identifier: MIT
#include "backends/guarded_backend.hpp"

#include <csignal>

#include <gtest/gtest.h>

#include <array>

#include "core/arena.hpp"
#include "in_child.hpp"

namespace lrd::test {
namespace {

constexpr std::array<float, 4> values{1.0F, 2.0F, 3.0F, 4.0F};

struct GuardedBackendTest : ::testing::Test {
    GuardedCpuBackend backend;
    Arena arena{backend, "guarded"};
    View x = arena.region("x", DType::f32, {4});
    View y = arena.region("y", DType::f32, {4});

    /// The signal that ends a process in which `f` runs.
    template <class F>
    static int signal_of(F f) {
        return in_child([&] {
                   std::signal(SIGSEGV, SIG_DFL);  // a sanitizer would turn it into an exit code
                   f();
                   return 0;
               })
            .signal;
    }
    static int read(const View& view) {
        return signal_of([&] {
            volatile float value = *view.f32();
            (void)value;
        });
    }
    static int write(const View& view) {
        return signal_of([&] { *view.f32() = 1.0F; });
    }
};

TEST_F(GuardedBackendTest, UploadOpAndDownloadWork) {
    std::array<float, 4> got{};
    backend.upload(x, values.data());
    backend.copy(y, x);
    backend.add(y, x);
    backend.download(got.data(), y);
    backend.synchronize();
    EXPECT_EQ(got, (std::array<float, 4>{2.0F, 4.0F, 6.0F, 8.0F}));
}

TEST_F(GuardedBackendTest, DirectReadAndWriteDieBeforeAndAfterOps) {
    EXPECT_EQ(read(x), SIGSEGV);
    EXPECT_EQ(write(x), SIGSEGV);
    backend.upload(x, values.data());
    backend.copy(y, x);
    EXPECT_EQ(read(x), SIGSEGV);
    EXPECT_EQ(read(y), SIGSEGV);
    EXPECT_EQ(write(y), SIGSEGV);
}

TEST_F(GuardedBackendTest, HostAccessOpensOneRegionAndNests) {
    backend.upload(x, values.data());
    {
        const HostAccess outer(backend, x);
        {
            const HostAccess inner(backend, x.slice(1, 2));
            EXPECT_EQ(x.f32()[1], 2.0F);
        }
        EXPECT_EQ(x.f32()[3], 4.0F);
        backend.copy(y, x);  // ops may run meanwhile; they close only what is not open
        EXPECT_EQ(x.f32()[0], 1.0F);
        EXPECT_EQ(read(y), SIGSEGV);
    }
    EXPECT_EQ(read(x), SIGSEGV);
}

TEST_F(GuardedBackendTest, AnErrorOfAnOpLeavesMemoryClosed) {
    EXPECT_THROW(backend.add(x, y.slice(0, 3)), Error);
    EXPECT_EQ(read(x), SIGSEGV);
    // This one is thrown by the op itself, which reads the ids.
    const View ids = arena.region("ids", DType::i32, {2});
    for (const std::int32_t id : {-1, 2}) {
        backend.upload(ids, std::array<std::int32_t, 2>{0, id}.data());
        EXPECT_THROW(backend.embed(x.reshape({2, 2}), y.reshape({2, 2}), ids), Error);
        EXPECT_THROW(backend.embed_backward(y.reshape({2, 2}), x.reshape({2, 2}), ids), Error);
        EXPECT_EQ(read(x), SIGSEGV);
    }
}

TEST_F(GuardedBackendTest, DeviceMemoryIsNoHostMemory) {
    EXPECT_THROW(backend.upload(x, y.raw()), Error);
    EXPECT_THROW(backend.download(y.raw(), x), Error);
    EXPECT_EQ(read(x), SIGSEGV);
}

}  // namespace
}  // namespace lrd::test
