// SPDX-License-Identifier: MIT
#include "train/trace_file.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/log.hpp"
#include "io/publish.hpp"
#include "train/process.hpp"

namespace lrd {
namespace {

constexpr std::int64_t format_version = 1;

constexpr std::array<const char*, 5> track_names = {"steps", "phases", "ops", "waiting for ranks",
                                                    "reductions under way"};

Json event(const char* kind, int rank, Track track, const std::string& name) {
    return Json::object(
        {{"ph", kind}, {"pid", rank}, {"tid", static_cast<int>(track)}, {"name", name}});
}

std::string line(const Json& one) { return one.dump() + ",\n"; }

/// How the lines of a rank are called, and in which order they stand.
std::string names_of(int rank) {
    Json process = event("M", rank, Track::steps, "process_name");
    process["args"] = Json::object({{"name", fmt::format("rank {} on {}", rank, host_name())}});
    Json order = event("M", rank, Track::steps, "process_sort_index");
    order["args"] = Json::object({{"sort_index", rank}});
    std::string text = line(process) + line(order);
    for (std::size_t i = 0; i < track_names.size(); ++i) {
        const auto track = static_cast<Track>(i);
        Json thread = event("M", rank, track, "thread_name");
        thread["args"] = Json::object({{"name", track_names[i]}});
        Json place = event("M", rank, track, "thread_sort_index");
        place["args"] = Json::object({{"sort_index", i}});
        text += line(thread) + line(place);
    }
    return text;
}

Json arguments_of(const Span& span) {
    Json args = Json::object();
    if (span.number >= 0) {
        args["number"] = span.number;
    }
    if (span.cost.flops > 0.0) {
        args["flops"] = span.cost.flops;
    }
    if (span.cost.bytes > 0.0) {
        args["bytes"] = span.cost.bytes;
    }
    return args;
}

/// Reductions lie across each other, which only events with an id may.
std::string lines_of(const Span& span, int rank, double zero, std::size_t id) {
    const auto microseconds = [&](double time) { return (time - zero) * 1e6; };
    const bool overlaps = span.track == Track::reductions;
    Json one = event(overlaps ? "b" : "X", rank, span.track, span.name);
    one["ts"] = microseconds(span.begin);
    if (!overlaps) {
        one["dur"] = (span.end - span.begin) * 1e6;
        one["args"] = arguments_of(span);
        return line(one);
    }
    Json end = event("e", rank, span.track, span.name);
    end["ts"] = microseconds(span.end);
    for (Json* half : {&one, &end}) {
        (*half)["cat"] = "reduction";
        (*half)["id"] = fmt::format("{}.{}", rank, id);
    }
    one["args"] = arguments_of(span);
    return line(one) + line(end);
}

std::string events_of(const Profile& profile, double zero, int rank) {
    std::string text = names_of(rank);
    for (std::size_t i = 0; i < profile.spans().size(); ++i) {
        text += lines_of(profile.spans()[i], rank, zero, i);
    }
    return text;
}

}  // namespace

double common_zero(Communicator& world) {
    std::array<double, 9> mine{};
    for (double& time : mine) {
        world.barrier();
        time = log::now();
    }
    std::string bytes(sizeof mine, '\0');
    std::memcpy(bytes.data(), mine.data(), sizeof mine);
    world.broadcast(bytes, 0);
    std::array<double, 9> root{};
    std::memcpy(root.data(), bytes.data(), sizeof root);
    std::array<double, 9> ahead{};
    std::transform(mine.begin(), mine.end(), root.begin(), ahead.begin(), std::minus<>());
    std::nth_element(ahead.begin(), ahead.begin() + ahead.size() / 2, ahead.end());
    return root.back() + ahead[ahead.size() / 2];
}

void write_trace(const std::string& path, const Profile& profile, double zero,
                 const std::vector<OpRow>& ops, const MachineRates& rates, Json about,
                 Communicator& world) {
    double lost[] = {static_cast<double>(profile.lost())};
    world.all_reduce_sum(lost);
    std::string events = world.gather(events_of(profile, zero, world.rank()), 0);
    if (world.rank() != 0) {
        return;
    }
    events.resize(events.size() - 2);  // the last comma
    about["format_version"] = format_version;
    about["ranks"] = world.size();
    about["spans_lost"] = static_cast<std::int64_t>(lost[0]);
    about["product_gflop_per_s"] = rates.product / 1e9;
    about["copy_gb_per_s"] = rates.copy / 1e9;
    about["ops"] = ops_json(ops);
    publish_text(path, "{\"displayTimeUnit\": \"ms\",\n\"lrd\": " + about.dump() +
                           ",\n\"traceEvents\": [\n" + events + "\n]}\n");
    if (lost[0] > 0.0) {
        log::warning("{} is full: {:.0f} spans are missing; profile fewer steps", path, lost[0]);
    }
}

}  // namespace lrd
