// SPDX-License-Identifier: MIT
#include "data/prepare_manifest.hpp"

#include <algorithm>
#include <filesystem>

#include "core/check.hpp"
#include "data/shard_format.hpp"
#include "io/publish.hpp"

namespace lrd {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t version = 1;

Json options_json(const CorpusOptions& options, const std::string& tokenizer) {
    std::string splits;
    for (const SplitAim& aim : options.aims) {
        if (!aim.file.empty() || aim.fraction > 0.0) {
            splits += fmt::format("{}{}={}", splits.empty() ? "" : " ", aim.name,
                                  aim.file.empty() ? fmt::format("{}", aim.fraction) : "a file");
        }
    }
    return Json::object({{"tokenizer", tokenizer},
                         {"documents", name_of(options.rule)},
                         {"json_key", options.rule == DocumentRule::jsonl ? options.json_key : ""},
                         {"dedup", options.dedup},
                         {"split", splits}});
}

Json inputs_json(const Corpus& corpus) {
    Json inputs = Json::array();
    for (const TextSource& source : corpus.sources()) {
        inputs.push(Json::object(
            {{"file", source.name},
             {"split", corpus.options().aims[static_cast<std::size_t>(source.split)].name},
             {"rule", name_of(source.facts.rule)},
             {"size", source.stamp.size},
             {"mtime_ns", source.stamp.mtime_ns},
             {"ctime_ns", source.stamp.ctime_ns},
             {"xxh3", source.hash}}));
    }
    return inputs;
}

Json outputs_json(const Corpus& corpus, const std::vector<Corpus::Shard>& shards,
                  const std::string& dir) {
    Json outputs = Json::array();
    const auto add = [&](const std::string& name, const std::string& digest) {
        Json one = Json::object(
            {{"file", name},
             {"size", static_cast<std::int64_t>(fs::file_size(fs::path(dir) / name))}});
        if (!digest.empty()) {
            one["sha256"] = digest;
        }
        outputs.push(one);
    };
    for (const Corpus::Shard& shard : shards) {
        const ShardPlan& plan = corpus.plan().shards[static_cast<std::size_t>(shard.plan)];
        const std::string& split = corpus.options().aims[static_cast<std::size_t>(plan.split)].name;
        add(shard_format::file_name(split, plan.shard),
            std::string(shard.digest, sizeof shard.digest));
    }
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(fs::path(dir) / "tokenizer")) {
        files.push_back("tokenizer/" + entry.path().filename().string());
    }
    std::sort(files.begin(), files.end());
    for (const std::string& name : files) {
        add(name, "");
    }
    return outputs;
}

Json splits_json(const Corpus& corpus, const std::vector<Corpus::Shard>& shards) {
    const auto& aims = corpus.options().aims;
    std::vector<std::int64_t> tokens(aims.size(), 0);
    std::vector<std::int64_t> count(aims.size(), 0);
    for (const Corpus::Shard& shard : shards) {
        const ShardPlan& plan = corpus.plan().shards[static_cast<std::size_t>(shard.plan)];
        tokens[static_cast<std::size_t>(plan.split)] += shard.tokens;
        count[static_cast<std::size_t>(plan.split)] = plan.shards;
    }
    Json splits = Json::array();
    for (std::size_t s = 0; s < aims.size(); ++s) {
        const SplitTotal& total = corpus.plan().splits[s];
        splits.push(Json::object({{"name", aims[s].name},
                                  {"rule", corpus.rule_of(static_cast<std::int64_t>(s))},
                                  {"documents", total.documents},
                                  {"duplicates", total.duplicates},
                                  {"bytes", total.sizes.bytes},
                                  {"words", total.sizes.words},
                                  {"tokens", tokens[s]},
                                  {"shards", count[s]},
                                  {"invalid_utf8", total.sizes.replaced},
                                  {"unk_words", total.sizes.unknown}}));
    }
    return splits;
}

/// Which option differs, with both values.
std::string option_difference(const Json& was, const Json& is) {
    for (const auto& [key, value] : is.as_object()) {
        const Json* before = was.find(key);
        if (before == nullptr || !(*before == value)) {
            std::string flag = key;
            std::replace(flag.begin(), flag.end(), '_', '-');
            return fmt::format("--{} is {} now and was {}", flag, value.dump(),
                               before == nullptr ? "not recorded" : before->dump());
        }
    }
    return "";
}

bool same_file(const Json& was, const TextSource& source) {
    const FileStamp stamp = stamp_of(source.name);
    if (was.at("size").as_int() != stamp.size) {
        return false;
    }
    const bool same_time =
        was.at("mtime_ns").as_int() == stamp.mtime_ns && was.find("ctime_ns") != nullptr &&
        was.at("ctime_ns").as_int() == stamp.ctime_ns && was.at("file").as_string() == source.name;
    return same_time || was.at("xxh3").as_string() == xxh3_file(source.name);
}

}  // namespace

PrepareManifest PrepareManifest::of(const Corpus& corpus, const std::vector<Corpus::Shard>& shards,
                                    const std::string& tokenizer,
                                    const std::string& tokenizer_sha256, const std::string& dir) {
    return PrepareManifest(Json::object({{"format_version", version},
                                         {"options", options_json(corpus.options(), tokenizer)},
                                         {"tokenizer_sha256", tokenizer_sha256},
                                         {"inputs", inputs_json(corpus)},
                                         {"splits", splits_json(corpus, shards)},
                                         {"outputs", outputs_json(corpus, shards, dir)}}));
}

bool PrepareManifest::is_in(const std::string& dir) {
    return fs::exists(fs::path(dir) / shard_format::manifest);
}

PrepareManifest PrepareManifest::read(const std::string& dir) {
    const std::string path = (fs::path(dir) / shard_format::manifest).string();
    Json json = Json::parse(read_text(path), path);
    const Json* format = json.is_object() ? json.find("format_version") : nullptr;
    if (format == nullptr || !format->is_int()) {
        fail(ExitCode::bad_data, "{}: is not of lrd; make the folder again with --overwrite", path);
    }
    if (format->as_int() > version) {
        fail(ExitCode::bad_data,
             "{}: format_version is {}, and this lrd knows {}: use a newer lrd, or replace the "
             "folder with --overwrite",
             path, format->as_int(), version);
    }
    PrepareManifest manifest(std::move(json));
    try {
        manifest.check_members();
    } catch (const Error& error) {
        fail(ExitCode::bad_data, "{}: is damaged ({}); make the folder again with --overwrite",
             path, error.what());
    }
    return manifest;
}

/// Throws if something that is read later is not there.
void PrepareManifest::check_members() const {
    totals();
    json_.at("options").as_object();
    json_.at("tokenizer_sha256").as_string();
    for (const Json& input : json_.at("inputs").as_array()) {
        input.at("file").as_string();
        input.at("size").as_int();
        input.at("mtime_ns").as_int();
        if (const Json* changed = input.find("ctime_ns")) {
            changed->as_int();
        }
        input.at("xxh3").as_string();
    }
    for (const Json& output : json_.at("outputs").as_array()) {
        output.at("file").as_string();
        output.at("size").as_int();
    }
}

void PrepareManifest::write(const std::string& dir) const {
    publish_text((fs::path(dir) / shard_format::manifest).string(), json_.dump(2) + "\n");
}

std::string PrepareManifest::difference(const CorpusOptions& options, const std::string& tokenizer,
                                        const std::string& tokenizer_sha256) const {
    const std::string option =
        option_difference(json_.at("options"), options_json(options, tokenizer));
    if (!option.empty()) {
        return option;
    }
    const std::string& digest = json_.at("tokenizer_sha256").as_string();
    if (!tokenizer_sha256.empty() && tokenizer_sha256 != digest) {
        return fmt::format("the tokenizer is {:.12}… now and was {:.12}…", tokenizer_sha256,
                           digest);
    }
    const std::vector<TextSource> sources = sources_of(options);
    const Json::Array& inputs = json_.at("inputs").as_array();
    if (inputs.size() != sources.size()) {
        return fmt::format("there are {} files of text now and were {}", sources.size(),
                           inputs.size());
    }
    for (std::size_t i = 0; i < sources.size(); ++i) {
        if (!same_file(inputs[i], sources[i])) {
            const std::string& was = inputs[i].at("file").as_string();
            return fmt::format("{} has other contents than {}", sources[i].name,
                               was == sources[i].name ? "before" : was + " had");
        }
    }
    return "";
}

std::string PrepareManifest::missing_output(const std::string& dir) const {
    for (const Json& output : json_.at("outputs").as_array()) {
        const fs::path path = fs::path(dir) / output.at("file").as_string();
        std::error_code error;
        const auto size = static_cast<std::int64_t>(fs::file_size(path, error));
        if (error) {
            return path.string() + " is not there any more";
        }
        if (size != output.at("size").as_int()) {
            return fmt::format("{} has {} bytes and had {}", path.string(), size,
                               output.at("size").as_int());
        }
    }
    return "";
}

std::vector<PrepareManifest::Total> PrepareManifest::totals() const {
    std::vector<Total> totals;
    for (const Json& split : json_.at("splits").as_array()) {
        const auto number = [&](const char* key) { return split.at(key).as_int(); };
        totals.push_back(
            {split.at("name").as_string(),
             number("documents"),
             number("duplicates"),
             number("tokens"),
             number("shards"),
             {number("bytes"), number("words"), number("unk_words"), number("invalid_utf8")}});
    }
    return totals;
}

}  // namespace lrd
