// SPDX-License-Identifier: MIT
#include "train/run_directory.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>

#include "core/check.hpp"
#include "core/log.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"
#include "train/process.hpp"

namespace lrd {
namespace {

constexpr double stale_after = 600.0;  // seconds without a heartbeat
constexpr double heartbeat_every = 10.0;

struct Holder {
    std::string host = "an unknown host", job, started;
    std::int64_t pid = 0;
    double age = 0.0;  // of the heartbeat; negative if there is no lock
};

double age_of(const std::string& file) {
    struct stat info {};
    return stat(file.c_str(), &info) == 0 ? std::difftime(std::time(nullptr), info.st_mtime) : -1.0;
}

Holder read_holder(const std::string& lock) {
    Holder holder;
    holder.age = age_of(lock);
    try {
        const Json json = Json::parse(read_text(lock), lock);
        holder.host = json.at("host").as_string();
        holder.job = json.at("job").as_string();
        holder.started = json.at("started").as_string();
        holder.pid = json.at("pid").as_int();
    } catch (const Error&) {  // being written this moment, or torn: its age decides
    }
    return holder;
}

std::string holder_text() {
    const char* restart = std::getenv("SLURM_RESTART_COUNT");
    return Json::object({{"host", host_name()},
                         {"pid", static_cast<std::int64_t>(getpid())},
                         {"started", start_ticks(getpid())},
                         {"job", job_id()},
                         {"restart", restart != nullptr ? restart : "0"},
                         {"since", utc_time()}})
               .dump() +
           "\n";
}

bool is_stale(const Holder& holder) {
    if (holder.pid > 0 && holder.host == host_name()) {  // a process that lives may just be slow
        return start_ticks(holder.pid) != holder.started;
    }
    return holder.age > stale_after;
}

[[noreturn]] void refuse(const std::string& path, const Holder& holder, const std::string& option) {
    fail(ExitCode::busy,
         "{} is in use by process {} on {}{}{}, heartbeat {:.0f} s ago; wait for it, "
         "stop it, or choose another {}",
         path, holder.pid, holder.host, holder.job.empty() ? "" : ", job ", holder.job, holder.age,
         option);
}

}  // namespace

RunDirectory::RunDirectory(std::string path, std::string option)
    : path_(std::move(path)), lock_(path_ + "/.lock"), option_(std::move(option)) {
    make_directories(path_);
    if (!make_lock()) {
        take_over();
    }
}

/// False if there is one.
bool RunDirectory::make_lock() {
    file_ = open(lock_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (file_ < 0) {
        if (errno != EEXIST) {
            fail(ExitCode::io, "cannot make {}: {}", lock_, std::strerror(errno));
        }
        return false;
    }
    const std::string text = holder_text();
    if (write(file_, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        fsync(file_) != 0) {
        const int error = errno;
        close(file_);
        unlink(lock_.c_str());
        fail(ExitCode::io, "cannot write {}: {}", lock_, std::strerror(error));
    }
    return true;
}

/// Of several jobs that find the lock stale only the one that makes the guard removes it; another
/// might remove the winner's.
void RunDirectory::take_over() {
    const Holder seen = read_holder(lock_);
    if (seen.age >= 0.0 && !is_stale(seen)) {
        refuse(path_, seen, option_);
    }
    const std::string guard = lock_ + ".takeover";
    const int guarded = open(guard.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (guarded < 0) {
        if (age_of(guard) > 60.0) {  // of a job that died while it took over
            unlink(guard.c_str());
        }
        fail(ExitCode::busy, "{} is being taken over by another job this moment; try again", path_);
    }
    close(guarded);
    const Holder holder = read_holder(lock_);
    const bool gone = holder.age < 0.0;
    const bool stale = !gone && is_stale(holder);
    if (stale) {
        log::info("{}: taking over the lock of process {} on {}, which is gone", path_, holder.pid,
                  holder.host);
        unlink(lock_.c_str());
    }
    const bool made = (gone || stale) && make_lock();
    unlink(guard.c_str());
    if (!made) {
        refuse(path_, read_holder(lock_), option_);
    }
}

bool RunDirectory::is_ours() const {
    struct stat info {};
    return fstat(file_, &info) == 0 && info.st_nlink > 0;
}

RunDirectory::~RunDirectory() {
    if (is_ours()) {
        unlink(lock_.c_str());
    }
    close(file_);
}

void RunDirectory::heartbeat() const {
    const double now = log::now();
    if (now - touched_ < heartbeat_every) {
        return;
    }
    touched_ = now;
    if (!is_ours()) {
        fail(ExitCode::busy, "another job took {} over, as if this one were dead; it goes on alone",
             path_);
    }
    futimens(file_, nullptr);
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
