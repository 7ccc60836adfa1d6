// SPDX-License-Identifier: MIT
#include "commands/import.hpp"

#include <filesystem>

#include "commands/model_tokenizer.hpp"
#include "commands/version.hpp"
#include "core/check.hpp"
#include "core/log.hpp"
#include "io/publish.hpp"
#include "model/hf_config.hpp"
#include "train/save_model.hpp"

namespace lrd {

int import_model(const ImportOptions& options) {
    if (!hf::is_model(options.from)) {
        fail(ExitCode::missing_input,
             "--from {}: is no directory of Hugging Face: it has no config.json", options.from);
    }
    check_model_file(options.out, options.overwrite);
    const ModelLocation at = locate_model(options.from);
    const ModelTokenizer tokenizer = find_tokenizer(at);
    const std::unique_ptr<Backend> backend = make_backend("cpu");
    const LoadedModel model = load_model(*backend, at);
    publish_file(options.out, [&](const std::string& temporary) {
        save_model(temporary, *model.weights, code_version());
    });
    publish_tokenizer(tokenizer, options.out);
    log::info("{} → {}: {} parameters{}", options.from, options.out,
              model.weights->trained().count(),
              tokenizer.folder.empty()
                  ? "; no vocab.json and merges.txt or tokenizer.json, so no tokenizer"
                  : ", tokenizer beside it");
    return static_cast<int>(ExitCode::done);
}

}  // namespace lrd
