// SPDX-License-Identifier: MIT
// train_speed FILE V THREADS OUT_DIR: learns a tokenizer of V tokens from FILE, whose lines are
// counted as texts of their own, writes it to OUT_DIR, and prints one JSON line with the seconds of
// the clock and of the processor for counting and for merging.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "data/bpe_trainer.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"

namespace {

struct Times {
    double wall_s, cpu_s;
};

Times now() {
    const auto wall = std::chrono::steady_clock::now().time_since_epoch();
    return {std::chrono::duration<double>(wall).count(),
            static_cast<double>(std::clock()) / CLOCKS_PER_SEC};
}

lrd::Json since(const Times& start) {
    const Times end = now();
    return lrd::Json::object(
        {{"wall_s", end.wall_s - start.wall_s}, {"cpu_s", end.cpu_s - start.cpu_s}});
}

std::size_t line_end(std::string_view text, std::size_t at) {
    const std::size_t end = text.find('\n', at);
    return end == std::string_view::npos ? text.size() : end + 1;
}

void count_lines(std::string_view text, lrd::BpeTrainer& trainer) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = line_end(text, at);
        trainer.add(text.substr(at, end - at));
        at = end;
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        fmt::print(stderr, "usage: train_speed FILE V THREADS OUT_DIR\n");
        return 64;
    }
    const std::string text = lrd::read_text(argv[1]);
    const auto threads = static_cast<std::size_t>(std::max(1, std::atoi(argv[3])));

    const Times start = now();
    std::vector<lrd::BpeTrainer> trainers(threads);
    std::vector<std::thread> workers;
    std::size_t from = 0;
    for (std::size_t i = 0; i < threads; ++i) {
        const std::size_t to = line_end(text, text.size() * (i + 1) / threads);
        workers.emplace_back(count_lines, std::string_view(text).substr(from, to - from),
                             std::ref(trainers[i]));
        from = to;
    }
    for (std::thread& worker : workers) {
        worker.join();
    }
    for (std::size_t i = 1; i < threads; ++i) {
        trainers[i].for_each_piece(
            [&](std::string_view piece, std::int64_t n) { trainers[0].add_counts(piece, n); });
    }
    const lrd::Json counting = since(start);
    const Times middle = now();
    const lrd::Tokenizer tokenizer = trainers[0].train(std::atoi(argv[2]));
    const lrd::Json merging = since(middle);
    const lrd::Json all = since(start);

    tokenizer.save(argv[4]);
    fmt::print(
        "{}\n",
        lrd::Json::object({{"all", all}, {"counting", counting}, {"merging", merging}}).dump());
    return 0;
}
