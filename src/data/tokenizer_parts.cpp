// SPDX-License-Identifier: MIT
#include "data/tokenizer_parts.hpp"

#include <array>

#include "data/utf8.hpp"

namespace lrd::tokenizer_parts {

namespace {

// openai/gpt-2, encoder.py, bytes_to_unicode(): printable Latin-1 stands for itself, the others are
// moved to U+0100 and on in the order of their bytes.
std::array<std::string, 256> make_byte_texts() {
    std::array<std::string, 256> texts;
    std::uint32_t moved = 256;
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
        append_utf8(texts[byte], printable ? byte : moved++);
    }
    return texts;
}

const std::array<std::string, 256>& byte_texts() {
    static const auto texts = make_byte_texts();
    return texts;
}

/// False if `text` holds a character that stands for no byte.
bool from_text(std::string_view text, std::string& bytes) {
    static const auto inverse = [] {
        std::unordered_map<std::string_view, char> map;
        for (std::size_t byte = 0; byte < 256; ++byte) {
            map.emplace(byte_texts()[byte], static_cast<char>(byte));
        }
        return map;
    }();
    bytes.clear();
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = static_cast<unsigned char>(text[at]) < 0x80 ? 1 : 2;
        const auto found = inverse.find(text.substr(at, length));
        if (found == inverse.end()) {
            return false;
        }
        bytes += found->second;
        at += length;
    }
    return true;
}

/// What an error shows of a file: one line, not long, whatever it holds.
std::string shown(const Json& value) {
    constexpr std::size_t longest = 120;
    const std::string text = value.dump();
    const std::string_view start = std::string_view(text).substr(0, longest);
    return text.size() <= longest ? text
                                  : std::string(start.substr(0, whole_characters(start))) + "…";
}

std::vector<std::string> read_vocab(const Json& vocab, const std::string& path,
                                    std::int32_t& end_of_text) {
    if (!vocab.is_object()) {
        fail(ExitCode::bad_data, "{}: expected an object of tokens and their ids", path);
    }
    const auto& members = vocab.as_object();
    const auto size = static_cast<std::int64_t>(members.size());
    std::vector<std::string> tokens(members.size());
    std::vector<bool> seen(members.size(), false);
    end_of_text = -1;
    for (const auto& [text, value] : members) {
        const std::int64_t id = value.is_int() ? value.as_int() : -1;
        if (id < 0 || id >= size || seen[static_cast<std::size_t>(id)]) {
            fail(ExitCode::bad_data,
                 "{}: token {} has id {}, but {} tokens need each id from 0 to {} once", path,
                 shown(text), shown(value), size, size - 1);
        }
        seen[static_cast<std::size_t>(id)] = true;
        std::string& bytes = tokens[static_cast<std::size_t>(id)];
        if (text == end_of_text_name) {
            end_of_text = static_cast<std::int32_t>(id);
            bytes = text;
        } else if (!from_text(text, bytes) || bytes.empty()) {
            fail(ExitCode::bad_data, "{}: token {} ({}) is not in GPT-2's byte-to-unicode form",
                 path, id, shown(text));
        }
    }
    if (end_of_text < 0) {
        fail(ExitCode::bad_data, "{}: there is no token {}, which has to end every document", path,
             end_of_text_name);
    }
    return tokens;
}

Ids ids_of(const std::vector<std::string>& tokens, std::int32_t end_of_text,
           const std::string& path) {
    Ids ids;
    for (std::size_t id = 0; id < tokens.size(); ++id) {
        if (static_cast<std::int32_t>(id) != end_of_text) {
            ids.emplace(tokens[id], static_cast<std::int32_t>(id));
        }
    }
    for (int byte = 0; byte < 256; ++byte) {
        if (!ids.contains(std::string(1, static_cast<char>(byte)))) {
            fail(ExitCode::bad_data,
                 "{}: there is no token for byte {}; all 256 are needed to encode any text", path,
                 byte);
        }
    }
    return ids;
}

/// A text never becomes a token that no merge makes: the file of merges was cut off, unless it is one
/// that people put in, like "<pad>" or "[MASK]".
void check_all_made(const std::vector<std::string>& tokens, const std::vector<Merge>& merges,
                    std::int32_t end_of_text, const std::string& merges_path) {
    std::vector<bool> made(tokens.size(), false);
    for (const Merge& merge : merges) {
        made[static_cast<std::size_t>(merge.merged)] = true;
    }
    std::size_t lost = 0;
    std::string first;
    for (std::size_t id = 0; id < tokens.size(); ++id) {
        const std::string& t = tokens[id];
        const bool put_in = static_cast<std::int32_t>(id) == end_of_text ||
                            (t.starts_with('<') && t.ends_with('>')) ||
                            (t.starts_with('[') && t.ends_with(']'));
        if (t.size() > 1 && !made[id] && !put_in) {
            first = lost++ == 0 ? shown(t) : first;
        }
    }
    if (lost > 0) {
        fail(ExitCode::bad_data,
             "{}: no line makes the token {} ({} of {} such tokens); it was cut off, or is of "
             "another tokenizer: get it again",
             merges_path, first, lost, tokens.size());
    }
}

}  // namespace

std::string to_text(const std::string& bytes) {
    std::string text;
    for (const char c : bytes) {
        text += byte_texts()[static_cast<unsigned char>(c)];
    }
    return text;
}

void Merges::add(std::string_view rule, const std::string& place) {
    const std::size_t blank = rule.find(' ');
    std::string left;
    std::string right;
    if (blank == std::string_view::npos || !from_text(rule.substr(0, blank), left) ||
        !from_text(rule.substr(blank + 1), right)) {
        fail(ExitCode::bad_data, "{}: expected two tokens with a blank between, found {}", place,
             shown(rule));
    }
    const auto l = ids_.find(left);
    const auto r = ids_.find(right);
    const auto merged = ids_.find(left + right);
    if (l == ids_.end() || r == ids_.end() || merged == ids_.end()) {
        fail(ExitCode::bad_data,
             "{}: {} merges tokens, or to a token, that {} does not list; the two have to "
             "come from the same tokenizer",
             place, shown(rule), vocab_name_);
    }
    const std::uint64_t pair = (std::uint64_t{static_cast<std::uint32_t>(l->second)} << 32) |
                               static_cast<std::uint32_t>(r->second);
    const auto [other, fresh] = place_of_.emplace(pair, place);
    if (!fresh) {
        fail(ExitCode::bad_data, "{}: the same merge as in {}", place, other->second);
    }
    merges_.push_back({l->second, r->second, merged->second});
}

Tokenizer assemble(const Json& vocab, const std::string& vocab_path, const std::string& vocab_name,
                   const std::string& merges_path, const std::function<void(Merges&)>& read) {
    std::int32_t end_of_text = -1;
    std::vector<std::string> tokens = read_vocab(vocab, vocab_path, end_of_text);
    const Ids ids = ids_of(tokens, end_of_text, vocab_path);
    Merges merges(ids, vocab_name);
    read(merges);
    check_all_made(tokens, merges.all(), end_of_text, merges_path);
    return Tokenizer(std::move(tokens), merges.all(), end_of_text);
}

}  // namespace lrd::tokenizer_parts
