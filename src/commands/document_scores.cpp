// SPDX-License-Identifier: MIT
#include "commands/document_scores.hpp"

#include <unistd.h>

#include <filesystem>
#include <numeric>
#include <span>

#include "core/check.hpp"
#include "io/publish.hpp"

namespace lrd {
namespace {

constexpr std::int64_t format_version = 1;

/// Targets of each document: its tokens, but the stream's first token is nobody's.
std::vector<std::int64_t> targets(const DocumentTable& documents) {
    std::vector<std::int64_t> count(documents.bytes.size());
    for (std::size_t d = 0; d < count.size(); ++d) {
        count[d] = documents.offsets[d + 1] - documents.offsets[d] - (d == 0 ? 1 : 0);
    }
    return count;
}

void write_split(h5::File& file, const DocumentScores& scores) {
    const std::string group = "/" + scores.split;
    const std::string scale = group + "/document";
    std::vector<std::int64_t> numbers(scores.nll.size());
    std::iota(numbers.begin(), numbers.end(), 0);
    file.write(scale, numbers);
    file.make_scale(scale, "document");
    const auto column = [&](const char* name, const auto& values, const char* units,
                            const char* meaning) {
        const std::string path = group + "/" + name;
        file.write(path, values);
        file.attach_scale(path, 0, scale);
        file.set_attribute(path, "units", units);
        file.set_attribute(path, "long_name", meaning);
    };
    file.set_attribute(scale, "units", "1");
    file.set_attribute(scale, "long_name", "number of the document in the split");
    column("tokens", targets(scores.documents), "token", "targets that were scored");
    column("bytes", scores.documents.bytes, "byte", "UTF-8 text of the document");
    column("words", scores.documents.words, "word", "between blanks, one more per line end");
    column("nll", scores.nll, "nat", "sum of the NLL of its targets");
    file.set_attribute(group, "tokens_sha256", scores.digest);
}

}  // namespace

void check_document_scores(const std::string& path) {
    namespace fs = std::filesystem;
    if (fs::exists(path)) {
        fail(ExitCode::busy, "--per-document {} is there already; remove it or choose another name",
             path);
    }
    const fs::path folder = fs::absolute(path).parent_path();
    if (!fs::is_directory(folder) || access(folder.c_str(), W_OK) != 0) {
        fail(ExitCode::io, "--per-document {}: {} is no folder that can be written to", path,
             folder.string());
    }
}

void publish_document_scores(const std::string& path, const std::vector<DocumentScores>& splits,
                             const Json& attributes) {
    publish_file(path, [&](const std::string& temporary) {
        h5::File file = h5::File::create(temporary);
        file.set_attribute("/", "format_version", format_version);
        for (const auto& [key, value] : attributes.as_object()) {
            if (value.is_int()) {
                file.set_attribute("/", key, value.as_int());
            } else {
                file.set_attribute("/", key, value.as_string());
            }
        }
        for (const DocumentScores& scores : splits) {
            write_split(file, scores);
        }
        file.close();
    });
}

}  // namespace lrd
