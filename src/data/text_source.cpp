// SPDX-License-Identifier: MIT
#include "data/text_source.hpp"

#include <algorithm>
#include <charconv>

#include "core/check.hpp"
#include "data/pretokenizer.hpp"
#include "data/utf8.hpp"
#include "io/json.hpp"

namespace lrd {

namespace {

constexpr std::size_t part_bytes = std::size_t{1} << 20;
constexpr std::size_t longest_piece = std::size_t{4} << 20;  // merging takes 26 bytes for each

/// JSON writers let halves of a UTF-16 pair stand alone ("\\ud83d"), where a text was cut in the
/// middle of a character. Each becomes \\ufffd; returns how many.
std::int64_t replace_lone_surrogates(std::string& json) {
    const auto unit_at = [&](std::size_t at) -> unsigned {  // of an escape \\uXXXX, else 0
        unsigned unit = 0;
        if (json.compare(at, 2, "\\u") == 0 && at + 6 <= json.size()) {
            std::from_chars(json.data() + at + 2, json.data() + at + 6, unit, 16);
        }
        return unit;
    };
    std::int64_t replaced = 0;
    for (std::size_t at = json.find('\\'); at != std::string::npos;) {
        const unsigned unit = unit_at(at);
        const bool high = (unit & 0xFC00U) == 0xD800;
        const bool low = (unit & 0xFC00U) == 0xDC00;
        const bool pair = high && (unit_at(at + 6) & 0xFC00U) == 0xDC00;
        if ((high || low) && !pair) {
            json.replace(at, 6, "\\ufffd");
            ++replaced;
        }
        at = json.find('\\', at + (pair ? 12 : 2));
    }
    return replaced;
}

}  // namespace

DocumentReader::DocumentReader(const std::vector<TextSource>& sources, std::string json_key)
    : sources_(&sources), json_key_(std::move(json_key)) {}

ByteReader& DocumentReader::file(std::int64_t source) {
    if (open_ != source) {
        const TextSource& one = (*sources_)[static_cast<std::size_t>(source)];
        file_ = std::make_unique<ByteReader>(one.path);
        open_ = source;
        if (one.facts.size != 0 && file_->size() != one.facts.size) {
            fail(ExitCode::bad_data, "{}: had {} bytes and has {} now; call the command again",
                 one.name, one.facts.size, file_->size());
        }
    }
    return *file_;
}

std::int64_t DocumentReader::read(std::int64_t source, std::int64_t begin, std::int64_t end,
                                  const UseBlock& use) {
    if ((*sources_)[static_cast<std::size_t>(source)].facts.rule == DocumentRule::jsonl) {
        return read_json(source, begin, end, use);
    }
    ByteReader& from = file(source);
    Utf8Stream utf8;
    for (std::int64_t at = begin; at < end;) {
        std::string_view block = from.at(at);
        block = block.substr(0, static_cast<std::size_t>(end - at));
        at += static_cast<std::int64_t>(block.size());
        if (block.empty()) {
            fail(ExitCode::bad_data, "{}: became shorter while it was read; call the command again",
                 from.path());
        }
        std::string text = utf8.push(block);
        text += at == end ? utf8.finish() : "";
        use(text, at == end);
    }
    return utf8.replaced();
}

std::string DocumentReader::place_of(std::int64_t source, std::int64_t offset) {
    std::int64_t line = 1;
    ByteReader& from = file(source);
    for (std::int64_t at = 0; at < offset;) {
        const std::string_view block = from.at(at).substr(0, static_cast<std::size_t>(offset - at));
        line += std::count(block.begin(), block.end(), '\n');
        at += static_cast<std::int64_t>(block.size());
    }
    return fmt::format("{}:{}", (*sources_)[static_cast<std::size_t>(source)].name, line);
}

std::int64_t DocumentReader::read_json(std::int64_t source, std::int64_t begin, std::int64_t end,
                                       const UseBlock& use) {
    if (end - begin > longest_json) {
        fail(ExitCode::bad_data,
             "{}: the line has {} bytes, and {} are read at most; cut its text "
             "into several documents",
             place_of(source, begin), end - begin, longest_json);
    }
    std::string line(static_cast<std::size_t>(end - begin), '\0');
    file(source).read(begin, line.data(), line.size());
    const std::int64_t replaced = replace_invalid_utf8(line) + replace_lone_surrogates(line);
    Json json;
    try {
        json = Json::parse(line, "");
    } catch (const Error&) {
        json = Json::parse(line, place_of(source, begin));  // the same error with its place
    }
    const Json* text = json.is_object() ? json.find(json_key_) : nullptr;
    if (text == nullptr || !text->is_string()) {
        fail(ExitCode::bad_data, "{}: {}; --json-key names the member that holds the text",
             place_of(source, begin),
             !json.is_object() ? "the line is no JSON object"
             : text == nullptr ? fmt::format("the object has no key \"{}\"", json_key_)
                               : fmt::format("the value of \"{}\" is no text", json_key_));
    }
    use(text->as_string(), true);
    return replaced;
}

Document DocumentReader::measure(std::int64_t source, std::int64_t begin, std::int64_t end) {
    meter_.restart();
    const std::int64_t replaced =
        read(source, begin, end, [&](std::string_view block, bool) { meter_.add(block); });
    Document document{meter_.hash(), source, begin, end, meter_.sizes()};
    document.sizes.replaced = replaced;
    return document;
}

std::int64_t read_in_parts(DocumentReader& reader, const Document& document,
                           const std::function<void(std::string_view)>& use) {
    std::string held;
    std::size_t enough = part_bytes;  // to look for a border
    std::int64_t bytes = 0;
    const auto cut = [&] {
        const std::size_t border = last_certain_border(held);
        if (border > 0) {
            use(std::string_view(held).substr(0, border));
            held.erase(0, border);
        } else if (held.size() > longest_piece) {
            fail(ExitCode::bad_data,
                 "{}: more than {} MiB of one kind of character without a place to cut, which is "
                 "no text; take it out",
                 reader.place_of(document.source, document.begin), longest_piece >> 20);
        }
        enough = border > 0 ? part_bytes : std::min(2 * held.size(), longest_piece + 1);
    };
    reader.read(document.source, document.begin, document.end, [&](std::string_view block, bool) {
        bytes += static_cast<std::int64_t>(block.size());
        while (!block.empty()) {
            const std::size_t n = whole_characters(block.substr(0, part_bytes));
            held += block.substr(0, n);
            block.remove_prefix(n);
            if (held.size() >= enough) {
                cut();
            }
        }
    });
    use(held);
    return bytes;
}

}  // namespace lrd
