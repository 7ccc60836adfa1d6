// SPDX-License-Identifier: MIT
#include "commands/prepare.hpp"

#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <new>
#include <optional>

#include "core/check.hpp"
#include "core/log.hpp"
#include "data/bpe_trainer.hpp"
#include "data/documents.hpp"
#include "data/shard_writer.hpp"
#include "data/tokenizer.hpp"
#include "io/publish.hpp"

namespace lrd {

namespace {

namespace fs = std::filesystem;

constexpr const char* tokenizer_folder = "tokenizer";

std::int64_t vocabulary_of(const std::string& tokenizer) {
    constexpr std::string_view prefix = "train:";
    std::int64_t size = 0;
    if (tokenizer.starts_with(prefix)) {
        const char* end = tokenizer.data() + tokenizer.size();
        const auto [stopped, error] = std::from_chars(tokenizer.data() + prefix.size(), end, size);
        if (error == std::errc{} && stopped == end) {
            return size;
        }
    }
    fail(ExitCode::usage,
         "--tokenizer \"{}\": expected train:V with the size of the vocabulary, "
         "train:8192 for instance",
         tokenizer);
}

std::vector<SplitRequest> requests_of(const PrepareOptions& options) {
    std::vector<SplitRequest> requests;
    for (const auto& [name, value] : {std::pair("val", options.val), {"test", options.test}}) {
        if (!value.empty()) {
            requests.push_back({name, value});
        }
    }
    for (const auto& [name, value] : options.splits) {
        requests.push_back({name, value});
    }
    return requests;
}

/// "" if everything in `out` could come from an earlier prepare, else a name that could not.
std::string foreign_entry(const fs::path& out) {
    for (const auto& entry : fs::directory_iterator(out)) {
        const std::string name = entry.path().filename().string();
        if (shard_format::split_of(name).empty() && name != tokenizer_folder) {
            return name;
        }
    }
    return "";
}

/// Refuses an output folder before any work is done for it.
void check_out(const fs::path& out, bool overwrite) {
    if (!fs::exists(out)) {
        return;
    }
    if (!fs::is_directory(out)) {
        fail(ExitCode::busy, "--out {}: there is a file of this name; choose another folder",
             out.string());
    }
    const std::string foreign = foreign_entry(out);
    if (!foreign.empty()) {
        fail(ExitCode::busy,
             "--out {}: the folder holds {}, which is no token file; choose a new folder",
             out.string(), foreign);
    }
    if (!overwrite && !fs::is_empty(out)) {
        fail(ExitCode::busy,
             "--out {}: the folder holds token files already; choose another, or replace them with "
             "--overwrite",
             out.string());
    }
}

/// A folder beside the final one, removed unless it was published.
class HiddenFolder {
public:
    explicit HiddenFolder(const fs::path& out) : out_(out), path_(beside("tmp")) {
        make_directories(path_.string());
    }
    ~HiddenFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    HiddenFolder(const HiddenFolder&) = delete;
    HiddenFolder& operator=(const HiddenFolder&) = delete;

    const fs::path& path() const { return path_; }

    void publish() {
        if (!fs::exists(out_) || fs::is_empty(out_)) {
            publish_directory(path_.string(), out_.string());
            return;
        }
        const fs::path old = beside("old");
        publish_directory(out_.string(), old.string());
        try {
            publish_directory(path_.string(), out_.string());
        } catch (...) {
            publish_directory(old.string(), out_.string());
            throw;
        }
        fs::remove_all(old);
    }

private:
    fs::path beside(const char* what) const {
        return out_.parent_path() /
               fmt::format(".{}-{}-{}", what, out_.filename().string(), ::getpid());
    }

    fs::path out_, path_;
};

void print_heading() {
    log::info("{:<10} {:>10} {:>13} {:>12} {:>12} {:>12} {:>7}", "split", "documents", "bytes",
              "words", "tokens", "bytes/token", "shards");
}

void print_totals(const std::string& name, const SplitTotals& totals) {
    log::info("{:<10} {:>10} {:>13} {:>12} {:>12} {:>12.3f} {:>7}", name, totals.documents,
              totals.bytes, totals.words, totals.tokens,
              static_cast<double>(totals.bytes) / static_cast<double>(totals.tokens),
              totals.shards);
}

Tokenizer train_tokenizer(const Split& train, std::int64_t vocab_size) {
    const double start = log::now();
    BpeTrainer trainer;
    for (const std::string_view document : train.documents) {
        trainer.add(document);
    }
    Tokenizer tokenizer = trainer.train(vocab_size);
    log::info("tokenizer: {} tokens learnt from split train ({} rule) in {}", vocab_size,
              train.rule, log::duration(log::now() - start));
    return tokenizer;
}

SplitTotals write_split(const Split& split, const ShardHeader& header, Encoder& encoder,
                        const fs::path& dir) {
    ShardWriter writer(dir.string(), header);
    log::Progress progress("encode " + split.name, static_cast<double>(split.bytes));
    std::vector<std::int32_t> ids;
    std::int64_t done = 0;
    for (const std::string_view document : split.documents) {
        ids.clear();
        encoder.encode(document, ids);
        const auto bytes = static_cast<std::int64_t>(document.size());
        writer.add(ids, bytes, count_words(document));
        done += bytes;
        progress.update(static_cast<double>(done));
    }
    return writer.finish();
}

void prepare_alone(const PrepareOptions& options) {
    const std::int64_t vocab_size = vocabulary_of(options.tokenizer);
    if (options.out.empty()) {
        fail(ExitCode::usage, "no output: name a folder with --out");
    }
    // Without a trailing slash, which would make the folder its own parent.
    const fs::path named = fs::absolute(options.out).lexically_normal();
    const fs::path out = named.filename().empty() ? named.parent_path() : named;
    check_out(out, options.overwrite);
    const Corpus corpus(options.text, document_rule(options.documents), requests_of(options));
    if (corpus.replaced() > 0) {
        log::warning("invalid UTF-8 at {} places became U+FFFD", corpus.replaced());
    }
    HiddenFolder folder(out);
    const Tokenizer tokenizer = train_tokenizer(corpus.splits().front(), vocab_size);
    make_directories((folder.path() / tokenizer_folder).string());
    tokenizer.save(folder.path() / tokenizer_folder);
    fsync_path((folder.path() / tokenizer_folder).string());

    const std::string digest = tokenizer.sha256();
    Encoder encoder(tokenizer);
    std::vector<SplitTotals> totals;
    for (const Split& split : corpus.splits()) {
        const ShardHeader header{.split = split.name,
                                 .document_rule = split.rule,
                                 .tokenizer_sha256 = digest,
                                 .vocab_size = tokenizer.vocab_size(),
                                 .end_of_text = tokenizer.end_of_text(),
                                 .replaced = corpus.replaced()};
        totals.push_back(write_split(split, header, encoder, folder.path()));
    }
    folder.publish();
    print_heading();
    for (std::size_t i = 0; i < totals.size(); ++i) {
        print_totals(corpus.splits()[i].name, totals[i]);
    }
    log::info("written to {}", options.out);
}

}  // namespace

int prepare(const PrepareOptions& options, Communicator& world) {
    std::optional<Error> error;
    if (world.rank() == 0) {
        try {
            prepare_alone(options);
        } catch (const Error& one) {
            error = one;
        } catch (const std::bad_alloc&) {
            error = Error(ExitCode::out_of_memory,
                          "prepare: no memory left; the text has to fit in memory");
        } catch (const std::exception& one) {
            error = Error(ExitCode::io, fmt::format("prepare: {}", one.what()));
        }
    }
    // One byte of exit code before the sentence: the other ranks leave with the same error.
    std::string news;
    if (error) {
        news = static_cast<char>(error->code()) + std::string(error->what());
    }
    world.broadcast(news, 0);
    if (!news.empty()) {
        throw Error(static_cast<ExitCode>(news[0]), news.substr(1));
    }
    return static_cast<int>(ExitCode::done);
}

}  // namespace lrd
