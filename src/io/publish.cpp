// SPDX-License-Identifier: MIT
#include "io/publish.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "core/check.hpp"

namespace lrd {
namespace {

namespace fs = std::filesystem;

std::string parent_of(const std::string& path) {
    const std::string parent = fs::path(path).parent_path().string();
    return parent.empty() ? "." : parent;
}

[[noreturn]] void fail_io(const std::string& path, const char* what, int error) {
    const bool full = error == ENOSPC || error == EDQUOT;
    fail(ExitCode::io, "{}: cannot {}: {}; {} bytes are free there{}", path, what,
         std::strerror(error), free_bytes(path),
         full ? ", free some space or set another --out" : ", check the path and its permissions");
}

class Descriptor {
public:
    Descriptor(const std::string& path, int flags, mode_t mode = 0)
        : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)), path_(path) {
        if (fd_ < 0) {
            fail_io(path, "open", errno);
        }
    }
    ~Descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    void write(std::string_view text) {
        while (!text.empty()) {
            const ssize_t n = ::write(fd_, text.data(), text.size());
            if (n < 0 && errno != EINTR) {
                fail_io(path_, "write", errno);
            }
            text.remove_prefix(n < 0 ? 0 : static_cast<std::size_t>(n));
        }
    }
    void sync() {
        if (::fsync(fd_) != 0) {
            fail_io(path_, "fsync", errno);
        }
    }
    void close() {
        if (::close(std::exchange(fd_, -1)) != 0) {
            fail_io(path_, "close", errno);
        }
    }

private:
    int fd_;
    std::string path_;
};

std::string temporary_name(const std::string& path) {
    return fmt::format("{}/.tmp-{}-{}", parent_of(path), fs::path(path).filename().string(),
                       ::getpid());
}

/// Removes the file unless it was renamed away.
struct Temporary {
    std::string path;
    ~Temporary() {
        std::error_code ignored;
        fs::remove(path, ignored);
    }
};

}  // namespace

void fsync_path(const std::string& path) {
    Descriptor descriptor(path, O_RDONLY);
    descriptor.sync();
}

void make_directories(const std::string& path) {
    std::error_code error;
    fs::create_directories(path, error);
    if (error) {
        fail_io(path, "create the directory", error.value());
    }
}

void write_text_and_fsync(const std::string& path, std::string_view text) {
    Descriptor file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    file.write(text);
    file.sync();
    file.close();
}

void publish_file(const std::string& path, const std::function<void(const std::string&)>& write) {
    const Temporary temporary{temporary_name(path)};
    write(temporary.path);
    fsync_path(temporary.path);
    if (::rename(temporary.path.c_str(), path.c_str()) != 0) {
        fail_io(path, "rename the finished file to its name", errno);
    }
    fsync_path(parent_of(path));
}

void require_publishable(const std::string& path) {
    if (fs::is_directory(path)) {
        fail(ExitCode::io, "{} is a folder; name a file in it", path);
    }
    const Temporary probe{temporary_name(path)};
    const int fd = ::open(probe.path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        fail_io(path, "write a file there", errno);
    }
    ::close(fd);
}

void publish_text(const std::string& path, std::string_view text) {
    publish_file(path, [&](const std::string& name) {  // which does the fsync
        Descriptor file(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        file.write(text);
        file.close();
    });
}

void publish_directory(const std::string& temporary, const std::string& final_path) {
    fsync_path(temporary);  // its entries, before anybody can see them
    if (::rename(temporary.c_str(), final_path.c_str()) != 0) {
        fail_io(final_path, "rename the finished directory to its name", errno);
    }
    fsync_path(parent_of(final_path));
}

std::string read_text(const std::string& path) {
    std::error_code error;
    if (!fs::exists(path, error)) {
        fail(ExitCode::missing_input, "{}: is not there; check the path", path);
    }
    if (fs::is_directory(path, error)) {
        fail(ExitCode::missing_input, "{}: is a folder, not a file; check the path", path);
    }
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file.good() && !(file.eof() && !file.bad())) {
        // An empty file sets failbit on `text`, not on `file`.
        fail(ExitCode::io, "{}: cannot be read: {}", path, std::strerror(errno));
    }
    return text.str();
}

std::uint64_t free_bytes(const std::string& path) {
    struct statvfs status {};
    std::string place = path;
    while (::statvfs(place.c_str(), &status) != 0) {
        const std::string parent = parent_of(place);
        if (parent == place) {
            return 0;
        }
        place = parent;
    }
    return std::uint64_t{status.f_bavail} * status.f_frsize;
}

void require_free_bytes(const std::string& path, std::uint64_t needed) {
    const std::uint64_t there = free_bytes(path);
    if (there < needed) {
        fail(ExitCode::io,
             "{}: {} bytes are needed, {} are free there; free some space or set another --out",
             path, needed, there);
    }
}

}  // namespace lrd
