// SPDX-License-Identifier: MIT
// Text files → documents → splits → shards, by all threads of all ranks, in memory that does not grow
// with the text. Each pass over the text divides it into independent pieces (data/team.hpp).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/shard_format.hpp"
#include "data/split_plan.hpp"
#include "data/team.hpp"
#include "data/tokenizer.hpp"

namespace lrd {

class BpeTrainer;

struct CorpusOptions {
    std::vector<std::string> text;
    DocumentRule rule = DocumentRule::automatic;
    std::string json_key = "text";
    std::vector<SplitAim> aims;
    bool dedup = false;
};

/// The files of a corpus, in the order of their documents: --text, then those of the splits.
std::vector<TextSource> sources_of(const CorpusOptions& options);

class Corpus {
public:
    /// Every pass is a collective call of all ranks. `scratch` is a folder that all of them see.
    Corpus(const Team& team, CorpusOptions options, std::string scratch);

    void look();    ///< at each file: its hash, its rule; expands what is compressed
    void scan();    ///< for its documents: where they are, what is in them
    void divide();  ///< them into splits and shards
    /// A tokenizer of V tokens, learnt from the train split; on every rank.
    Tokenizer train_tokenizer(std::int64_t vocab_size);
    /// Writes all shards into `dir`.
    struct Shard {
        std::int64_t plan = 0;  ///< index in plan().shards
        std::int64_t tokens = 0;
        char digest[64] = {};
    };
    std::vector<Shard> encode(const Tokenizer& tokenizer, const std::string& dir);
    void check_unchanged() const;  ///< Error(bad_data) if a file is not what look() saw

    const std::vector<TextSource>& sources() const { return sources_; }
    const SplitPlan& plan() const { return plan_; }
    const CorpusOptions& options() const { return options_; }
    std::string rule_of(std::int64_t split) const;  ///< by which its files were cut

private:
    struct Part;
    std::string expanded_path(std::size_t source) const;
    void look_at_source(std::size_t source);
    std::vector<Part> parts_of_sources() const;
    std::vector<std::int64_t> shard_sizes() const;
    void merge_pieces(std::vector<std::unique_ptr<BpeTrainer>>& trainers);
    Shard encode_shard(std::size_t i, Encoder& encoder, DocumentReader& reader,
                       const ShardHeader& common, const std::string& dir) const;

    const Team* team_;
    CorpusOptions options_;
    std::string scratch_;
    std::vector<TextSource> sources_;
    ScannedDocuments documents_;  // rank 0
    SplitPlan plan_;
};

}  // namespace lrd
