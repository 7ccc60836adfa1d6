// SPDX-License-Identifier: MIT
#include "train/run_directory.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "core/check.hpp"
#include "core/log.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"
#include "train/process.hpp"

namespace lrd {
namespace {

constexpr double stale_after = 600.0;  // seconds without a heartbeat

struct Holder {
    std::string host, job;
    std::int64_t pid = 0;
    double age = 0.0;
};

Holder read_holder(const std::string& lock) {
    Holder holder;
    struct stat info {};
    if (stat(lock.c_str(), &info) == 0) {
        holder.age = std::difftime(std::time(nullptr), info.st_mtime);
    }
    try {
        const Json json = Json::parse(read_text(lock), lock);
        holder.host = json.at("host").as_string();
        holder.job = json.at("job").as_string();
        holder.pid = json.at("pid").as_int();
    } catch (const Error&) {  // being written this moment, or torn: its age decides
        holder.host = "an unknown host";
    }
    return holder;
}

bool is_stale(const Holder& holder) {
    if (holder.age > stale_after) {
        return true;
    }
    const bool here = holder.host == host_name();
    return here && holder.pid > 0 && kill(static_cast<pid_t>(holder.pid), 0) != 0 && errno == ESRCH;
}

}  // namespace

RunDirectory::RunDirectory(std::string path) : path_(std::move(path)), lock_(path_ + "/.lock") {
    make_directories(path_);
    take_lock();
}

void RunDirectory::take_lock() {
    const std::string text = Json::object({{"host", host_name()},
                                           {"pid", static_cast<std::int64_t>(getpid())},
                                           {"job", job_id()},
                                           {"since", utc_time()}})
                                 .dump() + "\n";
    for (int attempt = 0; attempt < 2; ++attempt) {
        const int file = open(lock_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
        if (file >= 0) {
            const bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
            if (close(file) != 0 || !written) {
                unlink(lock_.c_str());
                fail(ExitCode::io, "cannot write {}: {}", lock_, std::strerror(errno));
            }
            return;
        }
        if (errno != EEXIST) {
            fail(ExitCode::io, "cannot make {}: {}", lock_, std::strerror(errno));
        }
        const Holder holder = read_holder(lock_);
        if (!is_stale(holder)) {
            fail(ExitCode::busy, "{} is in use by process {} on {}{}{}, heartbeat {:.0f} s ago; wait "
                 "for it, stop it, or choose another --out", path_, holder.pid, holder.host,
                 holder.job.empty() ? "" : ", job ", holder.job, holder.age);
        }
        log::info("{}: taking over the lock of process {} on {}, which is gone", path_, holder.pid, holder.host);
        unlink(lock_.c_str());
    }
    fail(ExitCode::busy, "{} was taken by another job this moment", path_);
}

RunDirectory::~RunDirectory() { unlink(lock_.c_str()); }

void RunDirectory::heartbeat() const {
    const double now = log::now();
    if (now - touched_ >= 1.0) {
        touched_ = now;
        utimensat(AT_FDCWD, lock_.c_str(), nullptr, 0);
    }
}

void RunDirectory::write_status(const std::string& path, const Status& s) {
    Json json = Json::object({{"state", s.state},
                              {"code", static_cast<std::int64_t>(s.code)},
                              {"step", s.step},
                              {"steps", s.steps},
                              {"last_checkpoint", s.last_checkpoint},
                              {"reason", s.reason},
                              {"first_failing_rank", s.first_failing_rank},
                              {"host", host_name()},
                              {"pid", static_cast<std::int64_t>(getpid())},
                              {"time", utc_time()}});
    publish_text(path + "/status.json", json.dump(2) + "\n");
}

}  // namespace lrd
