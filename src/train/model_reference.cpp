// SPDX-License-Identifier: MIT
#include "train/model_reference.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <vector>

#include "core/check.hpp"
#include "data/tokenizer.hpp"
#include "io/hdf5.hpp"
#include "io/publish.hpp"
#include "model/hf_config.hpp"
#include "model/hf_weights.hpp"
#include "model/merge.hpp"
#include "model/model_file.hpp"
#include "train/checkpoint.hpp"
#include "train/run_state.hpp"

namespace lrd {
namespace {

namespace fs = std::filesystem;

/// Complete checkpoints of a run, oldest first.
std::vector<std::int64_t> complete_steps(const std::string& run) {
    std::vector<std::int64_t> steps = checkpoint_steps(run);
    std::erase_if(steps, [&](std::int64_t step) {
        return !fs::exists(checkpoint_directory(run, step) + "/manifest.json");
    });
    std::reverse(steps.begin(), steps.end());
    return steps;
}

std::string list(const std::vector<std::int64_t>& steps) {
    std::string text;
    for (const std::int64_t step : steps) {
        text += (text.empty() ? "" : ", ") + std::to_string(step);
    }
    return text.empty() ? "none" : text;
}

std::string list(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) {
        text += (text.empty() ? "" : ", ") + name;
    }
    return text.empty() ? "none" : text;
}

/// "RUN:student@step" taken apart; the run is the longest prefix that is a directory.
struct Parts {
    std::string run, student, step;
};

std::optional<Parts> take_apart(const std::string& reference) {
    if (fs::is_directory(reference)) {
        return Parts{reference, "", ""};
    }
    const std::size_t step = reference.rfind('@');
    if (step != std::string::npos && fs::is_directory(reference.substr(0, step))) {
        return Parts{reference.substr(0, step), "", reference.substr(step + 1)};
    }
    const std::size_t colon = reference.rfind(':');
    if (colon != std::string::npos && fs::is_directory(reference.substr(0, colon))) {
        std::string rest = reference.substr(colon + 1);
        const std::size_t at = rest.find('@');
        return Parts{reference.substr(0, colon), rest.substr(0, at),
                     at == std::string::npos ? "" : rest.substr(at + 1)};
    }
    return std::nullopt;
}

/// The file of a run that `parts.step` asks for.
std::string file_in_run(const Parts& parts, const std::string& student) {
    const std::string best = fmt::format("{}/best/{}.h5", parts.run, student);
    const std::vector<std::int64_t> steps = complete_steps(parts.run);
    const auto state_of = [&](std::int64_t step) {
        return checkpoint_directory(parts.run, step) + "/state.h5";
    };
    if (parts.step == "best" || (parts.step.empty() && fs::exists(best))) {
        if (!fs::exists(best)) {
            fail(ExitCode::missing_input,
                 "{} has no best model of {}: the run has not evaluated yet, "
                 "or train.keep_best is false; try @last",
                 parts.run, student);
        }
        return best;
    }
    if (parts.step.empty() || parts.step == "last") {
        if (steps.empty()) {
            fail(ExitCode::missing_input, "{} has no checkpoint yet", parts.run);
        }
        return state_of(steps.back());
    }
    std::int64_t step = -1;
    const char* end = parts.step.data() + parts.step.size();
    const auto parsed = std::from_chars(parts.step.data(), end, step);
    if (parsed.ec != std::errc{} || parsed.ptr != end) {
        fail(ExitCode::usage, "\"@{}\" is not @best, @last or @ and a step", parts.step);
    }
    if (!std::binary_search(steps.begin(), steps.end(), step)) {
        fail(ExitCode::missing_input, "{} has no checkpoint of step {}; there are {}", parts.run,
             step, list(steps));
    }
    return state_of(step);
}

std::vector<std::string> students_of(const std::string& run) {
    const std::vector<std::int64_t> steps = complete_steps(run);
    if (steps.empty()) {
        fail(ExitCode::missing_input, "{} is not a run with a checkpoint", run);
    }
    const h5::File file = h5::File::open(checkpoint_directory(run, steps.back()) + "/state.h5");
    return file.children("/students");
}

}  // namespace

ModelLocation locate_model(const std::string& reference) {
    ModelLocation at;
    at.name = reference;
    if (hf::is_model(reference)) {
        at.hugging_face = reference;
        at.architecture = hf::read_config(reference);
        return at;
    }
    std::string student;
    if (fs::is_regular_file(reference)) {
        at.file = reference;
    } else {
        const std::optional<Parts> parts = take_apart(reference);
        if (!parts) {
            fail(ExitCode::missing_input,
                 "no model {}: give a run directory, RUN:student, RUN:student@step, a .h5 model "
                 "file or a directory of Hugging Face",
                 reference);
        }
        at.run = parts->run;
        const std::vector<std::string> students = students_of(parts->run);
        student = parts->student;
        if (student.empty() && students.size() != 1) {
            fail(ExitCode::usage, "{} has several students, name one as {}:STUDENT; there are {}",
                 parts->run, parts->run, list(students));
        }
        student = student.empty() ? students.front() : student;
        if (std::find(students.begin(), students.end(), student) == students.end()) {
            fail(ExitCode::missing_input, "{} has no student {}; there are {}", parts->run, student,
                 list(students));
        }
        at.file = file_in_run(*parts, student);
    }
    const h5::File file = h5::File::open(at.file);
    const ModelState state = read_model_state(file, student);
    at.group = "/students/" + state.student + "/model";
    at.teacher = state.sources.teacher;
    at.teacher_digest = state.sources.teacher_digest;
    at.step = state.step;
    at.architecture = state.architecture;
    return at;
}

std::string tokenizer_folder(const ModelLocation& at) {
    const std::string folder = !at.hugging_face.empty() ? at.hugging_face
                               : !at.run.empty()        ? at.run + "/tokenizer"
                                                        : at.file + ".tokenizer";
    return Tokenizer::is_in(folder) ? folder : "";
}

void load_weights(const ModelLocation& at, Weights& weights) {
    if (at.hugging_face.empty()) {
        load_weights(h5::File::open(at.file), at.group, weights);
    } else {
        hf::read_weights(at.hugging_face, weights);
    }
}

LoadedModel load_model(Backend& backend, const ModelLocation& at) {
    LoadedModel model;
    const auto lifted = [](const FormSpec& spec) { return spec.kind == "lifted"; };
    const auto& linears = at.architecture.linears;
    if (std::any_of(linears.begin(), linears.end(), lifted)) {
        model.teacher = load_teacher(backend, at.teacher);
        if (weights_digest(*model.teacher) != at.teacher_digest) {
            fail(ExitCode::bad_data,
                 "{} is lifted from its teacher {}, whose weights have changed "
                 "since; put the old teacher back, or distil again",
                 at.name, at.teacher);
        }
    }
    model.weights = std::make_unique<Weights>(backend, fs::path(at.name).filename().string(),
                                              at.architecture, Use::inference, model.teacher.get());
    load_weights(at, *model.weights);
    model.weights->materialise();
    return model;
}

LoadedModel load_model(Backend& backend, const std::string& reference) {
    return load_model(backend, locate_model(reference));
}

void check_same_tokenizer(const ModelLocation& at, const TokenFiles& tokens) {
    const std::string folder = tokenizer_folder(at);
    if (folder.empty()) {
        return;  // none is known
    }
    const std::string digest = Tokenizer::load(folder).sha256();
    if (digest != tokens.header().tokenizer_sha256) {
        fail(
            ExitCode::bad_data,
            "{} was trained with another tokenizer ({}, digest {}) than the tokens in {} were made "
            "with ({}); prepare them with --tokenizer {}",
            at.name, folder, digest.substr(0, 12), tokens.directory(),
            tokens.header().tokenizer_sha256.substr(0, 12), folder);
    }
}

void check_teacher_reads(const Gpt2Config& teacher, const std::string& reference,
                         const TokenFiles& tokens, std::int64_t context) {
    if (teacher.V != tokens.vocabulary()) {
        fail(ExitCode::bad_data,
             "the teacher {} has a vocabulary of {}, the tokens in {} one of {}; "
             "prepare them with the teacher's tokenizer",
             reference, teacher.V, tokens.directory(), tokens.vocabulary());
    }
    if (context > teacher.T) {
        fail(ExitCode::bad_data,
             "data.context = {} is longer than the {} positions of the teacher {}", context,
             teacher.T, reference);
    }
    check_same_tokenizer(locate_model(reference), tokens);
}

std::unique_ptr<Weights> blank_teacher(Backend& backend, const std::string& reference) {
    return std::make_unique<Weights>(
        backend, fs::path(reference).filename().string(),
        dense_architecture(locate_model(reference).architecture.config), Use::inference);
}

std::unique_ptr<Weights> load_teacher(Backend& backend, const std::string& reference,
                                      NodeMemory* memory) {
    const ModelLocation at = locate_model(reference);
    const bool dense = is_dense(at.architecture);
    auto teacher = std::make_unique<Weights>(
        backend, fs::path(at.name).filename().string(),
        dense ? at.architecture : dense_architecture(at.architecture.config), Use::inference,
        nullptr, memory);
    const auto publish = [&] {
        if (memory != nullptr) {
            backend.synchronize();
            memory->publish();
        }
    };
    publish();  // from here on no rank clears what one of them writes
    const bool writes = memory == nullptr || memory->writes();
    if (writes && dense) {
        load_weights(at, *teacher);
    } else if (writes) {
        merge(*load_model(backend, at).weights, *teacher);
    }
    if (writes) {
        teacher->materialise();
    }
    publish();
    return teacher;
}

SharedTeacher load_shared_teacher(Backend& backend, Communicator& world,
                                  const std::string& reference) {
    SharedTeacher teacher{world.node_memory(backend), nullptr, ""};
    teacher.weights = load_teacher(backend, reference, teacher.memory.get());
    const bool reads = teacher.memory->writes();
    const std::string mine = reads ? weights_digest(*teacher.weights) : "";
    std::string of_root = mine;
    world.broadcast(of_root, 0);
    teacher.digest = reads ? mine : of_root;
    return teacher;
}

}  // namespace lrd
