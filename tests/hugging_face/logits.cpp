// SPDX-License-Identifier: MIT
// Logits of a MODEL for one window of ids, raw: logits MODEL IDS OUT (int32 in, float32 out).
#include <cstdio>
#include <exception>
#include <fstream>
#include <vector>

#include "model/gpt2.hpp"
#include "train/model_reference.hpp"

int main(int count, char** arguments) try {
    if (count != 4) {
        return 64;
    }
    std::ifstream in(arguments[2], std::ios::binary | std::ios::ate);
    std::vector<std::int32_t> ids(static_cast<std::size_t>(in.tellg()) / sizeof(std::int32_t));
    in.seekg(0);
    in.read(reinterpret_cast<char*>(ids.data()),
            static_cast<std::streamsize>(ids.size() * sizeof(std::int32_t)));
    const auto T = static_cast<std::int64_t>(ids.size());

    const auto backend = lrd::make_backend("cpu");
    const lrd::LoadedModel model = lrd::load_model(*backend, arguments[1]);
    lrd::Gpt2 net(*model.weights, "logits", {1, T}, false);
    lrd::Arena arena(*backend, "logits");
    const lrd::View device_ids = arena.region("ids", lrd::DType::i32, {T});
    const lrd::View z = arena.region("z", lrd::DType::f32, {T, model.weights->config().V});
    backend->upload(device_ids, ids.data());
    net.forward(device_ids, {1, T});
    net.logits(z, 0, T);
    std::vector<float> host(static_cast<std::size_t>(z.size()));
    backend->download(host.data(), z);
    backend->synchronize();
    std::ofstream(arguments[3], std::ios::binary)
        .write(reinterpret_cast<const char*>(host.data()),
               static_cast<std::streamsize>(host.size() * sizeof(float)));
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "logits: %s\n", error.what());
    return 1;
}
