// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "data/corpus.hpp"
#include "io/json.hpp"

namespace lrd {

/// prepare.json: from what a folder of tokens was made, and what is in it (data/README.md). It is
/// written last, so a folder that has it is complete.
class PrepareManifest {
public:
    struct Total {  ///< of a split; one row of the table
        std::string split;
        std::int64_t documents = 0, duplicates = 0, tokens = 0, shards = 0;
        TextSizes sizes;
    };

    /// `tokenizer`: "train:V", or "given".
    static PrepareManifest of(const Corpus& corpus, const std::vector<Corpus::Shard>& shards,
                              const std::string& tokenizer, const std::string& tokenizer_sha256,
                              const std::string& dir);
    static PrepareManifest read(const std::string& dir);  ///< Error(bad_data), Error(missing_input)
    static bool is_in(const std::string& dir);

    void write(const std::string& dir) const;

    /// "" if the same command would write the same again, else what differs, in a few words. Files
    /// with the same name, size and times are taken to be unchanged; others are read.
    /// `tokenizer_sha256` is that of a given tokenizer.
    std::string difference(const CorpusOptions& options, const std::string& tokenizer,
                           const std::string& tokenizer_sha256) const;
    /// "" if what was written into `dir` is there with its size, else what is not.
    std::string missing_output(const std::string& dir) const;
    std::vector<Total> totals() const;

private:
    explicit PrepareManifest(Json json) : json_(std::move(json)) {}
    void check_members() const;

    Json json_;
};

}  // namespace lrd
