// SPDX-License-Identifier: MIT
#include "train/resolve_config.hpp"

#include <algorithm>
#include <filesystem>

#include "core/check.hpp"
#include "data/token_files.hpp"

namespace lrd {
namespace {

namespace fs = std::filesystem;

std::string absolute(const std::string& path) {
    if (path.empty()) {
        return path;
    }
    const fs::path whole = fs::absolute(path).lexically_normal();
    return (whole.has_filename() ? whole : whole.parent_path()).string();  // without a last slash
}

/// "RUN:student@step" or "RUN@step" with an absolute RUN.
std::string absolute_model(const std::string& reference) {
    if (reference.empty() || fs::exists(reference)) {
        return absolute(reference);
    }
    const std::size_t colon = reference.rfind(':');
    const std::size_t end = colon == std::string::npos ? reference.rfind('@') : colon;
    return end == std::string::npos ? reference
                                    : absolute(reference.substr(0, end)) + reference.substr(end);
}

}  // namespace

std::string split_of(const std::string& spec) {
    const std::size_t colon = spec.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == spec.size()) {
        fail(ExitCode::usage, "data.eval = \"{}\" is not DIR:split", spec);
    }
    return spec.substr(colon + 1);
}

Config resolved(Config config, const Backend& backend) {
    config.run.precision = backend.precision();
    config.data.tokens = absolute(config.data.tokens);
    config.teacher.model = absolute_model(config.teacher.model);
    if (config.teacher.cache != "none" && config.teacher.cache != "memory") {
        config.teacher.cache = absolute(config.teacher.cache);
    }
    if (config.data.eval.empty()) {
        const std::vector<std::string> splits = TokenFiles::splits_in(config.data.tokens);
        if (std::find(splits.begin(), splits.end(), "val") != splits.end()) {
            config.data.eval = {config.data.tokens + ":val"};
        }
    } else {
        for (std::string& spec : config.data.eval) {
            spec = absolute(spec.substr(0, spec.size() - split_of(spec).size() - 1)) + ":" +
                   split_of(spec);
        }
    }
    for (StudentSettings& student : config.students) {
        student.start = absolute_model(student.start);
    }
    return config;
}

}  // namespace lrd
