// SPDX-License-Identifier: MIT
#include "commands/prepare.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>
#include <optional>

#include "commands/threads.hpp"
#include "core/check.hpp"
#include "core/log.hpp"
#include "data/bpe_trainer.hpp"
#include "data/corpus.hpp"
#include "data/prepare_manifest.hpp"
#include "io/hdf5.hpp"
#include "io/publish.hpp"
#include "io/work_folder.hpp"

namespace lrd {

namespace {

namespace fs = std::filesystem;

constexpr const char* tokenizer_folder = "tokenizer";

/// V of "train:V"; 0 for a folder.
std::int64_t vocabulary_of(const std::string& tokenizer) {
    constexpr std::string_view prefix = "train:";
    std::int64_t size = 0;
    const char* end = tokenizer.data() + tokenizer.size();
    if (tokenizer.starts_with(prefix)) {
        const auto [stopped, error] = std::from_chars(tokenizer.data() + prefix.size(), end, size);
        if (error == std::errc{} && stopped == end && size > 0) {
            return size;
        }
    } else if (fs::is_directory(tokenizer)) {
        return 0;
    }
    const bool trained = tokenizer.starts_with(prefix);
    fail(trained ? ExitCode::usage : ExitCode::missing_input,
         "--tokenizer \"{}\": {}expected train:V with the size of the vocabulary, train:8192 for "
         "instance, or a folder with vocab.json and merges.txt",
         tokenizer, trained ? "" : "there is no such folder; ");
}

/// Before the text is read, which may take hours.
void check_tokenizer(const std::string& wanted) {
    if (const std::int64_t size = vocabulary_of(wanted); size > 0) {
        BpeTrainer::check_size(size);
    } else {
        Tokenizer::load(wanted);
    }
}

CorpusOptions corpus_options(const PrepareOptions& options) {
    if (options.text.empty()) {
        fail(ExitCode::usage, "no text: name its files with --text");
    }
    std::vector<SplitRequest> requests;
    for (const auto& [name, value] : {std::pair("val", options.val), {"test", options.test}}) {
        if (!value.empty()) {
            requests.push_back({name, value});
        }
    }
    for (const auto& [name, value] : options.splits) {
        requests.push_back({name, value});
    }
    return {options.text, document_rule(options.documents), options.json_key, split_aims(requests),
            options.dedup};
}

fs::path out_path(const std::string& out) {
    if (out.empty()) {
        fail(ExitCode::usage, "no output: name a folder with --out");
    }
    return WorkFolder::place_of(out);
}

/// Whether prepare writes files of this name and kind.
bool is_ours(const fs::path& path) {
    const std::string name = path.filename().string();
    if (name == tokenizer_folder) {
        return std::all_of(fs::directory_iterator(path), fs::directory_iterator(),
                           [](const auto& entry) {
                               const std::string file = entry.path().filename().string();
                               return file == "vocab.json" || file == "merges.txt";
                           });
    }
    if (shard_format::split_of(name).empty()) {
        return name == shard_format::manifest;
    }
    try {
        return h5::File::open(path.string()).has_attribute("/", shard_format::tokenizer_sha256);
    } catch (const Error&) {  // damaged, in a folder that prepare made; else of somebody
        return PrepareManifest::is_in(path.parent_path().string());
    }
}

/// "" if everything in `out` could come from an earlier prepare, else a name that could not.
std::string foreign_entry(const fs::path& out) {
    for (const auto& entry : fs::directory_iterator(out)) {
        if (!is_ours(entry.path())) {
            return entry.path().filename().string();
        }
    }
    return "";
}

/// Refuses an output folder that must not be touched. True if it is just what would be made.
bool is_made(const fs::path& out, const PrepareOptions& options, const CorpusOptions& corpus) {
    if (!fs::exists(out)) {
        return false;
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
    if (options.overwrite || fs::is_empty(out)) {
        return false;
    }
    std::string difference = fmt::format("it has no {}", shard_format::manifest);
    std::optional<PrepareManifest> manifest;
    if (PrepareManifest::is_in(out.string())) {
        manifest.emplace(PrepareManifest::read(out.string()));
        const bool given = vocabulary_of(options.tokenizer) == 0;
        difference = manifest->difference(corpus, given ? "given" : options.tokenizer,
                                          given ? Tokenizer::load(options.tokenizer).sha256() : "");
        difference = difference.empty() ? manifest->missing_output(out.string()) : difference;
    }
    if (!difference.empty()) {
        fail(ExitCode::busy,
             "--out {}: the folder holds other token files: {}; choose another folder, or replace "
             "them with --overwrite",
             out.string(), difference);
    }
    return true;
}

void print_table(const PrepareManifest& manifest) {
    log::info("{:<10} {:>10} {:>13} {:>12} {:>12} {:>12} {:>7}", "split", "documents", "bytes",
              "words", "tokens", "bytes/token", "shards");
    TextSizes all;
    std::int64_t duplicates = 0;
    for (const PrepareManifest::Total& total : manifest.totals()) {
        log::info("{:<10} {:>10} {:>13} {:>12} {:>12} {:>12.3f} {:>7}", total.split,
                  total.documents, total.sizes.bytes, total.sizes.words, total.tokens,
                  static_cast<double>(total.sizes.bytes) / static_cast<double>(total.tokens),
                  total.shards);
        all += total.sizes;
        duplicates += total.duplicates;
    }
    log::info("tokens include one end-of-text token per document; words include line ends");
    if (all.unknown > 0) {
        log::info("{} words are \"<unk>\", kept as ordinary text", all.unknown);
    }
    if (duplicates > 0) {
        log::info("{} documents that equal another were left out (--dedup)", duplicates);
    }
    if (all.replaced > 0) {
        log::warning("invalid UTF-8 at {} places became U+FFFD", all.replaced);
    }
}

Tokenizer make_tokenizer(const Team& team, Corpus& corpus, const std::string& wanted) {
    const std::int64_t vocab_size = vocabulary_of(wanted);
    if (vocab_size > 0) {
        const double start = log::now();
        Tokenizer tokenizer = corpus.train_tokenizer(vocab_size);
        log::info("tokenizer: {} tokens learnt from split train ({} rule) in {}", vocab_size,
                  corpus.rule_of(0), log::duration(log::now() - start));
        return tokenizer;
    }
    std::optional<Tokenizer> tokenizer;
    team.on_all([&] { tokenizer.emplace(Tokenizer::load(wanted)); });
    return std::move(*tokenizer);
}

/// Text → `work->result()`; `work` is rank 0's, `folder` the path of it.
void make(const Team& team, const PrepareOptions& options, const CorpusOptions& corpus_options,
          const std::string& folder, WorkFolder* work) {
    const std::string result = folder + "/result";
    Corpus corpus(team, corpus_options, folder + "/scratch");
    corpus.look();
    corpus.scan();
    corpus.divide();
    const Tokenizer tokenizer = make_tokenizer(team, corpus, options.tokenizer);
    const auto shards = corpus.encode(tokenizer, result);
    team.on_first([&] {
        corpus.check_unchanged();
        const std::string tokens = result + "/" + tokenizer_folder;
        make_directories(tokens);
        tokenizer.save(tokens);
        fsync_path(tokens);
        const bool given = vocabulary_of(options.tokenizer) == 0;
        const auto manifest = PrepareManifest::of(
            corpus, shards, given ? "given" : options.tokenizer, tokenizer.sha256(), result);
        manifest.write(result);
        fs::remove(result + "/" + shard_format::unfinished);
        work->publish();
        print_table(manifest);
        log::info("written to {}", options.out);
    });
}

}  // namespace

int prepare(const PrepareOptions& options, Communicator& world) {
    const Team team(world, static_cast<int>(set_threads(options.threads, world)));
    CorpusOptions corpus;
    fs::path out;
    team.on_all([&] {
        vocabulary_of(options.tokenizer);
        corpus = corpus_options(options);
        out = out_path(options.out);
    });
    std::unique_ptr<WorkFolder> work;  // rank 0's
    std::string folder;
    team.on_first([&] {
        check_tokenizer(options.tokenizer);
        if (is_made(out, options, corpus)) {
            WorkFolder::remove_stale(out.string());
            print_table(PrepareManifest::read(out.string()));
            log::info("{} is up to date: nothing to do", options.out);
            return;
        }
        work = std::make_unique<WorkFolder>(out.string());
        folder = work->path();
        write_text_and_fsync(work->result() + "/" + shard_format::unfinished, "");
    });
    team.broadcast(folder);
    if (!folder.empty()) {
        make(team, options, corpus, folder, work.get());
    }
    return static_cast<int>(ExitCode::done);
}

}  // namespace lrd
