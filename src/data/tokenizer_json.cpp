// SPDX-License-Identifier: MIT
#include <initializer_list>

#include "data/tokenizer_parts.hpp"
#include "io/publish.hpp"

namespace lrd::tokenizer_parts {

namespace {

/// What `json` has at a.b.c, or null.
const Json* at_path(const Json& json, std::initializer_list<const char*> keys) {
    const Json* at = &json;
    for (const char* key : keys) {
        at = at != nullptr && at->is_object() ? at->find(key) : nullptr;
    }
    return at;
}

/// Refuses what would make other ids than GPT-2's pattern and merges do.
void check_is_gpt2(const Json& json, const std::string& path) {
    const auto refuse = [&](const std::string& what) {
        fail(ExitCode::bad_data,
             "{}: {}; only GPT-2's kind of tokenizer is read: BPE on bytes, cut by its own pattern",
             path, what);
    };
    const auto text_at = [&](std::initializer_list<const char*> keys) {
        const Json* value = at_path(json, keys);
        return value != nullptr && value->is_string() ? value->as_string() : "";
    };
    const auto is = [&](std::initializer_list<const char*> keys, bool expected) {
        const Json* value = at_path(json, keys);
        return value == nullptr || (value->is_bool() && value->as_bool() == expected);
    };
    if (text_at({"model", "type"}) != "BPE") {
        refuse(fmt::format("the model is \"{}\"", text_at({"model", "type"})));
    }
    if (text_at({"pre_tokenizer", "type"}) != "ByteLevel") {
        refuse(fmt::format("the pre_tokenizer is \"{}\"", text_at({"pre_tokenizer", "type"})));
    }
    if (!is({"pre_tokenizer", "use_regex"}, true)) {
        refuse("the pre_tokenizer has use_regex = false");
    }
    if (!is({"pre_tokenizer", "add_prefix_space"}, false)) {
        refuse("the pre_tokenizer has add_prefix_space = true");
    }
    for (const char* name : {"ignore_merges", "byte_fallback"}) {
        if (!is({"model", name}, false)) {
            refuse(fmt::format("the model has {} = true", name));
        }
    }
    for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix", "dropout"}) {
        const Json* value = at_path(json, {"model", name});
        if (value != nullptr && !value->is_null() &&
            !(value->is_string() && value->as_string().empty())) {
            refuse(fmt::format("the model has {} = {}", name, value->dump()));
        }
    }
    if (const Json* normalizer = json.find("normalizer");
        normalizer != nullptr && !normalizer->is_null()) {
        refuse("there is a normalizer");
    }
}

/// model.vocab with the added tokens that it lacks.
Json vocab_in(const Json& json, const std::string& path) {
    const Json* vocab = at_path(json, {"model", "vocab"});
    if (vocab == nullptr || !vocab->is_object()) {
        fail(ExitCode::bad_data, "{}: there is no object model.vocab", path);
    }
    Json all = *vocab;
    if (const Json* added = json.find("added_tokens"); added != nullptr && added->is_array()) {
        for (const Json& token : added->as_array()) {
            const std::string& name = token.at("content").as_string();
            const std::string text = name == end_of_text_name ? name : to_text(name);
            if (vocab->find(text) == nullptr) {
                all[text] = token.at("id");
            }
        }
    }
    return all;
}

Tokenizer read(const Json& json, const std::string& path) {
    if (!json.is_object()) {
        fail(ExitCode::bad_data, "{}: expected an object", path);
    }
    check_is_gpt2(json, path);
    const Json* merges = at_path(json, {"model", "merges"});
    if (merges == nullptr || !merges->is_array()) {
        fail(ExitCode::bad_data, "{}: there is no array model.merges", path);
    }
    return assemble(vocab_in(json, path), path, "model.vocab", path, [&](Merges& all) {
        std::size_t number = 0;
        for (const Json& merge : merges->as_array()) {
            const bool pair = merge.is_array() && merge.as_array().size() == 2;
            all.add(pair ? merge.as_array()[0].as_string() + " " + merge.as_array()[1].as_string()
                         : merge.as_string(),
                    fmt::format("{}: merge {}", path, number++));
        }
    });
}

}  // namespace

Tokenizer load_one_file(const std::string& path) {
    const Json json = Json::parse(read_text(path), path);
    try {
        return read(json, path);
    } catch (const Error& error) {  // of a member that is not what it should be, without the path
        const std::string what = error.what();
        if (what.find(path) != what.npos) {
            throw;
        }
        fail(error.code(), "{}: {}", path, what);
    }
}

}  // namespace lrd::tokenizer_parts
