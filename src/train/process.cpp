// SPDX-License-Identifier: MIT
#include "train/process.hpp"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>

#include "core/log.hpp"

namespace lrd {

namespace {
const double g_start = log::now();  // static initialisation: near enough to exec
}

double process_start() { return g_start; }

std::string host_name() {
    std::array<char, 256> name{};
    gethostname(name.data(), name.size() - 1);
    return name.data();
}

std::string job_id() {
    const char* id = std::getenv("SLURM_JOB_ID");
    return id != nullptr ? id : "";
}

std::string utc_time() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text.data();
}

}  // namespace lrd
