// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "commands/command.hpp"
#include "config/run_options.hpp"
#include "expect_error.hpp"
#include "temporary_directory.hpp"

namespace lrd::test {
namespace {

using Strings = std::vector<std::string>;
using Named = std::vector<std::pair<std::string, std::string>>;

struct Example {
    bool json = false;
    std::int64_t steps = 3;
    Strings text;
    std::string out;
    std::vector<Option> options() {
        return {option("", "json", json, "h"), option("", "log_steps", steps, "h"),
                option("", "text", text, "h"), option("run", "out", out, "h")};
    }
};

Arguments parse(const Strings& arguments, bool open_ended = false) {
    Example example;
    return parse_arguments(arguments, example.options(), open_ended);
}

TEST(CommandLine, TakesBothSpellingsOfAValue) {
    EXPECT_EQ(parse({"--log_steps=4"}).named, (Named{{"log_steps", "4"}}));
    EXPECT_EQ(parse({"--log_steps", "4"}).named, (Named{{"log_steps", "4"}}));
    EXPECT_EQ(parse({"--log-steps", "-4"}).named, (Named{{"log_steps", "-4"}}))
        << "hyphens are underscores";
    EXPECT_EQ(parse({"--out=a-b=c"}).named, (Named{{"run.out", "a-b=c"}}))
        << "run.* needs no section";
    EXPECT_EQ(parse({"--out="}).named, (Named{{"run.out", ""}}));
}

TEST(CommandLine, SwitchesDoNotSwallowWhatFollows) {
    for (const Strings& arguments : {Strings{"--json", "file"}, Strings{"file", "--json"}}) {
        const Arguments a = parse(arguments);
        EXPECT_EQ(a.named, (Named{{"json", "true"}}));
        EXPECT_EQ(a.positional, Strings{"file"});
    }
    EXPECT_EQ(parse({"--json=false"}).named, (Named{{"json", "false"}}));
}

TEST(CommandLine, ListsTakeSeveralValuesInARow) {
    const Arguments a = parse({"x", "--text", "a", "b", "--json", "--text=c"});
    EXPECT_EQ(a.named, (Named{{"text", "a"}, {"text", "b"}, {"json", "true"}, {"text", "c"}}));
    EXPECT_EQ(a.positional, Strings{"x"});
    EXPECT_EQ(parse({"--text=a", "b"}).positional, Strings{"b"}) << "one value where = says so";
    EXPECT_EQ(parse({"--text", "a", "--", "--b"}).positional, Strings{"--b"});
}

TEST(CommandLine, StudentsKeepTheirNames) {
    const Arguments a =
        parse({"--student.lrc-r58.embedding-rank=3", "--student.rank", "4", "file"}, true);
    EXPECT_EQ(a.named, (Named{{"student.lrc-r58.embedding_rank", "3"}, {"student.rank", "4"}}));
    EXPECT_EQ(a.positional, Strings{"file"});
    EXPECT_ERROR(ExitCode::usage, "unknown key student.rank", parse({"--student.rank=4"}));
}

TEST(CommandLine, WhatIsWrongIsSaid) {
    EXPECT_ERROR(ExitCode::usage, "unknown key log_stesp; did you mean log_steps?",
                 parse({"--log-stesp=3"}));
    EXPECT_ERROR(ExitCode::usage, "unknown key log", parse({"--log=3"}));  // no abbreviations
    EXPECT_ERROR(ExitCode::usage, "log_steps", parse({"--log_steps"}));
}

/// `  --name=default   help` of each line, as a shell would give it.
Strings flags_of(const std::string& help) {
    Strings flags;
    std::istringstream lines(help);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("  --")) {
            const std::size_t end = line.find(' ', 2);
            std::string flag = line.substr(2, end - 2);
            flag.erase(std::remove(flag.begin(), flag.end(), '"'), flag.end());
            flags.push_back(flag);
        }
    }
    return flags;
}

TEST(CommandLine, EveryOptionNamedInHelpIsAccepted) {
    const TemporaryDirectory folder;
    const std::string config = folder / "c.toml";
    std::ofstream(config)
        << "[data]\ntokens = \"t\"\n[teacher]\nmodel = \"m\"\n[[student]]\nrank = 4\n";
    const std::map<std::string, Strings> needed = {
        {"prepare", {"a.txt", "--tokenizer=train:300", "--out=o"}},
        {"train", {config}},
        {"eval", {"--model=m", "--tokens=t"}},
        {"inspect", {"p"}},
        {"plan", {config}},
        {"cache", {config, "--teacher.cache=c"}},
        {"generate", {"--model=m", "--prompt=x"}},
        {"import", {"--from=d", "--out=f"}},
        {"export", {"--model=m", "--out=d"}},
    };
    std::size_t seen = 0;
    for (const Command& command : commands()) {
        const Strings flags = flags_of(command.help());
        EXPECT_FALSE(flags.empty()) << command.name;
        for (const std::string& flag : flags) {
            // Some defaults mean "to be given": this is about names.
            const auto base = needed.find(command.name);
            Strings arguments = {flag};
            if (flag.ends_with("rank=[]")) {
                arguments = {"--student.rank=4"};
            } else if (flag.ends_with("=[]") || flag.ends_with("teacher.model=") ||
                       flag.ends_with("data.tokens=")) {
                arguments = {flag.substr(0, flag.find('=') + 1) + "x=1"};
            }
            if (base != needed.end()) {  // after the flag, so that what must be given is
                arguments.insert(arguments.end(), base->second.begin(), base->second.end());
            }
            EXPECT_NO_THROW(command.parse(arguments)) << command.name << " " << flag;
            ++seen;
        }
    }
    Config defaults;
    StudentSettings student;
    EXPECT_GT(seen, run_options(defaults).size() + student_options(student).size());
}

TEST(CommandLine, EveryCommandRefusesWhatItDoesNotKnow) {
    for (const Command& command : commands()) {
        EXPECT_ERROR(ExitCode::usage, "unknown key no_such_option",
                     command.parse({"--no-such-option=1"}));
    }
}

}  // namespace
}  // namespace lrd::test
