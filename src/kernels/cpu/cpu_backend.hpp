// SPDX-License-Identifier: MIT
// CpuBackend: oneDNN for the products, own vectorised loops for the rest, OpenMP over both.
#pragma once

#include <memory>

#include "kernels/backend.hpp"

namespace lrd {

class Team;

/// Every call is done when it returns. Its working memory grows on the first call of a shape and
/// stays. One call at a time; the number of threads is OpenMP's at the time of the call.
class CpuBackend : public Backend {
public:
    explicit CpuBackend(DType stored = DType::f32);
    /// Whether this processor multiplies bf16 faster than fp32.
    static bool has_bf16();
    ~CpuBackend() override;
    CpuBackend(const CpuBackend&) = delete;
    CpuBackend& operator=(const CpuBackend&) = delete;

    const char* name() const override { return "cpu"; }
    void* allocate(std::size_t bytes) override;
    void release(void* data, std::size_t bytes) noexcept override;
    void discard(const View& view) noexcept override;
    void begin_host_access(const View&) override {}
    void end_host_access(const View&) noexcept override {}
    bool is_host() const override { return true; }
    std::string instruction_set() const override;

protected:
    void begin_op(const char*) override {}
    void end_op(const char*) noexcept override {}

    void do_zero(const View& x) override;
    void do_copy(const View& to, const View& from) override;
    void do_upload(const View& to, const void* from) override;
    void do_download(void* to, const View& from) override;
    void do_synchronize() override {}
    void do_cast(const View& to, const View& from) override;
    void do_matmul(const Product& product) override;
    void do_grouped_matmul(std::span<const Product> products) override;
    std::size_t do_packed_bytes(const View& b) override;
    void do_pack(const View& packed, const View& b) override;
    void do_add(const View& y, const View& x) override;
    void do_column_sums(const View& sums, const View& x) override;
    void do_gelu(const View& y, const View& x) override;
    void do_gelu_backward(const View& d_x, const View& d_y, const View& x) override;
    void do_dropout(const View& y, const View& x, const Dropout& dropout) override;
    void do_embed(const View& x, const View& table, const View& ids) override;
    void do_embed_backward(const View& d_table, const View& d_x, const View& ids) override;
    void do_add_positions(const View& x, const View& positions, const View& starts) override;
    void do_add_positions_backward(const View& d_positions, const View& d_x,
                                   const View& starts) override;
    void do_layernorm(const LayerNorm& args) override;
    void do_layernorm_backward(const LayerNormBackward& args) override;
    void do_attention(const View& y, const View& lse, const View& qkv, AttentionShape shape,
                      const AttentionOptions& options) override;
    void do_attention_backward(const View& d_qkv, const View& d_y, const View& y, const View& lse,
                               const View& qkv, AttentionShape shape,
                               const AttentionOptions& options) override;
    void do_store_kv(const View& cache_k, const View& cache_v, const View& qkv,
                     AttentionShape shape) override;
    void do_attention_decode(const View& y, const View& cache_k, const View& cache_v,
                             const View& qkv, const View& lengths, std::int64_t H) override;
    void do_head_loss(const HeadLoss& args) override;
    void do_argmax_rows(const View& best, const View& z) override;
    void do_top_k(const View& values, const View& ids, const View& z) override;
    void do_log_sum_exp(const View& lse, const View& z, float tau) override;
    void do_label_ranks(const View& ranks, const View& z, const View& labels) override;
    void do_clone_loss(const CloneLoss& args) override;
    void do_tap_moments(const View& column_sums, const View& square_sum, const View& x,
                        std::int64_t T, bool skip_first, const View& starts) override;
    void do_sum(const View& total, const View& x) override;
    void do_sum_squares(const View& total, const View& x) override;
    void do_adamw(const View& p, const View& grad, const View& m, const View& v,
                  AdamWStep step) override;
    void do_sgd(const View& p, const View& grad, float lr, float weight_decay,
                float grad_scale) override;

private:
    std::unique_ptr<Team> team_;
};

}  // namespace lrd
