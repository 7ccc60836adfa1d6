// SPDX-License-Identifier: MIT
#include "commands/bench_sweep.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "commands/bench_setup.hpp"
#include "core/log.hpp"

namespace lrd {
namespace {

/// One value of what a table is about, and the options of its row.
struct Point {
    std::int64_t value;
    BenchOptions options;
};

/// T from an eighth of --context up.
std::vector<Point> lengths(const BenchOptions& o) {
    std::vector<Point> points;
    for (const std::int64_t part : {8, 4, 2, 1}) {
        BenchOptions one = o;
        one.context = std::max<std::int64_t>(1, o.context / part);
        points.push_back({one.context, one});
    }
    return points;
}

/// r from a half of the first --rank up to four times, as far as the teacher is wide; one student.
std::vector<Point> ranks(const BenchOptions& o) {
    const std::int64_t widest = bench_config(o.config, o.context).C;
    std::vector<Point> points;
    for (const std::int64_t times : {1, 2, 4, 8}) {
        BenchOptions one = o;
        one.rank = {std::max<std::int64_t>(1, o.rank.front() * times / 2)};
        if (one.rank.front() <= widest) {
            points.push_back({one.rank.front(), one});
        }
    }
    return points;
}

/// K students of the first --rank.
std::vector<Point> students(const BenchOptions& o) {
    std::vector<Point> points;
    for (const std::int64_t k : {1, 2, 4}) {
        BenchOptions one = o;
        one.rank.assign(static_cast<std::size_t>(k), o.rank.front());
        points.push_back({k, one});
    }
    return points;
}

/// Short steps are repeated until they have taken a fifth of a second: of three, a median says little.
double time_well(BenchSetup& setup, std::int64_t steps, Backend& backend, Communicator& world) {
    constexpr double enough = 0.2;
    const double seconds = setup.time_steps(backend, world, steps);
    const auto more = static_cast<std::int64_t>(enough / seconds);
    return more > steps ? setup.time_steps(backend, world, more) : seconds;
}

Json table(const char* letter, const std::vector<Point>& points, Backend& backend,
           Communicator& world) {
    Json rows = Json::array();
    double first_seconds = 0.0;
    double first_flops = 0.0;
    for (const Point& point : points) {
        log::info("bench: {} = {} …", letter, point.value);
        BenchSetup setup(point.options, backend, world);
        const double seconds = time_well(setup, point.options.steps, backend, world);
        const double flops = setup.flops(world.size());
        if (rows.size() == 0) {
            first_seconds = seconds;
            first_flops = flops;
        }
        rows.push(Json::object({{letter, point.value},
                                {"seconds_per_step", seconds},
                                {"measured", seconds / first_seconds},
                                {"flop_model", flops / first_flops}}));
    }
    return rows;
}

}  // namespace

Json bench_sweep(const BenchOptions& o, Backend& backend, Communicator& world) {
    return Json::object({{"context", table("T", lengths(o), backend, world)},
                         {"rank", table("r", ranks(o), backend, world)},
                         {"students", table("K", students(o), backend, world)}});
}

void print_sweep(const Json& tables) {
    for (const auto& [name, rows] : tables.as_object()) {
        const std::string& letter = rows.at(0).as_object().front().first;
        fmt::print("\n{:>8}{:>12}{:>12}{:>12}\n", letter, "s/step", "measured", "FLOP model");
        for (const Json& row : rows.as_array()) {
            fmt::print("{:>8}{:>12.4f}{:>11.2f}x{:>11.2f}x\n", row.at(letter).as_int(),
                       row.at("seconds_per_step").as_double(), row.at("measured").as_double(),
                       row.at("flop_model").as_double());
        }
    }
}

}  // namespace lrd
