// SPDX-License-Identifier: MIT
#include "data/shard_writer.hpp"

#include <algorithm>
#include <filesystem>

#include "core/check.hpp"
#include "io/publish.hpp"

namespace lrd {

namespace names = shard_format;

namespace {

// What is appended together: whole chunks of 64 KiB.
constexpr std::size_t chunk_bytes = std::size_t{64} << 10;
constexpr std::size_t block_chunks = 4;

}  // namespace

namespace shard_format {

std::string file_name(const std::string& split_name, std::int64_t index) {
    return fmt::format("{}-{:05}.h5", split_name, index);
}

std::string split_of(const std::string& name) {
    const std::size_t tail = std::string_view("-00000.h5").size();
    if (name.size() <= tail || !name.ends_with(".h5") || name[name.size() - tail] != '-') {
        return "";
    }
    for (std::size_t i = name.size() - tail + 1; i < name.size() - 3; ++i) {
        if (name[i] < '0' || name[i] > '9') {
            return "";
        }
    }
    return name.substr(0, name.size() - tail);
}

}  // namespace shard_format

ShardWriter::ShardWriter(const std::string& dir, const ShardHeader& header, const Place& place)
    : header_(header),
      place_(place),
      path_((std::filesystem::path(dir) / names::file_name(header.split, place.shard)).string()),
      file_(h5::File::create(path_)),
      narrow_{names::tokens},
      wide_{names::tokens},
      offsets_{names::doc_offsets},
      bytes_{names::doc_bytes},
      words_{names::doc_words} {
    if (header_.vocab_size <= names::most_narrow) {
        create(narrow_, place_.most_tokens);
    } else {
        create(wide_, place_.most_tokens);
    }
    create(offsets_, place_.documents + 1);
    create(bytes_, place_.documents);
    create(words_, place_.documents);
    put(offsets_, std::int64_t{0});
}

template <class T>
void ShardWriter::create(Column<T>& column, std::int64_t most) {
    file_.create_column(
        column.name, h5::type_of<T>, {},
        std::min<std::uint64_t>(chunk_bytes / sizeof(T), static_cast<std::uint64_t>(most)));
}

template <class T>
void ShardWriter::flush(Column<T>& column) {
    column.digest.add(column.values.data(), column.values.size() * sizeof(T));
    file_.append<T>(column.name, column.values);
    column.values.clear();
}

template <class T>
void ShardWriter::put(Column<T>& column, T value) {
    column.values.push_back(value);
    if (column.values.size() * sizeof(T) == block_chunks * chunk_bytes) {
        flush(column);
    }
}

void ShardWriter::put_token(std::int32_t id) {
    LRD_CHECK(id >= 0 && id < header_.vocab_size, "id {} of {}", id, header_.vocab_size);
    max_id_ = std::max(max_id_, id);
    ++written_.tokens;
    if (header_.vocab_size <= names::most_narrow) {
        put(narrow_, static_cast<std::uint16_t>(id));
    } else {
        put(wide_, id);
    }
}

void ShardWriter::add(std::span<const std::int32_t> ids) {
    for (const std::int32_t id : ids) {
        put_token(id);
    }
}

void ShardWriter::end_document(std::int64_t bytes, std::int64_t words) {
    put_token(header_.end_of_text);
    put(offsets_, written_.tokens);
    put(bytes_, bytes);
    put(words_, words);
    ++written_.documents;
    written_.bytes += bytes;
    written_.words += words;
}

void ShardWriter::write_attributes() {
    const auto put_attribute = [&](const char* key, const auto& value) {
        file_.set_attribute("/", key, value);
    };
    put_attribute(names::format_version, names::version);
    put_attribute(names::split, header_.split);
    put_attribute(names::document_rule, header_.document_rule);
    put_attribute(names::tokenizer_sha256, header_.tokenizer_sha256);
    put_attribute(names::vocab_size, header_.vocab_size);
    put_attribute(names::end_of_text, std::int64_t{header_.end_of_text});
    put_attribute(names::invalid_utf8, header_.replaced);
    put_attribute(names::unk_words, header_.unknown);
    put_attribute(names::n_documents, written_.documents);
    put_attribute(names::n_tokens, written_.tokens);
    put_attribute(names::max_id, std::int64_t{max_id_});
    put_attribute(names::bytes, written_.bytes);
    put_attribute(names::words, written_.words);
    put_attribute(names::bytes_per_token,
                  static_cast<double>(written_.bytes) / static_cast<double>(written_.tokens));
    put_attribute(names::shard, place_.shard);
    put_attribute(names::shards, place_.shards);
    put_attribute(names::digest, written_.digest);
}

ShardWriter::Written ShardWriter::finish() {
    LRD_CHECK(written_.documents == place_.documents, "{}: {} documents of {}", path_,
              written_.documents, place_.documents);
    Sha256 all;
    const auto finish_column = [&](auto& column) {
        flush(column);
        const std::string digest = column.digest.hex();
        all.add(digest.data(), digest.size());
    };
    if (header_.vocab_size <= names::most_narrow) {
        finish_column(narrow_);
    } else {
        finish_column(wide_);
    }
    finish_column(offsets_);
    finish_column(bytes_);
    finish_column(words_);
    written_.digest = all.hex();
    write_attributes();
    file_.close();
    fsync_path(path_);
    return written_;
}

}  // namespace lrd
