// SPDX-License-Identifier: MIT
#include "train/process.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>

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

std::string start_ticks(long pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(file, line);
    const std::size_t name_end = line.rfind(')');  // the name may have blanks and brackets itself
    if (name_end == std::string::npos) {
        return "";
    }
    std::istringstream fields(line.substr(name_end + 1));
    std::string field;
    fields >> field;
    // Killed together with its parent, a process stays a zombie where nobody collects it, as in many
    // containers. It holds nothing any more.
    if (field == "Z" || field == "X") {
        return "";
    }
    for (int i = 4; i <= 22 && fields >> field;
         ++i) {  // man 5 proc: state is field 3, starttime 22
    }
    return field;
}

std::uint64_t peak_memory() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

std::uint64_t node_memory() {
    std::uint64_t bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                          static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    // Containers and batch systems set less: the group of this process, version 2 and 1.
    for (const char* file :
         {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
        std::uint64_t limit = 0;
        if (std::ifstream(file) >> limit && limit > 0) {  // "max" is no number: no limit
            bytes = std::min(bytes, limit);
        }
    }
    return bytes;
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
