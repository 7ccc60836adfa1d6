// SPDX-License-Identifier: MIT
#include "train/heap_watch.hpp"

#include <dlfcn.h>
#include <execinfo.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

// What the C library calls its own.
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* data, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
}

namespace lrd::test {
namespace {

constexpr int depth = 24;
constexpr int near = 6;  // frames in which the one that asked is found

/// A place in the code that asked.
struct Place {
    std::atomic<void*> address = nullptr;
    std::atomic<int> count = 0;
    std::array<void*, depth> frames{};  // of the first time
    int size = 0;
};

std::atomic<bool> g_watching = false;
std::array<Place, 4096> g_places;  // hashed by address
thread_local bool t_inside = false;

/// Of the object file that holds `address`.
std::string_view name_of(void* address) {
    Dl_info info{};
    if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) {
        return "code made at run time";
    }
    const std::string_view path = info.dli_fname;
    return path.substr(path.rfind('/') + 1);
}

bool asks_for_others(std::string_view object) {
    const auto is = [&](const char* name) { return object.starts_with(name); };
    return is("libc.so") || is("libstdc++.so") || is("libgcc_s.so") || is("ld-linux");
}

/// The first that asked on its own behalf; frames 0 and 1 are note() and what stands for malloc.
void* asker(const std::array<void*, near>& frames, int size) {
    for (int i = 2; i < size; ++i) {
        if (!asks_for_others(name_of(frames[static_cast<std::size_t>(i)]))) {
            return frames[static_cast<std::size_t>(i)];
        }
    }
    return frames[static_cast<std::size_t>(size - 1)];
}

/// Counts the call that led here. Allocates nothing.
__attribute__((noinline)) void note() {
    if (!g_watching.load(std::memory_order_relaxed) || t_inside) {
        return;
    }
    t_inside = true;
    std::array<void*, near> frames{};
    void* const address = asker(frames, backtrace(frames.data(), near));
    std::size_t slot = reinterpret_cast<std::uintptr_t>(address) % g_places.size();
    void* none = nullptr;
    while (!g_places[slot].address.compare_exchange_strong(none, address) && none != address) {
        slot = (slot + 1) % g_places.size();
        none = nullptr;
    }
    if (g_places[slot].count++ == 0) {
        g_places[slot].size = backtrace(g_places[slot].frames.data(), depth);
    }
    t_inside = false;
}

}  // namespace

HeapWatch::HeapWatch() {
    std::array<void*, 2> first{};
    backtrace(first.data(), 2);  // loads what it needs
    for (Place& place : g_places) {
        place.address = nullptr;
        place.count = 0;
    }
    g_watching = true;
}

HeapWatch::~HeapWatch() { g_watching = false; }

std::map<std::string, HeapWatch::Caller> HeapWatch::callers() {
    g_watching = false;
    const std::string_view self = name_of(reinterpret_cast<void*>(&note));
    std::map<std::string, Caller> found;
    for (const Place& place : g_places) {
        if (place.count == 0) {
            continue;
        }
        const std::string_view object = name_of(place.address);
        Caller& caller = found[object == self ? "program" : std::string(object)];
        caller.count += place.count;
        if (caller.trace.empty()) {
            char** const names = backtrace_symbols(place.frames.data(), place.size);
            for (int k = 2; k < place.size; ++k) {
                caller.trace += std::string(names[k]) + "\n";
            }
            std::free(names);
        }
    }
    return found;
}

}  // namespace lrd::test

extern "C" {
void* malloc(std::size_t bytes) {
    lrd::test::note();
    return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
    lrd::test::note();
    return __libc_calloc(count, bytes);
}
void* realloc(void* data, std::size_t bytes) {
    lrd::test::note();
    return __libc_realloc(data, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
    lrd::test::note();
    return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
    lrd::test::note();
    return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** data, std::size_t alignment, std::size_t bytes) {
    lrd::test::note();
    void* const made = __libc_memalign(alignment, bytes);
    if (made == nullptr) {
        return ENOMEM;
    }
    *data = made;
    return 0;
}
}
