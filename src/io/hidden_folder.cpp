// SPDX-License-Identifier: MIT
#include "io/hidden_folder.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>

#include "io/publish.hpp"

namespace lrd {
namespace {

namespace fs = std::filesystem;

/// Without a trailing slash, which would make the folder its own parent.
std::string without_slash(const std::string& out) {
    const fs::path named = fs::absolute(out).lexically_normal();
    return (named.filename().empty() ? named.parent_path() : named).string();
}

}  // namespace

HiddenFolder::HiddenFolder(const std::string& out)
    : out_(without_slash(out)), path_(beside("tmp")) {
    make_directories(path_);
}

HiddenFolder::~HiddenFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

std::string HiddenFolder::beside(const char* what) const {
    const fs::path out(out_);
    return (out.parent_path() / fmt::format(".{}-{}-{}", what, out.filename().string(), ::getpid()))
        .string();
}

void HiddenFolder::publish() {
    if (!fs::exists(out_) || fs::is_empty(out_)) {
        publish_directory(path_, out_);
        return;
    }
    const std::string old = beside("old");
    publish_directory(out_, old);
    try {
        publish_directory(path_, out_);
    } catch (...) {
        publish_directory(old, out_);
        throw;
    }
    fs::remove_all(old);
}

}  // namespace lrd
