// SPDX-License-Identifier: MIT
#include "data/split_request.hpp"

#include <charconv>
#include <set>

#include "core/check.hpp"

namespace lrd {

namespace {

bool parse_fraction(const std::string& value, double& fraction) {
    const char* end = value.data() + value.size();
    const auto [stopped, error] = std::from_chars(value.data(), end, fraction);
    return error == std::errc{} && stopped == end;
}

void check_name(const std::string& name, const std::set<std::string>& taken) {
    const bool plain = !name.empty() && name.size() <= 64 &&
                       name.find_first_not_of(
                           "abcdefghijklmnopqrstuvwxyz"
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string::npos;
    if (!plain) {
        fail(ExitCode::usage, "--split {}: a split's name has 1 to 64 letters, digits, '_' or '-'",
             name);
    }
    if (name == "train") {
        fail(ExitCode::usage,
             "--split train: \"train\" is what the other splits leave of --text; name the others");
    }
    if (taken.contains(name)) {
        fail(ExitCode::usage, "the split \"{}\" is asked for twice; give it once", name);
    }
}

}  // namespace

std::vector<SplitAim> split_aims(const std::vector<SplitRequest>& requests) {
    std::vector<SplitAim> parsed = {{"train", "", 0.0}};
    std::set<std::string> names;
    double sum = 0.0;
    for (const SplitRequest& request : requests) {
        check_name(request.name, names);
        names.insert(request.name);
        SplitAim one{request.name, "", 0.0};
        if (!parse_fraction(request.value, one.fraction)) {
            one.file = request.value;
            one.fraction = 0.0;
        } else if (!(one.fraction >= 0.0 && one.fraction < 1.0)) {
            fail(ExitCode::usage,
                 "split {} = {}: a fraction is at least 0 and below 1 (0: no such split)",
                 request.name, request.value);
        }
        if (one.file.empty() && one.fraction == 0.0) {
            continue;
        }
        sum += one.fraction;
        parsed.push_back(one);
    }
    if (sum >= 1.0) {
        fail(ExitCode::usage,
             "the splits' fractions add up to {:g}; they have to leave something for train", sum);
    }
    return parsed;
}

}  // namespace lrd
