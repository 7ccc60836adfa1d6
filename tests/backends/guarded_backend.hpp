// SPDX-License-Identifier: MIT
// GuardedCpuBackend: the CPU backend whose memory the host cannot touch outside of ops. What works
// here reads device memory through download and HostAccess alone, so it will work on a device.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <map>

#include "core/check.hpp"
#include "kernels/cpu/cpu_backend.hpp"

namespace lrd::test {

class GuardedCpuBackend : public CpuBackend {
public:
    ~GuardedCpuBackend() override {
        for (const auto& [start, region] : regions_) {
            munmap(reinterpret_cast<void*>(start), region.bytes);
        }
    }

    /// Whole pages, closed, of bytes 0xFF: fp32 NaNs, so that nobody counts on zeros.
    void* allocate(std::size_t bytes) override {
        LRD_CHECK(depth_ == 0, "memory allocated inside of {}", op_);
        const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        const std::size_t whole = bytes == 0 ? page : (bytes + page - 1) / page * page;
        void* data =
            mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        LRD_CHECK(data != MAP_FAILED, "mmap of {} bytes", whole);
        std::memset(data, 0xFF, whole);
        const auto start = reinterpret_cast<std::uintptr_t>(data);
        regions_[start] = {whole, 0};
        protect(start, regions_[start], false);
        return data;
    }
    void release(void* data, std::size_t) noexcept override {
        const auto found = regions_.find(reinterpret_cast<std::uintptr_t>(data));
        LRD_CHECK(found != regions_.end(), "release of memory that was never given");  // terminates
        munmap(data, found->second.bytes);
        regions_.erase(found);
    }

    bool is_host() const override { return false; }
    void begin_host_access(const View& view) override {
        const auto found = region_of(view.raw());
        LRD_CHECK(found != regions_.end(), "host access to memory of another: {}", view.describe());
        ++found->second.opened;
        protect(found->first, found->second, true);
    }
    void end_host_access(const View& view) noexcept override {
        const auto found = region_of(view.raw());
        if (--found->second.opened == 0 && depth_ == 0) {
            protect(found->first, found->second, false);
        }
    }

protected:
    void begin_op(const char* op) override {
        op_ = op;
        if (depth_++ == 0) {
            protect_all(true);
        }
    }
    void end_op(const char*) noexcept override {
        if (--depth_ == 0) {
            protect_all(false);
        }
    }
    // An upload from device memory, or a download to it, would be a copy in disguise.
    void do_upload(const View& to, const void* from) override {
        LRD_CHECK(region_of(from) == regions_.end(), "upload from device memory");
        CpuBackend::do_upload(to, from);
    }
    void do_download(void* to, const View& from) override {
        LRD_CHECK(region_of(to) == regions_.end(), "download to device memory");
        CpuBackend::do_download(to, from);
    }

private:
    struct Region {
        std::size_t bytes;
        int opened;  // HostAccess objects
    };
    using Regions = std::map<std::uintptr_t, Region>;

    Regions::iterator region_of(const void* data) {
        const auto address = reinterpret_cast<std::uintptr_t>(data);
        auto found = regions_.upper_bound(address);
        if (found == regions_.begin()) {
            return regions_.end();
        }
        --found;
        return address < found->first + found->second.bytes ? found : regions_.end();
    }
    void protect_all(bool open) noexcept {
        for (const auto& [start, region] : regions_) {
            protect(start, region, open || region.opened > 0);
        }
    }
    static void protect(std::uintptr_t start, const Region& region, bool open) noexcept {
        mprotect(reinterpret_cast<void*>(start), region.bytes,
                 open ? PROT_READ | PROT_WRITE : PROT_NONE);
    }

    Regions regions_;
    int depth_ = 0;
    const char* op_ = "";
};

}  // namespace lrd::test
