// SPDX-License-Identifier: MIT
// One copy for the ranks of a node.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <numeric>

#include "mpi/mpi_main.hpp"

namespace lrd::test {
namespace {

/// Memory of the host, or of a device that the host cannot share.
class SomeMemory : public Memory {
public:
    explicit SomeMemory(bool host) : host_(host) {}
    void* allocate(std::size_t bytes) override {
        ++allocations;
        return std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    }
    void release(void* data, std::size_t) noexcept override {
        --allocations;
        std::free(data);
    }
    void begin_host_access(const View&) override {}
    void end_host_access(const View&) noexcept override {}
    bool is_host() const override { return host_; }
    int allocations = 0;

private:
    bool host_;
};

TEST(NodeMemory, OneRankWritesAndAllRead) {
    SomeMemory own(true);
    const std::unique_ptr<NodeMemory> memory = world().node_memory(own);
    Arena arena(*memory, "test");
    const View a = arena.region("a", DType::f32, {1000});
    const View b = arena.region("b", DType::f32, {3, 5});
    EXPECT_EQ(memory->writes(), world().node_rank() == 0);
    EXPECT_EQ(own.allocations, world().node_size() > 1 ? 0 : 2);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.raw()) % 64, 0U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.raw()) % 64, 0U);
    if (memory->writes()) {
        std::iota(a.f32(), a.f32() + a.size(), 0.0F);
        std::iota(b.f32(), b.f32() + b.size(), 0.5F);
    }
    memory->publish();
    EXPECT_EQ(a.f32()[999], 999.0F);
    EXPECT_EQ(b.f32()[14], 14.5F);
}

TEST(NodeMemory, OfADeviceIsEveryRanksOwn) {
    SomeMemory own(false);
    const std::unique_ptr<NodeMemory> memory = world().node_memory(own);
    Arena arena(*memory, "test");
    const View a = arena.region("a", DType::f32, {1});
    EXPECT_TRUE(memory->writes());
    EXPECT_EQ(own.allocations, 1);
    *a.f32() = static_cast<float>(world().rank());
    memory->publish();
    EXPECT_EQ(*a.f32(), static_cast<float>(world().rank()));
}

/// Pages that this process has mapped.
std::int64_t mapped() {
    std::int64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages;
}

TEST(NodeMemory, IsGivenBack) {
    constexpr std::int64_t size = std::int64_t{25} << 20;  // 100 MiB
    SomeMemory own(true);
    const std::unique_ptr<NodeMemory> memory = world().node_memory(own);
    const std::int64_t before = mapped();
    for (int i = 0; i < 20; ++i) {
        Arena arena(*memory, "test");
        const View a = arena.region("a", DType::f32, {size});
        if (memory->writes()) {
            a.f32()[i] = 1.0F;
        }
        memory->publish();
        EXPECT_EQ(a.f32()[i], 1.0F);
    }
    EXPECT_EQ(own.allocations, 0);
    EXPECT_LT(4096 * (mapped() - before), 8 * size) << "more than two of twenty are still mapped";
}

TEST(Communicator, ExchangesWithAPartner) {
    SomeMemory memory(true);
    const int partner = world().rank() ^ 1;
    if (partner >= world().size()) {
        return;
    }
    // Of unequal size: rank r sends 3 + r numbers.
    const auto values = [](int rank) {
        std::vector<float> all(static_cast<std::size_t>(3 + rank));
        std::iota(all.begin(), all.end(), static_cast<float>(10 * rank));
        return all;
    };
    std::vector<float> out = values(world().rank());
    std::vector<float> in(values(partner).size());
    world().exchange(memory, View(out.data(), DType::f32, {std::ssize(out)}),
                     View(in.data(), DType::f32, {std::ssize(in)}), partner);
    EXPECT_EQ(in, values(partner));
}

}  // namespace
}  // namespace lrd::test
