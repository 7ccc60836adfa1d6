// SPDX-License-Identifier: MIT
#include "train/save_model.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/random.hpp"
#include "io/digest.hpp"
#include "model/gpt2.hpp"
#include "model/model_file.hpp"
#include "train/run_state.hpp"
#include "train/state_file.hpp"

namespace lrd {
namespace {

constexpr const char* student = "model";

std::vector<float> logits_of(Weights& weights, const std::vector<std::int32_t>& ids,
                             BatchShape shape) {
    Backend& backend = weights.backend();
    Gpt2 model(weights, "check", shape, false);
    Arena arena(backend, "check");
    const View device_ids = arena.region("ids", DType::i32, {shape.rows()});
    const View z = arena.region("logits", DType::f32, {shape.rows(), weights.config().V});
    backend.upload(device_ids, ids.data());
    model.forward(device_ids, shape);
    model.logits(z, 0, shape.rows());
    std::vector<float> host(static_cast<std::size_t>(z.size()));
    backend.download(host.data(), z);
    backend.synchronize();
    return host;
}

}  // namespace

void save_model(const std::string& file, const Weights& weights, const std::string& code_version) {
    std::vector<NamedTensor> tensors;
    for (const Parameter& p : weights.trained().all()) {
        tensors.push_back(
            {fmt::format("/students/{}/model/{}", student, p.name), weights.parameters().view(p)});
    }
    const Json one = Json::object({{"architecture", to_json(weights.architecture())}});
    const Json state = run_state({}, {"", "", "", weights.backend().instruction_set()},
                                 Json::object({{student, one}}));
    const Provenance provenance{1, "", sha256(""), code_version};
    write_state_file(weights.backend(), file, tensors, state, provenance);
}

double logit_difference(Weights& expected, Weights& found) {
    const Gpt2Config& c = expected.config();
    const BatchShape shape{2, std::min<std::int64_t>(c.T, 64)};
    std::vector<std::int32_t> ids;
    const Random random(1, "ids of an export's check");
    for (std::int64_t i = 0; i < shape.rows(); ++i) {
        const double place = random.uniform(static_cast<std::uint64_t>(i));
        ids.push_back(static_cast<std::int32_t>(place * static_cast<double>(c.V)));
    }
    const std::vector<float> a = logits_of(expected, ids, shape);
    const std::vector<float> b = logits_of(found, ids, shape);
    constexpr double infinity = std::numeric_limits<double>::infinity();
    double largest = 0.0;
    double difference = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto x = static_cast<double>(a[i]);
        largest = std::max(largest, std::fabs(x));
        const double d = std::fabs(x - static_cast<double>(b[i]));
        difference = std::max(difference, std::isnan(d) ? infinity : d);
    }
    return largest > 0.0 ? difference / largest : difference;
}

}  // namespace lrd
