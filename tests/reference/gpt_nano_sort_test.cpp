// SPDX-License-Identifier: MIT
// A small trained GPT-2 of others with a head of its own, and its author's dump of every
// intermediate of one batch: read as a directory of Hugging Face, each must come out again.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>

#include "io/publish.hpp"
#include "io/safetensors.hpp"
#include "model/gpt2.hpp"
#include "model/hf_config.hpp"
#include "model/hf_weights.hpp"
#include "temporary_directory.hpp"

namespace lrd::test {
namespace {

constexpr const char* config_text = R"({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"],
    "n_layer": 3, "n_head": 3, "n_embd": 48, "n_positions": 11, "vocab_size": 3,
    "activation_function": "gelu_new", "layer_norm_epsilon": 1e-05, "tie_word_embeddings": false})";
constexpr std::int64_t B = 3, T = 11, H = 3, D = 16, C = 48, N = B * T;

class GptNanoSort : public testing::Test {
protected:
    void SetUp() override {
        const char* data = std::getenv("LRD_DATA");
        if (data == nullptr) {
            GTEST_SKIP() << "LRD_DATA is not set; it names the folder with gpt-nano-sort";
        }
        const std::string from = std::string(data) + "/gpt-nano-sort/gpt-nano-sort.";
        publish_text(folder_ / "config.json", config_text);
        std::filesystem::create_symlink(from + "hf-layout.safetensors",
                                        folder_ / "model.safetensors");
        dump_.emplace(safetensors::File::open(from + "reference-activations.safetensors"));
        weights_ = std::make_unique<Weights>(*backend_, "gpt-nano-sort",
                                             hf::read_config(folder_.path()), Use::training);
        hf::read_weights(folder_.path(), *weights_);
        model_ = std::make_unique<Gpt2>(*weights_, "gpt-nano-sort", BatchShape{B, T}, true);
    }

    /// As it stands in the dump: masked scores are −∞, which no weight may be.
    template <class T>
    std::vector<T> dumped(const std::string& name) {
        const safetensors::Tensor& tensor = *dump_->find(name);
        std::vector<T> values(tensor.size());
        std::ifstream file(dump_->path(), std::ios::binary);
        file.seekg(static_cast<std::streamoff>(tensor.begin));
        file.read(reinterpret_cast<char*>(values.data()),
                  static_cast<std::streamsize>(values.size() * sizeof(T)));
        return values;
    }
    std::vector<float> get(const View& x) {
        std::vector<float> host(static_cast<std::size_t>(x.size()));
        backend_->download(host.data(), x);
        backend_->synchronize();
        return host;
    }
    void expect(const std::string& name, const std::vector<float>& found) {
        const std::vector<float> wanted = dumped<float>(name);
        ASSERT_EQ(found.size(), wanted.size()) << name;
        for (std::size_t i = 0; i < found.size(); ++i) {
            if (std::isinf(wanted[i])) {  // masked scores
                ASSERT_EQ(found[i], wanted[i]) << name << " " << i;
            } else {
                ASSERT_NEAR(found[i], wanted[i], 1e-5) << name << " " << i;
            }
        }
    }

    TemporaryDirectory folder_;
    std::unique_ptr<Backend> backend_ = make_backend("cpu");
    std::optional<safetensors::File> dump_;
    std::unique_ptr<Weights> weights_;
    std::unique_ptr<Gpt2> model_;
};

std::vector<float> difference(std::vector<float> a, const std::vector<float>& b) {
    std::transform(a.begin(), a.end(), b.begin(), a.begin(), std::minus<>());
    return a;
}

/// q, k or v (B, H, T, D) out of the rows (N, 3·H·D).
std::vector<float> heads(const std::vector<float>& qkv, std::int64_t which) {
    std::vector<float> out;
    for (std::int64_t b = 0; b < B; ++b) {
        for (std::int64_t h = 0; h < H; ++h) {
            for (std::int64_t t = 0; t < T; ++t) {
                const std::int64_t at = ((b * T + t) * 3 + which) * C + h * D;
                out.insert(out.end(), qkv.begin() + at, qkv.begin() + at + D);
            }
        }
    }
    return out;
}

/// Scores q kᵀ/√D (B, H, T, T), −∞ above the diagonal.
std::vector<float> scores(const std::vector<float>& q, const std::vector<float>& k) {
    std::vector<float> out;
    for (std::int64_t head = 0; head < B * H; ++head) {
        for (std::int64_t i = 0; i < T; ++i) {
            for (std::int64_t j = 0; j < T; ++j) {
                double dot = j > i ? -std::numeric_limits<double>::infinity() : 0.0;
                for (std::int64_t d = 0; d < D && j <= i; ++d) {
                    dot +=
                        static_cast<double>(q[static_cast<std::size_t>((head * T + i) * D + d)]) *
                        static_cast<double>(k[static_cast<std::size_t>((head * T + j) * D + d)]);
                }
                out.push_back(static_cast<float>(dot / std::sqrt(static_cast<double>(D))));
            }
        }
    }
    return out;
}

/// exp(x − shift of the row).
std::vector<float> exponentials(std::vector<float> x, const std::vector<float>& shift) {
    const std::size_t width = x.size() / shift.size();
    for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = std::exp(x[i] - shift[i / width]);
    }
    return x;
}

std::vector<float> log_sum_exp(const std::vector<float>& z, std::size_t width) {
    std::vector<float> out;
    for (std::size_t row = 0; row < z.size(); row += width) {
        double sum = 0.0;
        for (std::size_t i = 0; i < width; ++i) {
            sum += std::exp(static_cast<double>(z[row + i]));
        }
        out.push_back(static_cast<float>(std::log(sum)));
    }
    return out;
}

TEST_F(GptNanoSort, EveryIntermediate) {
    Arena arena(*backend_, "test");
    const View ids = arena.region("ids", DType::i32, {N});
    const View tokens = arena.region("tokens", DType::f32, {N, C});
    const View z = arena.region("z", DType::f32, {N, 3});
    const std::vector<std::int64_t> input = dumped<std::int64_t>("input_ids");
    const std::vector<std::int32_t> narrow(input.begin(), input.end());
    backend_->upload(ids, narrow.data());
    model_->forward(ids, {B, T});
    model_->logits(z, 0, N);
    weights_->embedding().forward(*backend_, tokens, ids, {});

    const Activations& all = model_->activations();
    const BlockActivations& block = all.blocks.front();
    expect("tok_emb", get(tokens));
    expect("pos_emb", get(weights_->positions()));
    expect("x", get(all.embedded));
    expect("ln1", get(block.ln_1));
    expect("qkv", get(block.qkv));
    const std::vector<float> qkv = get(block.qkv);
    const std::vector<float> q = heads(qkv, 0);
    const std::vector<float> k = heads(qkv, 1);
    expect("q", q);
    expect("k", k);
    expect("v", heads(qkv, 2));
    expect("att", scores(q, k));
    expect("attSm", exponentials(scores(q, k), get(block.lse)));
    expect("y", get(block.att));
    expect("yProj", get(block.a));
    expect("attnResid", get(block.h_mid));
    expect("ln2", get(block.ln_2));
    expect("fc", get(block.fc));
    expect("gelu", get(block.gelu));
    expect("mlp", difference(get(model_->tap(0, Tap::hidden)), get(block.h_mid)));
    expect("mlpResid", get(model_->tap(0, Tap::hidden)));
    expect("block0", get(model_->tap(0, Tap::hidden)));
    expect("block1", get(model_->tap(1, Tap::hidden)));
    expect("block2", get(model_->tap(2, Tap::hidden)));
    expect("ln_f", get(model_->hidden()));
    expect("lm_head", get(z));
    expect("probs", exponentials(get(z), log_sum_exp(get(z), 3)));
}

}  // namespace
}  // namespace lrd::test
