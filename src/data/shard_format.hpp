// SPDX-License-Identifier: MIT
// What is in a shard, for its writer and its reader.
#pragma once

#include <cstdint>
#include <string>

namespace lrd {

/// What all shards of a split have in common.
struct ShardHeader {
    std::string split;
    std::string document_rule;
    std::string tokenizer_sha256;
    std::int64_t vocab_size = 0;   ///< V: ids are in [0, V)
    std::int32_t end_of_text = 0;  ///< the last token of every document
    std::int64_t replaced = 0;     ///< of a shard: invalid UTF-8 that became U+FFFD
    std::int64_t unknown = 0;      ///< of a shard: words "<unk>"
};

struct SplitTotals {
    std::int64_t documents = 0, tokens = 0, bytes = 0, words = 0, shards = 0;
};

namespace shard_format {

constexpr std::int64_t version = 1;
constexpr std::int64_t most_narrow = 65536;  // vocabularies up to this are stored as u16

constexpr const char* tokens = "/tokens";
constexpr const char* doc_offsets = "/doc_offsets";
constexpr const char* doc_bytes = "/doc_bytes";
constexpr const char* doc_words = "/doc_words";

// Attributes of the root.
constexpr const char* format_version = "format_version";
constexpr const char* split = "split";
constexpr const char* document_rule = "document_rule";
constexpr const char* tokenizer_sha256 = "tokenizer_sha256";
constexpr const char* vocab_size = "vocab_size";
constexpr const char* end_of_text = "end_of_text";
constexpr const char* invalid_utf8 = "invalid_utf8";
constexpr const char* unk_words = "unk_words";
constexpr const char* n_documents = "n_documents";
constexpr const char* n_tokens = "n_tokens";
constexpr const char* max_id = "max_id";
constexpr const char* bytes = "bytes";
constexpr const char* words = "words";
constexpr const char* bytes_per_token = "bytes_per_token";
constexpr const char* shard = "shard";    // its number, from 0
constexpr const char* shards = "shards";  // how many the split has
// SHA-256 of the hexadecimal SHA-256 of tokens, doc_offsets, doc_bytes and doc_words.
constexpr const char* digest = "sha256";

// Beside the shards. A folder that `prepare` has not finished holds the marker.
constexpr const char* manifest = "prepare.json";
constexpr const char* unfinished = "prepare.unfinished";

std::string file_name(const std::string& split, std::int64_t index);
/// The split of a file name, or "" if it is not one of a shard.
std::string split_of(const std::string& file_name);

}  // namespace shard_format

}  // namespace lrd
