// SPDX-License-Identifier: MIT
#include "data/documents.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "core/check.hpp"
#include "data/utf8.hpp"
#include "io/digest.hpp"
#include "io/publish.hpp"

namespace lrd {

namespace {

struct NamedRule {
    DocumentRule rule;
    const char* name;
};
constexpr std::array<NamedRule, 4> rules = {{{DocumentRule::automatic, "auto"},
                                             {DocumentRule::file, "file"},
                                             {DocumentRule::blank_line, "blank-line"},
                                             {DocumentRule::wikitext, "wikitext"}}};

struct Request {
    std::string name;
    std::string file;  // empty: a fraction
    double fraction = 0.0;
};

bool parse_fraction(const std::string& value, double& fraction) {
    const char* end = value.data() + value.size();
    const auto [stopped, error] = std::from_chars(value.data(), end, fraction);
    return error == std::errc{} && stopped == end;
}

void check_name(const std::string& name, const std::set<std::string>& taken) {
    const bool plain = !name.empty() && name.size() <= 64 &&
                       name.find_first_not_of(
                           "abcdefghijklmnopqrstuvwxyz"
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string::npos;
    if (!plain) {
        fail(ExitCode::usage, "--split {}: a split's name has 1 to 64 letters, digits, '_' or '-'",
             name);
    }
    if (name == "train") {
        fail(ExitCode::usage,
             "--split train: \"train\" is what the other splits leave of --text; name the others");
    }
    if (taken.contains(name)) {
        fail(ExitCode::usage, "the split \"{}\" is asked for twice; give it once", name);
    }
}

std::vector<Request> parse_requests(const std::vector<SplitRequest>& requests) {
    std::vector<Request> parsed;
    std::set<std::string> names;
    double sum = 0.0;
    for (const SplitRequest& request : requests) {
        check_name(request.name, names);
        names.insert(request.name);
        Request one{request.name, "", 0.0};
        if (!parse_fraction(request.value, one.fraction)) {
            one.file = request.value;
        } else if (!(one.fraction >= 0.0 && one.fraction < 1.0)) {
            fail(ExitCode::usage,
                 "split {} = {}: a fraction is at least 0 and below 1 (0: no such split)",
                 request.name, request.value);
        }
        if (one.file.empty() && one.fraction == 0.0) {
            continue;
        }
        sum += one.fraction;
        parsed.push_back(one);
    }
    if (sum >= 1.0) {
        fail(ExitCode::usage,
             "the splits' fractions add up to {:g}; they have to leave something for train", sum);
    }
    return parsed;
}

std::string first_words(std::string_view document) {
    const std::size_t begin = std::min(document.find_first_not_of(" \t\n\v\f\r"), document.size());
    std::string start(document.substr(begin, 40));
    start = start.substr(0, start.find('\n'));
    replace_invalid_utf8(start);  // the cut may have split a character
    return start;
}

std::string hash_of(std::string_view document) {
    return xxh3_128(document.data(), document.size());
}

/// Moves the documents with the smallest hash from `rest` to a new split, until it has `bytes`.
Split take_fraction(Split& rest, const std::string& name, double bytes) {
    std::vector<std::pair<std::string, std::size_t>> order;
    for (std::size_t i = 0; i < rest.documents.size(); ++i) {
        order.emplace_back(hash_of(rest.documents[i]), i);
    }
    std::sort(order.begin(), order.end());
    Split taken{name, rest.rule, {}, 0};
    std::vector<bool> moves(order.size(), false);
    const std::string* last = nullptr;
    for (const auto& [hash, i] : order) {
        const bool equal = last != nullptr && hash == *last;
        if (!equal && static_cast<double>(taken.bytes) >= bytes) {
            break;
        }
        moves[i] = true;
        taken.bytes += static_cast<std::int64_t>(rest.documents[i].size());
        last = &hash;
    }
    std::vector<std::string_view> kept;
    for (std::size_t i = 0; i < moves.size(); ++i) {
        (moves[i] ? taken.documents : kept).push_back(rest.documents[i]);
    }
    rest.documents = std::move(kept);
    rest.bytes -= taken.bytes;
    return taken;
}

}  // namespace

DocumentRule document_rule(const std::string& name) {
    for (const NamedRule& rule : rules) {
        if (name == rule.name) {
            return rule.rule;
        }
    }
    fail(ExitCode::usage, "--documents {}: expected auto, file, blank-line or wikitext", name);
}

const char* name_of(DocumentRule rule) { return rules[static_cast<std::size_t>(rule)].name; }

Corpus::Corpus(const std::vector<std::string>& files, DocumentRule rule,
               const std::vector<SplitRequest>& requests) {
    if (files.empty()) {
        fail(ExitCode::usage, "no text: name at least one file after --text");
    }
    const std::vector<Request> parsed = parse_requests(requests);
    const bool fraction_asked =
        std::any_of(parsed.begin(), parsed.end(), [](const Request& r) { return r.file.empty(); });
    Split train = read_files("train", files, rule, fraction_asked);
    const auto bytes = static_cast<double>(train.bytes);
    const std::size_t documents = train.documents.size();
    for (const Request& request : parsed) {
        splits_.push_back(request.file.empty()
                              ? take_fraction(train, request.name, request.fraction * bytes)
                              : read_files(request.name, {request.file}, rule, false));
        if (train.documents.empty() || splits_.back().documents.empty()) {
            fail(ExitCode::usage,
                 "the text has {} documents (rule {}), too few for train and split {}: give more "
                 "text, or cut it finer with --documents blank-line",
                 documents, train.rule, request.name);
        }
    }
    splits_.insert(splits_.begin(), std::move(train));
    refuse_shared_documents();
}

Split Corpus::read_files(const std::string& name, const std::vector<std::string>& files,
                         DocumentRule rule, bool fraction_asked) {
    Split split{name, "", {}, 0};
    std::set<std::string> used;
    for (const std::string& file : files) {
        if (std::filesystem::is_directory(file)) {
            fail(ExitCode::usage, "{} is a folder; name its text files", file);
        }
        texts_.push_back(read_text(file));
        std::string& text = texts_.back();
        replaced_ += replace_invalid_utf8(text);
        DocumentRule here = rule;
        if (rule == DocumentRule::automatic) {
            here = starts_with_heading(text)             ? DocumentRule::wikitext
                   : fraction_asked && files.size() == 1 ? DocumentRule::blank_line
                                                         : DocumentRule::file;
        }
        used.insert(name_of(here));
        for (const std::string_view document : cut_documents(text, here)) {
            split.documents.push_back(document);
            split.bytes += static_cast<std::int64_t>(document.size());
        }
    }
    if (split.documents.empty()) {
        fail(ExitCode::bad_data, "{}: the file is empty; split {} needs text", files.front(), name);
    }
    for (const std::string& one : used) {
        split.rule += (split.rule.empty() ? "" : "+") + one;
    }
    return split;
}

void Corpus::refuse_shared_documents() const {
    std::unordered_map<std::string, std::size_t> owner;
    for (std::size_t s = 0; s < splits_.size(); ++s) {
        for (const std::string_view document : splits_[s].documents) {
            const auto [at, fresh] = owner.emplace(hash_of(document), s);
            if (!fresh && at->second != s) {
                fail(ExitCode::bad_data,
                     "the document that starts with \"{}\" is in split {} and in split {}: take it "
                     "out of one of the files, so that no split has seen another",
                     first_words(document), splits_[at->second].name, splits_[s].name);
            }
        }
    }
}

}  // namespace lrd
