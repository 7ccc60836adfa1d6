// SPDX-License-Identifier: MIT
#include "commands/model_tokenizer.hpp"

#include <filesystem>

#include "core/check.hpp"
#include "data/tokenizer.hpp"
#include "io/hdf5.hpp"
#include "io/publish.hpp"
#include "io/work_folder.hpp"
#include "train/run_state.hpp"

namespace lrd {

namespace fs = std::filesystem;

namespace {

bool is_model_file(const std::string& file) {
    if (!fs::is_regular_file(file)) {
        return false;
    }
    try {
        read_model_state(h5::File::open(file), "");
        return true;
    } catch (const Error&) {
        return false;
    }
}

}  // namespace

ModelTokenizer find_tokenizer(const ModelLocation& at) {
    ModelTokenizer out{tokenizer_folder(at)};
    if (out.folder.empty()) {
        return out;
    }
    const Tokenizer tokenizer = Tokenizer::load(out.folder);
    if (tokenizer.vocab_size() != at.architecture.config.V) {
        fail(ExitCode::bad_data,
             "{}: the tokenizer has {} tokens, the model {} a vocabulary of {}; they have to come "
             "from the same place",
             out.folder, tokenizer.vocab_size(), at.name, at.architecture.config.V);
    }
    out.end_of_text = tokenizer.end_of_text();
    return out;
}

void copy_tokenizer(const ModelTokenizer& tokenizer, const std::string& folder) {
    if (tokenizer.folder.empty()) {
        return;
    }
    if (!fs::exists(tokenizer.folder + "/vocab.json") ||
        !fs::exists(tokenizer.folder + "/merges.txt")) {  // in another form
        Tokenizer::load(tokenizer.folder).save(folder);
        return;
    }
    for (const char* name : {"/vocab.json", "/merges.txt"}) {
        write_text_and_fsync(folder + name, read_text(tokenizer.folder + name));
    }
}

void publish_tokenizer(const ModelTokenizer& tokenizer, const std::string& file) {
    const std::string folder = file + ".tokenizer";
    if (tokenizer.folder.empty()) {
        fs::remove_all(folder);
        return;
    }
    WorkFolder work(folder);
    copy_tokenizer(tokenizer, work.result());
    work.publish();
}

void check_model_file(const std::string& file, bool overwrite) {
    if (fs::is_directory(file)) {
        fail(ExitCode::busy, "--out {}: there is a folder of this name; choose another file", file);
    }
    if (fs::exists(file) && !overwrite) {
        fail(ExitCode::busy,
             "--out {}: the file is there; choose another, or replace it with "
             "--overwrite",
             file);
    }
    if (fs::exists(file) && !is_model_file(file)) {
        fail(ExitCode::busy, "--out {}: this is no model file; choose another", file);
    }
    const std::string tokenizer = file + ".tokenizer";
    if (fs::exists(tokenizer)) {
        for (const auto& entry : fs::directory_iterator(tokenizer)) {
            const std::string name = entry.path().filename().string();
            if (name != "vocab.json" && name != "merges.txt") {
                fail(ExitCode::busy, "--out {}: beside it, {} holds {}, which is no tokenizer's",
                     file, tokenizer, name);
            }
        }
    }
}

}  // namespace lrd
