// SPDX-License-Identifier: MIT
// The file of `lrd eval --per-document`; its fields: data/README.md.
#pragma once

#include <string>
#include <vector>

#include "data/token_files.hpp"
#include "io/json.hpp"

namespace lrd {

/// How the documents of one split were scored.
struct DocumentScores {
    std::string split, digest;
    DocumentTable documents;
    std::vector<double> nll;  // nats, one per document
};

/// Error(busy) if `path` is there, Error(io) if no file can be made there: what is only noticed
/// after the scoring is noticed late.
void check_document_scores(const std::string& path);

/// `attributes`: texts and whole numbers for the root.
void publish_document_scores(const std::string& path, const std::vector<DocumentScores>& splits,
                             const Json& attributes);

}  // namespace lrd
