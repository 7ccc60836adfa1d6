// SPDX-License-Identifier: MIT
// write_metrics RUN ROWS: a run's metrics as training writes them. metrics_read.py reads them.
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "core/check.hpp"
#include "example_metrics.hpp"

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: write_metrics RUN ROWS\n");
        return 64;
    }
    try {
        std::filesystem::create_directories(argv[1]);
        lrd::MetricsWriter writer = lrd::test::example_writer(argv[1]);
        writer.truncate_after(-1);
        for (std::int64_t step = 1; step <= std::atoll(argv[2]); ++step) {
            lrd::test::append_example_rows(writer, step);
            if (!writer.flush()) {
                return 1;
            }
        }
    } catch (const lrd::Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return static_cast<int>(error.code());
    }
    return 0;
}
