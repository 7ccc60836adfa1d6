// SPDX-License-Identifier: MIT
#include "data/corpus.hpp"

#include <algorithm>
#include <memory>

#include "core/check.hpp"
#include "data/records.hpp"
#include "io/decompress.hpp"

namespace lrd {

namespace {

constexpr std::int64_t part_bytes = std::int64_t{1} << 20;  // of a file, looked through at a time

struct Looked {
    std::int64_t source;
    FileFacts facts;
    FileStamp stamp;
    char hash[32];
    bool expanded;
};

}  // namespace

/// A part of a file, whose documents are found together.
struct Corpus::Part {
    std::int64_t source, begin, end;
};

std::vector<TextSource> sources_of(const CorpusOptions& options) {
    std::vector<TextSource> sources;
    const auto add = [&](const std::string& name, std::int64_t split) {
        sources.push_back(
            {.name = name, .path = name, .split = split, .facts = {}, .stamp = {}, .hash = {}});
    };
    for (const std::string& name : options.text) {
        add(name, 0);
    }
    for (std::size_t s = 1; s < options.aims.size(); ++s) {
        if (!options.aims[s].file.empty()) {
            add(options.aims[s].file, static_cast<std::int64_t>(s));
        }
    }
    return sources;
}

Corpus::Corpus(const Team& team, CorpusOptions options, std::string scratch)
    : team_(&team),
      options_(std::move(options)),
      scratch_(std::move(scratch)),
      sources_(sources_of(options_)) {}

std::string Corpus::expanded_path(std::size_t source) const {
    return fmt::format("{}/text-{}", scratch_, source);
}

/// Fills in sources_[i] on this rank.
void Corpus::look_at_source(std::size_t i) {
    TextSource& source = sources_[i];
    source.stamp = settled_stamp_of(source.name);
    source.hash = xxh3_file(source.name);
    if (const Compression compression = compression_of(source.name);
        compression != Compression::none) {
        source.path = expanded_path(i);
        ByteWriter plain(source.path);
        decompress(source.name, compression,
                   [&](std::string_view block) { plain.add(block.data(), block.size()); });
        plain.close();
    }
    const bool single_fraction =
        source.split == 0 && options_.text.size() == 1 &&
        std::any_of(options_.aims.begin(), options_.aims.end(),
                    [](const SplitAim& aim) { return aim.fraction > 0.0; });
    ByteReader file(source.path);
    source.facts = look_at(file, options_.rule, single_fraction);
}

void Corpus::look() {
    std::vector<std::int64_t> sizes;
    team_->on_all([&] {
        for (const TextSource& source : sources_) {
            sizes.push_back(stamp_of(source.name).size);
        }
    });
    std::vector<std::vector<Looked>> looked(static_cast<std::size_t>(team_->threads()));
    team_->run("look", sizes, [&](std::size_t i, int thread) {
        look_at_source(i);
        const TextSource& source = sources_[i];
        Looked one{static_cast<std::int64_t>(i),
                   source.facts,
                   source.stamp,
                   {},
                   source.path != source.name};
        source.hash.copy(one.hash, sizeof one.hash);
        looked[static_cast<std::size_t>(thread)].push_back(one);
    });
    std::string mine;
    for (const std::vector<Looked>& one : looked) {
        mine += bytes_of(one);
    }
    for (const Looked& one : records_of<Looked>(team_->share(mine))) {
        const auto i = static_cast<std::size_t>(one.source);
        sources_[i].facts = one.facts;
        sources_[i].stamp = one.stamp;
        sources_[i].hash.assign(one.hash, sizeof one.hash);
        sources_[i].path = one.expanded ? expanded_path(i) : sources_[i].name;
    }
}

std::vector<Corpus::Part> Corpus::parts_of_sources() const {
    std::vector<Part> parts;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        const FileFacts& facts = sources_[i].facts;
        const std::int64_t step = facts.rule == DocumentRule::file ? facts.size : part_bytes;
        for (std::int64_t at = 0; at < facts.size; at += step) {
            parts.push_back({static_cast<std::int64_t>(i), at, std::min(at + step, facts.size)});
        }
    }
    return parts;
}

void Corpus::scan() {
    const std::vector<Part> parts = parts_of_sources();
    std::vector<std::int64_t> sizes;
    for (const Part& part : parts) {
        sizes.push_back(part.end - part.begin);
    }
    struct Worker {
        DocumentReader lines, text;  // two windows: one runs ahead
        DocumentList list;
        std::vector<ListPart> parts;
    };
    std::vector<std::unique_ptr<Worker>> workers(static_cast<std::size_t>(team_->threads()));
    const int rank = team_->rank();
    team_->run("scan", sizes, [&](std::size_t i, int thread) {
        std::unique_ptr<Worker>& worker = workers[static_cast<std::size_t>(thread)];
        if (worker == nullptr) {
            worker.reset(
                new Worker{DocumentReader(sources_, options_.json_key),
                           DocumentReader(sources_, options_.json_key),
                           DocumentList(ScannedDocuments::list_path(scratch_, rank, thread)),
                           {}});
        }
        const Part& part = parts[i];
        const std::int64_t first = worker->list.size();
        const FileFacts& facts = sources_[static_cast<std::size_t>(part.source)].facts;
        find_documents(worker->lines.file(part.source), facts, part.begin, part.end,
                       [&](std::int64_t begin, std::int64_t end) {
                           worker->list.add(worker->text.measure(part.source, begin, end));
                       });
        worker->parts.push_back(
            {static_cast<std::int64_t>(i), rank, thread, first, worker->list.size() - first});
    });
    std::string mine;
    team_->on_all([&] {
        for (const std::unique_ptr<Worker>& worker : workers) {
            if (worker != nullptr) {
                worker->list.close();
                mine += bytes_of(worker->parts);
            }
        }
    });
    documents_ = {scratch_, records_of<ListPart>(team_->world().gather(mine, 0))};
    std::sort(documents_.parts.begin(), documents_.parts.end(),
              [](const ListPart& a, const ListPart& b) { return a.unit < b.unit; });
}

std::string Corpus::rule_of(std::int64_t split) const {
    return lrd::rule_of(options_.aims, sources_, split);
}

void Corpus::divide() {
    std::string bytes;
    team_->on_first([&] {
        DocumentReader reader(sources_, options_.json_key);
        plan_ = plan_splits(options_.aims, sources_, documents_, options_.dedup, reader, scratch_);
        bytes = plan_.to_bytes();
    });
    team_->broadcast(bytes);
    plan_ = SplitPlan::from_bytes(bytes, options_.aims.size());
}

}  // namespace lrd
