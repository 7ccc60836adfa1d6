// SPDX-License-Identifier: MIT
// Checkpoints are complete or not there, and what is damaged is never used.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "example_state.hpp"
#include "expect_error.hpp"
#include "in_child.hpp"
#include "io/digest.hpp"
#include "io/hdf5.hpp"
#include "io/publish.hpp"
#include "lying_disk.hpp"
#include "temporary_directory.hpp"

namespace lrd {
namespace {

namespace fs = std::filesystem;
using test::ExampleState;

class Checkpoint : public testing::Test {
protected:
    void save(std::int64_t step, float seed = 1.0F) {
        state.fill(seed);
        store.save(*backend, step, state.tensors, state.state, state.provenance);
    }
    std::string step(std::int64_t n) const {
        return fmt::format("{}/ckpt/step-{:08}", directory.path(), n);
    }
    std::vector<std::string> entries() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(directory / "ckpt")) {
            names.push_back(entry.path().filename().string());
        }
        std::sort(names.begin(), names.end());
        return names;
    }
    static void flip_bit(const std::string& path) {
        std::string bytes = read_text(path);
        bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
        publish_text(path, bytes);
    }

    const test::TemporaryDirectory directory;
    std::unique_ptr<Backend> backend = make_backend("cpu");
    ExampleState state{*backend};
    CheckpointStore store{directory.path(), 2};
};

TEST_F(Checkpoint, WhatWasSavedComesBackBitForBit) {
    save(7);
    const std::string bits = state.bits();
    const auto found = store.newest_valid();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->step, 7);
    EXPECT_EQ(found->state, state.state);
    EXPECT_EQ(found->provenance.world_size, 2);
    EXPECT_EQ(found->provenance.config_toml, state.provenance.config_toml);
    EXPECT_EQ(found->provenance.code_version, "lrd 0.1.0");
    ExampleState other(*backend, 0.0F);
    ASSERT_NE(other.bits(), bits);
    CheckpointStore::load(*backend, found->directory, other.tensors);
    EXPECT_EQ(other.bits(), bits);
    EXPECT_EQ(read_text(directory / "latest"), "ckpt/step-00000007\n");
}

TEST_F(Checkpoint, ManifestHoldsDigestsThatOthersCompute) {
    save(7);
    const Json manifest = Json::parse(read_text(step(7) + "/manifest.json"), "manifest");
    const Json& file = manifest.at("files").at(0);
    EXPECT_EQ(file.at("name").as_string(), "state.h5");
    EXPECT_EQ(file.at("sha256").as_string(), sha256_file(step(7) + "/state.h5"));
    EXPECT_EQ(file.at("size").as_int(),
              static_cast<std::int64_t>(fs::file_size(step(7) + "/state.h5")));
    const std::string path = "/students/lrc/optim/v/ln_f.weight";
    const std::vector<float> values = h5::File::open(step(7) + "/state.h5").read<float>(path, {7});
    EXPECT_EQ(manifest.at("tensors").at(path).as_string(), xxh3_128(values.data(), 28));
    EXPECT_EQ(manifest.at("tensors").size(), state.tensors.size());
    EXPECT_EQ(manifest.at("step").as_int(), 7);
    EXPECT_EQ(manifest.at("world_size").as_int(), 2);
}

TEST_F(Checkpoint, EqualStatesGiveEqualFiles) {
    save(7);
    CheckpointStore(directory / "again", 2)
        .save(*backend, 7, state.tensors, state.state, state.provenance);
    EXPECT_EQ(sha256_file(step(7) + "/state.h5"),
              sha256_file(directory / "again/ckpt/step-00000007/state.h5"));
}

TEST_F(Checkpoint, KeepsTheNewestAndClearsWhatInterruptionsLeft) {
    fs::create_directories(directory / "ckpt/.tmp-step-00000001-99");
    publish_text(directory / "ckpt/.tmp-step-00000001-99/state.h5", "half");
    for (const std::int64_t n : {1, 2, 3, 10}) {
        save(n);
    }
    EXPECT_EQ(entries(), (std::vector<std::string>{"step-00000003", "step-00000010"}));
}

TEST_F(Checkpoint, FallsBackPastEveryKindOfDamageAndNamesBoth) {
    const std::vector<std::pair<std::string, std::function<void()>>> damages = {
        {"SHA-256", [&] { flip_bit(step(2) + "/state.h5"); }},
        {"bytes instead of", [&] { fs::resize_file(step(2) + "/state.h5", 1000); }},
        {"no bytes", [&] { fs::remove(step(2) + "/state.h5"); }},
        {"manifest.json: is not there", [&] { fs::remove(step(2) + "/manifest.json"); }},
        {"not JSON", [&] { fs::resize_file(step(2) + "/manifest.json", 40); }},
    };
    for (const auto& [words, damage] : damages) {
        fs::remove_all(directory / "ckpt");
        save(1);
        save(2);
        damage();
        testing::internal::CaptureStderr();
        const auto found = store.newest_valid();
        const std::string warning = testing::internal::GetCapturedStderr();
        ASSERT_TRUE(found) << words;
        EXPECT_EQ(found->step, 1) << words;
        EXPECT_NE(warning.find(words), std::string::npos) << warning;
        EXPECT_NE(warning.find("step-00000002"), std::string::npos) << warning;
        EXPECT_NE(warning.find("step-00000001"), std::string::npos) << warning;
    }
}

TEST_F(Checkpoint, DoesNotDependOnLatest) {
    EXPECT_FALSE(store.newest_valid());
    save(1);
    save(2);
    publish_text(directory / "latest", "ckpt/step-00000001\n");
    EXPECT_EQ(store.newest_valid()->step, 2);
    fs::remove(directory / "latest");
    EXPECT_EQ(store.newest_valid()->step, 2);
}

TEST_F(Checkpoint, StartsFromNothingOnlyIfThereIsNothing) {
    save(1);
    flip_bit(step(1) + "/state.h5");
    EXPECT_ERROR(ExitCode::bad_data, "no checkpoint can be used", store.newest_valid());
}

TEST_F(Checkpoint, RefusesANewerFormatByName) {
    save(1);
    save(2);
    Json manifest = Json::parse(read_text(step(2) + "/manifest.json"), "manifest");
    manifest["format_version"] = 2;
    publish_text(step(2) + "/manifest.json", manifest.dump());
    EXPECT_ERROR(ExitCode::bad_data, "format_version 2 is newer than 1", store.newest_valid());
}

TEST_F(Checkpoint, AStepThatIsThereIsLeftAloneUnlessDamaged) {
    save(1, 1.0F);
    const std::string digest = sha256_file(step(1) + "/state.h5");
    save(1, 5.0F);
    EXPECT_EQ(sha256_file(step(1) + "/state.h5"), digest);
    flip_bit(step(1) + "/state.h5");
    save(1, 5.0F);
    EXPECT_EQ(CheckpointStore::check(step(1)), "");
    EXPECT_NE(sha256_file(step(1) + "/state.h5"), digest);
    EXPECT_EQ(entries(), std::vector<std::string>{"step-00000001"});
}

TEST_F(Checkpoint, ShapesAndNamesAreCheckedBeforeAnythingIsLoaded) {
    save(1);
    ExampleState other(*backend, 2.0F, 299);
    std::reverse(other.tensors.begin(), other.tensors.end());  // good ones come first
    const std::string bits = other.bits();
    EXPECT_ERROR(ExitCode::bad_data, "h.0.attn.c_attn.P_l",
                 CheckpointStore::load(*backend, step(1), other.tensors));
    ExampleState more(*backend, 2.0F);
    more.tensors.push_back({"/students/other/model/wte.Ce", more.tensors[0].view});
    const std::string more_bits = more.bits();
    EXPECT_ERROR(ExitCode::bad_data, "/students/other/model/wte.Ce is not there",
                 CheckpointStore::load(*backend, step(1), more.tensors));
    EXPECT_EQ(other.bits(), bits);
    EXPECT_EQ(more.bits(), more_bits);
}

TEST_F(Checkpoint, ADiskThatLosesDataIsNoticedBeforePublishing) {
    save(1);
    test::disk_lies = true;
    EXPECT_ERROR(ExitCode::io, "step-00000002", save(2));
    test::disk_lies = false;
    EXPECT_EQ(store.newest_valid()->step, 1);
    EXPECT_FALSE(fs::exists(step(2)));
    EXPECT_EQ(read_text(directory / "latest"), "ckpt/step-00000001\n");
}

TEST_F(Checkpoint, AFullDiskLeavesTheLastOneStanding) {
    save(1);
    const test::Outcome outcome = test::in_child([&] {
        signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{100'000, 100'000};
        setrlimit(RLIMIT_FSIZE, &limit);
        save(2);
        return 0;
    });
    EXPECT_EQ(outcome.code, 74) << outcome.text;
    EXPECT_NE(outcome.text.find("state.h5"), std::string::npos) << outcome.text;
    EXPECT_FALSE(fs::exists(step(2)));
    EXPECT_EQ(store.newest_valid()->step, 1);
    save(2);
    EXPECT_EQ(entries(), (std::vector<std::string>{"step-00000001", "step-00000002"}));
}

TEST_F(Checkpoint, AModelFileStandsAlone) {
    const std::vector<NamedTensor> model(state.tensors.begin(), state.tensors.begin() + 2);
    const std::string path = directory / "best/lrc.h5";
    publish_model_file(*backend, path, model, state.state, state.provenance);
    ExampleState other(*backend, 0.0F);
    read_state_file(*backend, path, std::span(other.tensors).first(2));
    EXPECT_EQ(other.bits().substr(0, 300 * 70 * 4), state.bits().substr(0, 300 * 70 * 4));
    h5::File file = h5::File::open_to_append(path);
    file.set_attribute(model[1].path, "xxh3_128", std::string(32, '0'));
    file.close();
    EXPECT_ERROR(ExitCode::bad_data, "does not have the hash",
                 read_state_file(*backend, path, std::span(other.tensors).first(2)));
    flip_bit(path);
    EXPECT_ERROR(ExitCode::bad_data, "lrc.h5",
                 read_state_file(*backend, path, std::span(other.tensors).first(2)));
    test::disk_lies = true;
    EXPECT_ERROR(ExitCode::io, "reads back differently",
                 publish_model_file(*backend, directory / "best/b.h5", model, state.state,
                                    state.provenance));
    test::disk_lies = false;
    EXPECT_FALSE(fs::exists(directory / "best/b.h5"));
}

}  // namespace
}  // namespace lrd
