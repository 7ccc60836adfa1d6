// SPDX-License-Identifier: MIT
#include "config/command_line.hpp"

#include <algorithm>
#include <boost/program_options.hpp>

#include "core/check.hpp"

namespace lrd {
namespace {

namespace po = boost::program_options;

/// Hyphens in a name are underscores; a name without a section that only [run] has is run.*.
std::string normal_name(const std::string& name, const std::vector<Option>& options) {
    std::string out = name;
    std::replace(out.begin(), out.end(), '-', '_');
    const bool run_alias = std::any_of(options.begin(), options.end(), [&](const Option& one) {
        return one.section == "run" && one.key == out;
    });
    return run_alias ? "run." + out : out;
}

/// `--a-b=x` as `--a_b=x`; what is not an option stays.
std::vector<std::string> normalised(const std::vector<std::string>& arguments,
                                    const std::vector<Option>& options) {
    std::vector<std::string> out;
    bool ended = false;
    for (const std::string& argument : arguments) {
        ended = ended || argument == "--";
        if (ended || !argument.starts_with("--") || argument.size() == 2) {
            out.push_back(argument);
            continue;
        }
        const std::size_t end = std::min(argument.find('='), argument.size());
        out.push_back("--" + normal_name(argument.substr(2, end - 2), options) + argument.substr(end));
    }
    return out;
}

po::options_description describe(const std::vector<Option>& options,
                                 const std::vector<std::string>& arguments, bool open_ended) {
    po::options_description all;
    all.add_options()("help", po::bool_switch());
    for (const Option& one : options) {
        const Value like = one.get();
        if (std::holds_alternative<bool>(like)) {
            all.add_options()(one.name().c_str(), po::value<std::string>()->implicit_value("true", ""));
        } else if (std::holds_alternative<std::vector<std::string>>(like)) {
            all.add_options()(one.name().c_str(), po::value<std::vector<std::string>>()->multitoken());
        } else {
            all.add_options()(one.name().c_str(), po::value<std::string>());
        }
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
            } else if (one.value.empty()) {
                out.named.emplace_back(one.string_key, "true");
            } else {
                for (const std::string& value : one.value) {
                    out.named.emplace_back(one.string_key, value);
                }
            }
        }
        return out;
    } catch (const po::unknown_option& error) {
        const std::string name = error.get_option_name().substr(2);
        find_option(options, name, "command line");  // throws with the nearest name
        throw;
    } catch (const po::error& error) {
        fail(ExitCode::usage, "command line: {}; see --help", error.what());
    }
}

}  // namespace lrd
