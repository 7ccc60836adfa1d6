// SPDX-License-Identifier: MIT
#include "config/command_line.hpp"

#include <algorithm>
#include <boost/program_options.hpp>

#include "core/check.hpp"

namespace lrd {
namespace {

namespace po = boost::program_options;

/// Hyphens in a name are underscores (but a student keeps its name); a name without a section that only [run] has is run.*.
std::string normal_name(const std::string& name, const std::vector<Option>& options) {
    std::string out = name;
    const std::size_t key = out.starts_with("student.") ? out.find('.', 8) : 0;
    if (key != std::string::npos) {
        std::replace(out.begin() + static_cast<std::ptrdiff_t>(key), out.end(), '-', '_');
    }
    const bool run_alias = std::any_of(options.begin(), options.end(), [&](const Option& one) {
        return one.section == "run" && one.key == out;
    });
    return run_alias ? "run." + out : out;
}

bool is_name(const std::string& argument) {
    return argument.size() > 2 && argument.starts_with("--");
}

/// `student.NAME.key` is the same option as `student.key`.
const Option* named(const std::vector<Option>& options, const std::string& name) {
    if (const Option* found = look_up(options, name)) {
        return found;
    }
    const std::size_t key = name.starts_with("student.") ? name.find('.', 8) : std::string::npos;
    return key == std::string::npos ? nullptr : look_up(options, "student" + name.substr(key));
}

/// `--a-b=x` as `--a_b=x`. Boost gives a switch or a list the plain argument that follows, and
/// refuses `--a=`: here `--switch` becomes `--switch=true`, `--list x y` `--list=x --list=y`, and
/// `--a=` two arguments, the second empty.
std::vector<std::string> normalised(const std::vector<std::string>& arguments,
                                    const std::vector<Option>& options) {
    std::vector<std::string> out;
    const auto put = [&](const std::string& name, const std::string& value) {
        out.push_back("--" + name + (value.empty() ? "" : "=" + value));
        if (value.empty()) {
            out.emplace_back();
        }
    };
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        if (argument == "--") {
            out.insert(out.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i),
                       arguments.end());
            break;
        }
        if (!is_name(argument)) {
            out.push_back(argument);
            continue;
        }
        const std::size_t end = std::min(argument.find('='), argument.size());
        const std::string name = normal_name(argument.substr(2, end - 2), options);
        if (end < argument.size()) {
            const std::string value = argument.substr(end + 1);
            put(name, value);
            continue;
        }
        const Option* option = named(options, name);
        const Value like = option != nullptr ? option->get() : Value(std::string());
        const bool is_switch = std::holds_alternative<bool>(like);
        const std::size_t first = i + 1;
        while (std::holds_alternative<std::vector<std::string>>(like) && option->section.empty() &&
               i + 1 < arguments.size() && !arguments[i + 1].starts_with("--")) {
            put(name, arguments[++i]);
        }
        if (i + 1 == first) {
            out.push_back("--" + name + (is_switch ? "=true" : ""));
        }
    }
    return out;
}

po::options_description describe(const std::vector<Option>& options,
                                 const std::vector<std::string>& arguments, bool open_ended) {
    po::options_description all;
    all.add_options()("help", po::bool_switch());
    for (const Option& one : options) {
        all.add_options()(one.name().c_str(), po::value<std::string>());
    }
    for (const std::string& argument : arguments) {  // names of students are the user's
        if (open_ended && argument.starts_with("--student.")) {
            const std::string name = argument.substr(2, argument.find('=') - 2);
            if (all.find_nothrow(name, false) == nullptr) {
                all.add_options()(name.c_str(), po::value<std::string>());
            }
        }
    }
    return all;
}

}  // namespace

Arguments parse_arguments(const std::vector<std::string>& raw, const std::vector<Option>& options,
                          bool open_ended) {
    const std::vector<std::string> arguments = normalised(raw, options);
    const po::options_description known = describe(options, arguments, open_ended);
    po::positional_options_description positional;
    positional.add("positional arguments", -1);
    po::options_description all;
    all.add(known).add_options()("positional arguments", po::value<std::vector<std::string>>());
    using namespace po::command_line_style;
    try {
        const po::parsed_options parsed =
            po::command_line_parser(arguments)
                .options(all)
                .positional(positional)
                .style(allow_long | long_allow_adjacent | long_allow_next)
                .run();
        Arguments out;
        for (const po::option& one : parsed.options) {
            if (one.string_key == "positional arguments") {
                out.positional.insert(out.positional.end(), one.value.begin(), one.value.end());
            } else if (one.string_key == "help") {
                out.help = true;
            } else {
                out.named.emplace_back(one.string_key, one.value.front());
            }
        }
        return out;
    } catch (const po::unknown_option& error) {
        const std::string text = error.get_option_name().substr(2);
        const std::string name = text.substr(0, text.find('='));
        find_option(options, name, "command line");  // throws with the nearest name
        throw;
    } catch (const po::error& error) {
        fail(ExitCode::usage, "command line: {}; see --help", error.what());
    }
}

}  // namespace lrd
