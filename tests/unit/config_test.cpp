// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <fstream>

#include "config/duration.hpp"
#include "config/run_options.hpp"
#include "config/step_range.hpp"
#include "expect_error.hpp"
#include "temporary_directory.hpp"

namespace lrd::test {
namespace {

class ConfigTest : public testing::Test {
protected:
    std::string file(const std::string& text) {
        const std::string path = folder_ / "run.toml";
        std::ofstream(path) << text;
        return path;
    }
    Config load(const std::string& text, const Overrides& overrides = {}) {
        return load_config(file(text), overrides);
    }

    TemporaryDirectory folder_;
    // A file to which lines can be added; "data.tokens" is on line 2.
    const std::string head_ = "[data]\ntokens = \"t\"\n[teacher]\nmodel = \"m\"\n";
    const std::string one_ = head_ + "[[student]]\nrank = 4\n";
    const std::string two_ = head_ +
                             "[loss]\nclone = 0.5\n[optim]\nlr = 0.01\n"
                             "[[student]]\nname = \"lrc-a\"\nrank = 4\nloss.clone = 0.25\n"
                             "[[student]]\nname = \"b\"\nrank = 8\noptim.lr = 0.02\n";
};

TEST_F(ConfigTest, WhatIsNotGivenIsTheDefault) {
    const Config c = load(one_);
    Config expected;
    expected.data.tokens = "t";
    expected.teacher.model = "m";
    expected.students.resize(1);
    expected.students[0].name = "lifted-r4";
    expected.students[0].rank = {4};
    EXPECT_EQ(to_toml(c), to_toml(expected));
}

TEST_F(ConfigTest, StudentsTakeLossAndOptimOfTheFileUnlessTheySayOtherwise) {
    const Config c = load(two_);
    ASSERT_EQ(c.students.size(), 2U);
    EXPECT_EQ(c.students[0].loss.clone, 0.25);
    EXPECT_EQ(c.students[0].optim.lr, 0.01);
    EXPECT_EQ(c.students[1].loss.clone, 0.5);
    EXPECT_EQ(c.students[1].optim.lr, 0.02);
    EXPECT_EQ(c.students[1].loss.kd, 1.0);
}

TEST_F(ConfigTest, TheCommandLineGoesBeforeTheFile) {
    const Config c = load(two_, {{"loss.clone", "0.125"}, {"seed", "7"}, {"train.steps", "12"}});
    EXPECT_EQ(c.run.seed, 7);
    EXPECT_EQ(c.train.steps, 12);
    EXPECT_EQ(c.students[0].loss.clone, 0.25) << "what a student says of itself stays";
    EXPECT_EQ(c.students[1].loss.clone, 0.125);
}

TEST_F(ConfigTest, StudentsCanBeOverriddenTogetherAndOneByOne) {
    const Config c = load(two_, {{"student.lrc-a.optim.lr", "0.5"},
                                 {"student.loss.tau", "3"},
                                 {"student.b.embedding-rank", "6"},
                                 {"student.rank", "2,3"}});
    EXPECT_EQ(c.students[0].optim.lr, 0.5);
    EXPECT_EQ(c.students[1].optim.lr, 0.02);
    EXPECT_EQ(c.students[0].loss.tau, 3.0);
    EXPECT_EQ(c.students[1].loss.tau, 3.0);
    EXPECT_EQ(c.students[0].embedding_rank, 0);
    EXPECT_EQ(c.students[1].embedding_rank, 6);
    EXPECT_EQ(c.students[1].rank, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(load(one_, {{"student.rank", "9"}}).students[0].name, "lifted-r9");
}

TEST_F(ConfigTest, RankIsANumberOrAList) {
    const Config c = load(head_ + "[[student]]\nrank = [3, 5]\n");
    EXPECT_EQ(c.students[0].rank, (std::vector<std::int64_t>{3, 5}));
    EXPECT_EQ(c.students[0].name, "lifted-r3");
}

TEST_F(ConfigTest, UnknownKeysAreRefusedWithPlaceAndHint) {
    EXPECT_ERROR(ExitCode::usage,
                 "run.toml:7:3: unknown key train.stesp; did you mean train.steps?",
                 load(head_ + "[train]\n\n  stesp = 3\n"));
    EXPECT_ERROR(ExitCode::usage,
                 "run.toml:7:1: unknown key embeding_rank; did you mean embedding_rank?",
                 load(one_ + "embeding_rank = 3\n"));
    EXPECT_ERROR(ExitCode::usage,
                 "run.toml:7:6: unknown key loss.weight_decay; did you mean optim.weight_decay?",
                 load(one_ + "loss.weight_decay = 3\n"));
    EXPECT_ERROR(ExitCode::usage, "run.toml:7:1: unknown section [trian]; did you mean train?",
                 load(one_ + "[trian]\n"));
    EXPECT_ERROR(ExitCode::usage,
                 "--trian.steps: unknown key trian.steps; did you mean train.steps?",
                 load(one_, {{"trian.steps", "1"}}));
    EXPECT_ERROR(ExitCode::usage, "unknown key rnak; did you mean rank?",
                 load(two_, {{"student.rnak", "1"}}));
    EXPECT_ERROR(ExitCode::usage, "unknown key rnak; did you mean rank?",
                 load(two_, {{"student.b.rnak", "1"}}));
    EXPECT_ERROR(ExitCode::usage, "no student is named lrc-b; did you mean lrc-a?",
                 load(two_, {{"student.lrc-b.rank", "1"}}));
    EXPECT_ERROR(ExitCode::usage, "unknown key qqqqqqqqq", load(one_, {{"qqqqqqqqq", "1"}}));
}

TEST_F(ConfigTest, WrongValuesAreRefusedWithPlaceKeyValueAndRange) {
    const std::string train = head_ + "[train]\n";
    EXPECT_ERROR(ExitCode::usage, "run.toml:6:1: train.steps = \"ten\" is not a whole number",
                 load(train + "steps = \"ten\"\n"));
    EXPECT_ERROR(ExitCode::usage, "train.steps = 1.5 is not a whole number",
                 load(train + "steps = 1.5\n"));
    EXPECT_ERROR(ExitCode::usage, "train.keep = 0 is out of range; it may be 1 or more",
                 load(train + "keep = 0\n"));
    EXPECT_ERROR(ExitCode::usage, "train.shuffle = 1 is not true or false",
                 load(train + "shuffle = 1\n"));
    EXPECT_ERROR(ExitCode::usage, "optim.lr = 0.0 is out of range; it may be above 0",
                 load(head_ + "[optim]\nlr = 0.0\n"));
    EXPECT_ERROR(ExitCode::usage, "optim.lr = ", load(head_ + "[optim]\nlr = nan\n"));
    EXPECT_ERROR(
        ExitCode::usage,
        "run.toml:7:1: form = \"liftd\" is out of range; it may be lifted | factored | dense",
        load(one_ + "form = \"liftd\"\n"));
    EXPECT_ERROR(ExitCode::usage, "rank = 0 is out of range",
                 load(head_ + "[[student]]\nrank = 0\n"));
    EXPECT_ERROR(ExitCode::usage, "rank = [1, -2] is out of range",
                 load(head_ + "[[student]]\nrank = [1, -2]\n"));
    EXPECT_ERROR(ExitCode::usage, "is not whole numbers",
                 load(head_ + "[[student]]\nrank = [\"a\"]\n"));
    EXPECT_ERROR(ExitCode::usage, "mixes", load(head_ + "[[student]]\nrank = [1, \"a\"]\n"));
    EXPECT_ERROR(ExitCode::usage, "run.toml:7:1: seed is a date",
                 load(one_ + "seed = 1979-05-27\n"));
    EXPECT_ERROR(ExitCode::usage, "--train.steps: train.steps = \"1x\" is not a whole number",
                 load(one_, {{"train.steps", "1x"}}));
    EXPECT_ERROR(ExitCode::usage, "--train.shuffle: train.shuffle = \"maybe\" is not true or false",
                 load(one_, {{"train.shuffle", "maybe"}}));
    EXPECT_ERROR(ExitCode::usage, "--optim.lr: optim.lr = inf is out of range; it may be above 0",
                 load(one_, {{"optim.lr", "inf"}}));
    EXPECT_ERROR(ExitCode::usage, "run.max_time = \"soon\"", load(one_, {{"max_time", "soon"}}));
}

TEST_F(ConfigTest, WhatDoesNotFitTogetherIsRefused) {
    EXPECT_ERROR(ExitCode::missing_input, "nowhere.toml",
                 load_config(folder_ / "nowhere.toml", {}));
    EXPECT_ERROR(ExitCode::usage, "run.toml:2:", load("[data]\ntokens = \n"));
    EXPECT_ERROR(ExitCode::usage, "run.toml:5:1", load(head_ + "[student]\nrank = 4\n"));
    EXPECT_ERROR(ExitCode::usage, "data.tokens is missing", load("[[student]]\nrank = 4\n"));
    EXPECT_ERROR(ExitCode::usage, "no [[student]]", load(head_));
    EXPECT_ERROR(ExitCode::usage, "no [[student]]", load(head_, {{"student.rank", "3"}}));
    EXPECT_ERROR(ExitCode::usage, "needs a rank", load(head_ + "[[student]]\n"));
    EXPECT_ERROR(ExitCode::usage, "two students are named lifted-r4",
                 load(one_ + "[[student]]\nrank = 4\n"));
    EXPECT_ERROR(ExitCode::usage, "student name \"a/b\"", load(one_ + "name = \"a/b\"\n"));
    EXPECT_ERROR(ExitCode::usage, "not a multiple", load(one_, {{"train.global_batch", "12"}}));
    EXPECT_ERROR(ExitCode::usage, "needs a teacher", load(one_, {{"teacher.model", ""}}));
    EXPECT_ERROR(ExitCode::usage, "there is no teacher",
                 load(one_, {{"teacher.model", ""}, {"student.form", "dense"}}));
}

/// Another legal value of the same kind.
Value another(const Option& option) {
    Value value = option.get();
    if (auto* flag = std::get_if<bool>(&value)) {
        *flag = !*flag;
    } else if (auto* whole = std::get_if<std::int64_t>(&value)) {
        *whole *= 2;
        *whole += *whole == 0 ? 16 : 0;
    } else if (auto* real = std::get_if<double>(&value)) {
        *real = *real == 0.0 ? 1e-7 : *real / 3.0;
    } else if (auto* text = std::get_if<std::string>(&value)) {
        const auto& allowed = option.limits.allowed;
        *text = allowed.empty() ? "a \"\\\n\t\x7fß b"
                                : (allowed.back() == *text ? allowed.front() : allowed.back());
        if (option.key == "max_time") {
            *text = "90s";
        }
        if (option.key == "profile_steps") {
            *text = "2";
        }
        if (option.key == "name") {
            *text = "é-2";
        }
    } else if (auto* numbers = std::get_if<std::vector<std::int64_t>>(&value)) {
        *numbers = {3, 1};
    } else {
        value = std::vector<std::string>{"a:b", "c,d:e"};
    }
    return value;
}

TEST_F(ConfigTest, TheResolvedFileReadsBackToTheSame) {
    Config c = load(two_);
    for (const Option& option : run_options(c)) {
        option.set(another(option), "test");
    }
    for (const Option& option : student_options(c.students[1])) {
        option.set(another(option), "test");
    }
    const std::string text = to_toml(c);
    EXPECT_NE(text, to_toml(load(two_)));
    const Config back = load(text + "\n[provenance]\nversion = \"1\"\nranks = 2\n");
    EXPECT_EQ(to_toml(back), text);
    EXPECT_TRUE(differences(c, back).empty());
    EXPECT_EQ(back.train.keep_best, c.train.keep_best);
    EXPECT_EQ(back.optim.lr, c.optim.lr);
    EXPECT_EQ(back.data.eval, c.data.eval);
    EXPECT_EQ(back.students[1].start, c.students[1].start);
}

TEST_F(ConfigTest, EveryChangeThatARunMustNotMakeIsNamed) {
    const Config before = load(two_);
    EXPECT_TRUE(differences(before, before).empty());
    Config now = before;
    std::vector<std::string> open;
    for (const Option& option : run_options(now)) {
        const Value old = option.get();
        option.set(another(option), "test");
        const std::vector<std::string> found = differences(before, now);
        if (found.empty()) {
            open.push_back(option.name());
        } else {
            EXPECT_EQ(found, std::vector<std::string>{option.name() + ": " + toml_text(old) +
                                                      " → " + toml_text(option.get())});
        }
        option.set(old, "test");
    }
    EXPECT_EQ(open, (std::vector<std::string>{
                        "run.out", "run.resume", "run.device", "run.threads", "run.pin",
                        "run.max_time", "run.profile", "run.profile_steps", "train.micro_batch",
                        "train.log_every", "train.eval_every", "train.checkpoint_every",
                        "train.keep", "train.keep_best", "train.recompute", "train.patience"}));
    now.students[1].optim.lr = 0.5;
    EXPECT_EQ(differences(before, now), std::vector<std::string>{"student.b.optim.lr: 0.02 → 0.5"});
    now.students.pop_back();
    EXPECT_EQ(differences(before, now), std::vector<std::string>{"students: 2 → 1"});
}

TEST(StepRange, IsTwoStepsOrOne) {
    EXPECT_EQ(parse_step_range("3-7").first, 3);
    EXPECT_EQ(parse_step_range("3-7").last, 7);
    EXPECT_EQ(parse_step_range("12").first, 12);
    EXPECT_EQ(parse_step_range("12").last, 12);
    for (const char* bad : {"", "-", "3-", "-7", "7-3", "0", "0-3", "3-7-9", "3 - 7", "x"}) {
        EXPECT_ERROR(ExitCode::usage, "write 3-7", parse_step_range(bad));
    }
}

TEST(Duration, IsReadInTheUsualSpellings) {
    EXPECT_EQ(parse_duration("90"), 90.0);
    EXPECT_EQ(parse_duration("90s"), 90.0);
    EXPECT_EQ(parse_duration("15m"), 900.0);
    EXPECT_EQ(parse_duration("2h"), 7200.0);
    EXPECT_EQ(parse_duration("0.5h"), 1800.0);
    EXPECT_EQ(parse_duration("1:30"), 90.0);
    EXPECT_EQ(parse_duration("1:30:00"), 5400.0);
    EXPECT_EQ(parse_duration("48:00:05"), 172805.0);
    for (const char* bad :
         {"", "s", "-5", "1:60", "1:2:3:4", "1:30h", "2 h", "2hours", "inf", "nan", "1::2"}) {
        EXPECT_ERROR(ExitCode::usage, "write 90, 90s, 15m, 2h or 1:30:00", parse_duration(bad));
    }
}

}  // namespace
}  // namespace lrd::test
