// SPDX-License-Identifier: MIT
// encode_speed TOKENIZER_DIR FILE [THREADS]: encodes FILE as one text and prints one JSON line:
// the seconds (of the clock, and of the slowest thread's processor time) and a digest of the ids.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "data/pretokenizer.hpp"
#include "data/tokenizer.hpp"
#include "io/digest.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"

namespace {

struct Part {
    std::string_view text;
    std::vector<std::int32_t> ids;
    double cpu_s = 0;
};

double thread_seconds() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Parts of about equal size whose ids, joined, are those of the whole.
std::vector<Part> cut(std::string_view text, std::size_t count) {
    std::vector<Part> parts;
    for (; count > 1; --count) {
        const std::size_t at = lrd::last_certain_border(text.substr(0, text.size() / count));
        parts.push_back({text.substr(0, at), {}});
        text.remove_prefix(at);
    }
    parts.push_back({text, {}});
    return parts;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        fmt::print(stderr, "usage: encode_speed TOKENIZER_DIR FILE [THREADS]\n");
        return 64;
    }
    const lrd::Tokenizer tokenizer = lrd::Tokenizer::load(argv[1]);
    const std::string text = lrd::read_text(argv[2]);
    const int threads = argc > 3 ? std::max(1, std::atoi(argv[3])) : 1;
    std::vector<Part> parts = cut(text, static_cast<std::size_t>(threads));

    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> workers;
    for (Part& part : parts) {
        workers.emplace_back([&] {
            const double before = thread_seconds();
            lrd::Encoder(tokenizer).encode(part.text, part.ids);
            part.cpu_s = thread_seconds() - before;
        });
    }
    for (std::thread& worker : workers) {
        worker.join();
    }
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;

    std::string bytes;
    double cpu_s = 0;
    std::size_t tokens = 0;
    for (const Part& part : parts) {
        bytes.append(reinterpret_cast<const char*>(part.ids.data()), part.ids.size() * sizeof(int));
        cpu_s = std::max(cpu_s, part.cpu_s);
        tokens += part.ids.size();
    }
    fmt::print("{}\n", lrd::Json::object({{"bytes", text.size()},
                                          {"tokens", tokens},
                                          {"wall_s", wall.count()},
                                          {"cpu_s", cpu_s},
                                          {"sha256", lrd::sha256(bytes)}})
                           .dump());
    return 0;
}
