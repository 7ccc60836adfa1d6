// SPDX-License-Identifier: MIT
// The passes of a corpus that deal in tokens.
#include <algorithm>
#include <memory>
#include <optional>

#include "core/check.hpp"
#include "data/bpe_trainer.hpp"
#include "data/corpus.hpp"
#include "data/records.hpp"
#include "data/shard_writer.hpp"
#include "io/publish.hpp"

namespace lrd {

namespace {

using UsePart = std::function<void(std::string_view)>;
using UseEnd = std::function<void(const Document&)>;

/// The documents of a shard: their text in parts (read_in_parts), and each one's end.
void read_shard(DocumentReader& reader, const std::string& scratch, const ShardPlan& shard,
                const UsePart& use, const UseEnd& end) {
    for_each_document(SplitPlan::list_path(scratch, shard.split), shard.first, shard.documents,
                      [&](const Document& document) {
                          if (read_in_parts(reader, document, use) != document.sizes.bytes) {
                              fail(ExitCode::bad_data,
                                   "{}: changed while it was read; call the command again",
                                   reader.file(document.source).path());
                          }
                          end(document);
                      });
}

std::string pieces_path(const std::string& scratch, int rank) {
    return fmt::format("{}/pieces-{}", scratch, rank);
}

/// Pieces of a rank and their counts: length, bytes, count.
void write_pieces(const BpeTrainer& trainer, const std::string& path) {
    ByteWriter file(path);
    trainer.for_each_piece([&](std::string_view piece, std::int64_t count) {
        const std::int64_t head[2] = {std::ssize(piece), count};
        file.add(head, sizeof head);
        file.add(piece.data(), piece.size());
    });
    file.close();
}

void read_pieces(BpeTrainer& trainer, const std::string& path) {
    ByteReader file(path);
    std::string piece;
    for (std::int64_t at = 0; at < file.size();) {
        std::int64_t head[2];
        file.at(at).copy(reinterpret_cast<char*>(head), sizeof head);
        at += static_cast<std::int64_t>(sizeof head);
        piece.resize(static_cast<std::size_t>(head[0]));
        for (std::size_t done = 0; done < piece.size();) {
            const std::string_view block = file.at(at);
            const std::size_t n = block.copy(piece.data() + done, piece.size() - done);
            done += n;
            at += static_cast<std::int64_t>(n);
        }
        trainer.add_counts(piece, head[1]);
    }
}

}  // namespace

std::vector<std::int64_t> Corpus::shard_sizes() const {
    std::vector<std::int64_t> sizes;
    for (const ShardPlan& shard : plan_.shards) {
        sizes.push_back(shard.sizes.bytes);
    }
    return sizes;
}

/// Adds up what the threads of all ranks have counted, on rank 0.
void Corpus::merge_pieces(std::vector<std::unique_ptr<BpeTrainer>>& trainers) {
    team_->on_all([&] {
        for (std::size_t t = 1; t < trainers.size(); ++t) {
            trainers[t]->for_each_piece([&](std::string_view piece, std::int64_t count) {
                trainers[0]->add_counts(piece, count);
            });
            trainers[t].reset();
        }
        if (team_->rank() > 0) {
            write_pieces(*trainers[0], pieces_path(scratch_, team_->rank()));
            trainers[0].reset();
        }
    });
    team_->on_first([&] {
        for (int rank = 1; rank < team_->world().size(); ++rank) {
            read_pieces(*trainers[0], pieces_path(scratch_, rank));
        }
    });
}

Tokenizer Corpus::train_tokenizer(std::int64_t vocab_size) {
    std::vector<std::unique_ptr<BpeTrainer>> trainers;
    std::vector<std::unique_ptr<DocumentReader>> readers;
    for (int thread = 0; thread < team_->threads(); ++thread) {
        trainers.push_back(std::make_unique<BpeTrainer>());
        readers.push_back(std::make_unique<DocumentReader>(sources_, options_.json_key));
    }
    std::vector<std::int64_t> sizes = shard_sizes();
    std::erase_if(sizes, [&, i = std::size_t{0}](std::int64_t) mutable {
        return plan_.shards[i++].split != 0;
    });
    team_->run("count", sizes, [&](std::size_t i, int thread) {  // those of train come first
        const auto t = static_cast<std::size_t>(thread);
        read_shard(
            *readers[t], scratch_, plan_.shards[i],
            [&](std::string_view part) { trainers[t]->add(part); }, [](const Document&) {});
    });
    merge_pieces(trainers);
    const std::string dir = scratch_ + "/tokenizer";
    team_->on_first([&] {
        make_directories(dir);
        trainers[0]->train(vocab_size).save(dir);
    });
    std::optional<Tokenizer> tokenizer;
    team_->on_all([&] { tokenizer.emplace(Tokenizer::load(dir)); });
    return std::move(*tokenizer);
}

/// Encodes one shard; returns what was written.
Corpus::Shard Corpus::encode_shard(std::size_t i, Encoder& encoder, DocumentReader& reader,
                                   const ShardHeader& common, const std::string& dir) const {
    const ShardPlan& plan = plan_.shards[i];
    ShardHeader header = common;
    header.split = options_.aims[static_cast<std::size_t>(plan.split)].name;
    header.document_rule = rule_of(plan.split);
    header.replaced = plan.sizes.replaced;
    header.unknown = plan.sizes.unknown;
    ShardWriter writer(dir, header,
                       {.shard = plan.shard,
                        .shards = plan.shards,
                        .documents = plan.documents,
                        .most_tokens = plan.sizes.bytes + plan.documents});
    std::vector<std::int32_t> ids;
    read_shard(
        reader, scratch_, plan,
        [&](std::string_view part) {
            ids.clear();
            encoder.encode(part, ids);
            writer.add(ids);
        },
        [&](const Document& document) {
            writer.end_document(document.sizes.bytes, document.sizes.words);
        });
    const ShardWriter::Written written = writer.finish();
    Shard shard;
    shard.plan = static_cast<std::int64_t>(i);
    shard.tokens = written.tokens;
    written.digest.copy(shard.digest, sizeof shard.digest);
    return shard;
}

std::vector<Corpus::Shard> Corpus::encode(const Tokenizer& tokenizer, const std::string& dir) {
    ShardHeader common;
    common.tokenizer_sha256 = tokenizer.sha256();
    common.vocab_size = tokenizer.vocab_size();
    common.end_of_text = tokenizer.end_of_text();
    std::vector<std::unique_ptr<Encoder>> encoders;
    std::vector<std::unique_ptr<DocumentReader>> readers;
    for (int thread = 0; thread < team_->threads(); ++thread) {
        encoders.push_back(std::make_unique<Encoder>(tokenizer));
        readers.push_back(std::make_unique<DocumentReader>(sources_, options_.json_key));
    }
    std::vector<std::vector<Shard>> done(encoders.size());
    team_->run("encode", shard_sizes(), [&](std::size_t i, int thread) {
        const auto t = static_cast<std::size_t>(thread);
        done[t].push_back(encode_shard(i, *encoders[t], *readers[t], common, dir));
    });
    std::vector<Shard> mine;
    for (const std::vector<Shard>& one : done) {
        mine.insert(mine.end(), one.begin(), one.end());
    }
    std::vector<Shard> all = records_of<Shard>(team_->share(bytes_of(mine)));
    std::sort(all.begin(), all.end(),
              [](const Shard& a, const Shard& b) { return a.plan < b.plan; });
    return all;
}

void Corpus::check_unchanged() const {
    for (const TextSource& source : sources_) {
        const FileStamp now = stamp_of(source.name);  // a chmod or a link is no other text
        if (now.size != source.stamp.size || now.mtime_ns != source.stamp.mtime_ns) {
            fail(ExitCode::bad_data, "{}: changed while it was read; call the command again",
                 source.name);
        }
    }
}

}  // namespace lrd
