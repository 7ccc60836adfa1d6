// SPDX-License-Identifier: MIT
// Backend: the one door to a device. Letters (B, T, N, C, …) are those of the design: N = B·T rows.
//
// Contract of every call:
//  - it enqueues; only synchronize() waits, and only download() brings values to the host;
//  - outputs come first; `+=` in a comment means that the call accumulates into the output;
//  - dtypes and shapes are checked once, here (backend.cpp), against one table (operands.cpp), which
//    says what may be bf16 besides f32; a device's do_x sees arguments that are known to be right;
//  - `starts` (N) i32, where it is given: the position at which row i's document begins, in the
//    sequence of T rows that holds i; 0 ≤ starts[i] ≤ i mod T. None: every sequence is one document;
//  - no call allocates device memory or waits for another; results depend on the arguments and the
//    number of threads alone (same bits every time).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/arena.hpp"
#include "core/view.hpp"

namespace lrd {

class Profile;

/// c = a·b (+ bias per column) or c += a·b. Any of the three may be a transposed view. Factors in
/// bf16 are multiplied exactly and summed in fp32; c is then rounded to what it is.
struct Product {
    View c;                   // (M, N) f32, or bf16 of factors in bf16
    View a;                   // (M, K)
    View b;                   // (K, N) of the dtype of a
    View bias = {};           // (N) or none
    bool accumulate = false;  // c += instead of c =; not together with a bias
    View packed_b = {};       // b again, as pack() has laid it out, or none
};

/// B sequences of T tokens, H heads of width D.
struct AttentionShape {
    std::int64_t B, T, H, D;
};

/// Which elements are dropped, without a mask in memory: forward and backward ask for the same
/// numbers. The number of element (row, column) is word `column mod 4` of
///   Philox4x32-10(counter {column / 4, head, low 32 bits of R, high 32 bits of R},
///                 key {low 32 bits of `key`, high 32 bits})        with R = first_row + row.
/// It is kept, times 1/(1 − rate), where number ≥ rate·2³², and else 0. R is global (sample · T +
/// position), so neither ranks nor the cut into batches show. Where there are no heads, head = 0.
struct Dropout {
    float rate = 0.0F;  // in [0, 1); 0: nothing is dropped
    std::uint64_t key = 0;
    std::int64_t first_row = 0;
};

/// What not every attention has.
struct AttentionOptions {
    View starts = {};  // row i sees the keys [starts[i], i mod T] of its sequence
    Dropout dropout =
        {};  // of the probabilities: row = query, column = key's place in its sequence
};

struct LayerNorm {
    View y;              // (N, C)  out: (h − mean)·rstd·gamma + beta, variance biased; or bf16
    View h;              // (N, C)  out: x + residual; unused without a residual
    View mean, rstd;     // (N)     out
    View x;              // (N, C)
    View residual = {};  // (N, C)  or none: then x itself is normalised
    View gamma, beta;    // (C)
    double epsilon = 1e-5;  // added to the variance
};

struct LayerNormBackward {
    View d_h;              // (N, C) +=
    View d_gamma, d_beta;  // (C)    += ; none for a frozen norm
    View d_y;              // (N, C)
    View h;                // (N, C) what was normalised
    View mean, rstd;       // (N)
    View gamma;            // (C)
};

/// Soft-max losses of R rows of logits. With p = softmax(z), p^τ = softmax(z/τ) and label y:
///   kd = τ²·KL(p_t^τ ‖ p_s^τ)         d kd/dz_s = τ·(p_s^τ − p_t^τ)
///   lm = −log p_s[y]                  d lm/dz_s = p_s − 1_y
/// A label below 0 marks padding: losses and gradient of that row are 0.
/// A teacher known by its K largest logits z_k and lse = log Σ_v e^(z_v/τ) has p_k = e^(z_k/τ − lse)
/// and one bucket for the rest, m = 1 − Σ p_k, against the student's R = 1 − Σ_k q_k (q = p_s^τ):
///   kd = τ²·[ Σ_k p_k log(p_k/q_k) + m log(m/R) ]       a lower bound of the exact one
///   d kd/dz_j = τ·(q_j − p_j) for j among the K, τ·q_j·(1 − m/R) elsewhere
struct HeadLoss {
    View z_s;       // (R, V) in: student's logits; out: its gradient, if `gradient` and no d_z
    View z_t = {};  // (R, V) teacher's logits, or none: kd is 0 without the three below
    View labels;    // (R) i32
    View kd, lm;    // (R) out, without weights
    float tau = 1.0F;
    float w_kd = 0.0F, w_lm = 0.0F;  // gradient = scale·(w_kd·d kd + w_lm·d lm)
    float scale = 1.0F;
    bool gradient = true;
    View top_ids = {};  // (R, K) i32, different in a row, in place of z_t
    View top_z = {};    // (R, K) their logits
    View lse = {};      // (R) of the teacher at this τ
    View d_z = {};      // (R, V) out: the gradient, f32 or bf16; z_s is then undefined
};

/// sum += Σ|s − t|² and d_s += scale·(s − t), over rows; with skip_first without the first row of
/// each sequence of T rows, or of each document (theory.md E22).
struct CloneLoss {
    View sum;       // (1) +=
    View d_s = {};  // (N, C) += ; none: value only
    View s, t;      // (N, C)
    std::int64_t T;
    bool skip_first = false;
    float scale = 0.0F;
    View starts = {};
};

/// One step of AdamW (Loshchilov & Hutter 2019), for g = grad_scale·grad:
///   m = β1 m + (1−β1) g;  v = β2 v + (1−β2) g²
///   p = p − lr·( (m/correction1) / (sqrt(v/correction2) + eps) + weight_decay·p )
struct AdamWStep {
    float lr, beta1, beta2, eps, weight_decay, correction1, correction2, grad_scale;
};

class Backend : public Memory {
public:
    virtual const char* name() const = 0;
    /// Of operands of products and stored activations: what models on this backend keep them in.
    DType stored() const { return stored_; }
    /// The same as settings name it, "bf16".
    const char* precision() const { return stored_ == DType::bf16 ? "bf16" : "fp32"; }
    /// Which code the device chose for this machine: with another the last bits differ.
    virtual std::string instruction_set() const = 0;

    // ---- memory
    void zero(const View& x);
    void copy(const View& to, const View& from);    ///< same dtype and shape; dense
    void upload(const View& to, const void* from);  ///< from host; `from` may change after
    void download(void* to, const View& from);      ///< valid after synchronize()
    void synchronize();
    void cast(const View& to, const View& from);  ///< f32 ↔ bf16 (or equal dtypes)

    // ---- products
    void matmul(const Product& product);
    void grouped_matmul(std::span<const Product> products);  ///< independent of each other
    /// Bytes of b (K, N) as this device multiplies it fastest; 0: as it is.
    std::size_t packed_bytes(const View& b);
    void pack(const View& packed, const View& b);  // (packed_bytes(b)) i8 = b

    // ---- pointwise and per column
    void add(const View& y, const View& x);             // y += x, any equal shape, dense
    void column_sums(const View& sums, const View& x);  // (M) += over rows of (N, M)
    void gelu(const View& y, const View& x);            // tanh form of GPT-2; y may be x
    void gelu_backward(const View& d_x, const View& d_y, const View& x);  // d_x may be d_y
    /// y = x·(0 or 1/(1 − rate)), (N, C); y may be x. Its own backward: d_x from d_y.
    void dropout(const View& y, const View& x, const Dropout& dropout);

    // ---- embedding
    void embed(const View& x, const View& table, const View& ids);  // (N,K) = (V,K)[ids (N) i32]
    void embed_backward(const View& d_table, const View& d_x, const View& ids);  // (V,K) +=
    /// x (B·T, C) += positions (T, C)[position]; a document's first has position 0.
    void add_positions(const View& x, const View& positions, const View& starts = {});
    void add_positions_backward(const View& d_positions, const View& d_x,
                                const View& starts = {});  // (T, C) +=

    // ---- transformer
    void layernorm(const LayerNorm& args);
    void layernorm_backward(const LayerNormBackward& args);
    /// Causal attention, scores scaled by 1/√D. y (N, H·D), lse (B, H, T): log-sum-exp of each
    /// row of scaled scores; qkv (N, 3·H·D): q, k, v side by side, head after head.
    void attention(const View& y, const View& lse, const View& qkv, AttentionShape shape,
                   const AttentionOptions& options = {});
    void attention_backward(const View& d_qkv, const View& d_y, const View& y, const View& lse,
                            const View& qkv, AttentionShape shape,
                            const AttentionOptions& options = {});

    // ---- generation: keys and values of the tokens so far, cache_k and cache_v (B, Tmax, H·D)
    /// Those of B sequences of T tokens, qkv (N, 3·H·D), become positions 0…T−1 of the caches.
    void store_kv(const View& cache_k, const View& cache_v, const View& qkv, AttentionShape shape);
    /// One new token per sequence, qkv (B, 3·H·D): its k and v become position lengths[b], and
    /// y (B, H·D) is its attention to positions 0…lengths[b]. lengths (B) i32 in [0, Tmax).
    void attention_decode(const View& y, const View& cache_k, const View& cache_v, const View& qkv,
                          const View& lengths, std::int64_t H);

    // ---- losses
    void head_loss(const HeadLoss& args);
    void argmax_rows(const View& best, const View& z);  // (R) i32 = first largest of (R, V)
    /// ranks (R) i32: how many of a row's logits come before the label's: those above it and, of
    /// those equal to it, the ones to its left; −1 for a label below 0. NaN comes before nobody.
    void label_ranks(const View& ranks, const View& z, const View& labels);
    void clone_loss(const CloneLoss& args);
    /// The K largest of each row of (R, V), the largest first, of equal ones the first; (R, K) both,
    /// ids i32. NaN counts as −∞.
    void top_k(const View& values, const View& ids, const View& z);
    void log_sum_exp(const View& lse, const View& z, float tau);  // (R) = log Σ e^(z/τ) of (R, V)
    /// column_sums (C) += Σ x, square_sum (1) += Σ x², over the rows that CloneLoss would take.
    void tap_moments(const View& column_sums, const View& square_sum, const View& x, std::int64_t T,
                     bool skip_first, const View& starts = {});

    // ---- reductions and optimisers
    void sum(const View& total, const View& x);          // (1) += Σ x
    void sum_squares(const View& total, const View& x);  // (1) += Σ x²
    void adamw(const View& p, const View& grad, const View& m, const View& v, AdamWStep step);
    void sgd(const View& p, const View& grad, float lr, float weight_decay, float grad_scale);

    // ---- measuring
    /// Writes every call down from now on, each waited for; null: no more.
    void set_profile(Profile* profile) { profile_ = profile; }

protected:
    explicit Backend(DType stored) : stored_(stored) {}
    /// From now on calls are checked and nothing more (make_counting_backend).
    void set_idle() { idle_ = true; }

    /// Around every call above, e.g. to open memory or mark a range in a trace.
    virtual void begin_op(const char* op) = 0;
    virtual void end_op(const char* op) noexcept = 0;

    virtual void do_zero(const View& x) = 0;
    virtual void do_copy(const View& to, const View& from) = 0;
    virtual void do_upload(const View& to, const void* from) = 0;
    virtual void do_download(void* to, const View& from) = 0;
    virtual void do_synchronize() = 0;
    virtual void do_cast(const View& to, const View& from) = 0;
    virtual void do_matmul(const Product& product) = 0;
    virtual void do_grouped_matmul(std::span<const Product> products) = 0;
    virtual std::size_t do_packed_bytes(const View& b) = 0;
    virtual void do_pack(const View& packed, const View& b) = 0;
    virtual void do_add(const View& y, const View& x) = 0;
    virtual void do_column_sums(const View& sums, const View& x) = 0;
    virtual void do_gelu(const View& y, const View& x) = 0;
    virtual void do_gelu_backward(const View& d_x, const View& d_y, const View& x) = 0;
    virtual void do_dropout(const View& y, const View& x, const Dropout& dropout) = 0;
    virtual void do_embed(const View& x, const View& table, const View& ids) = 0;
    virtual void do_embed_backward(const View& d_table, const View& d_x, const View& ids) = 0;
    virtual void do_add_positions(const View& x, const View& positions, const View& starts) = 0;
    virtual void do_add_positions_backward(const View& d_positions, const View& d_x,
                                           const View& starts) = 0;
    virtual void do_layernorm(const LayerNorm& args) = 0;
    virtual void do_layernorm_backward(const LayerNormBackward& args) = 0;
    virtual void do_attention(const View& y, const View& lse, const View& qkv, AttentionShape shape,
                              const AttentionOptions& options) = 0;
    virtual void do_attention_backward(const View& d_qkv, const View& d_y, const View& y,
                                       const View& lse, const View& qkv, AttentionShape shape,
                                       const AttentionOptions& options) = 0;
    virtual void do_store_kv(const View& cache_k, const View& cache_v, const View& qkv,
                             AttentionShape shape) = 0;
    virtual void do_attention_decode(const View& y, const View& cache_k, const View& cache_v,
                                     const View& qkv, const View& lengths, std::int64_t H) = 0;
    virtual void do_head_loss(const HeadLoss& args) = 0;
    virtual void do_argmax_rows(const View& best, const View& z) = 0;
    virtual void do_top_k(const View& values, const View& ids, const View& z) = 0;
    virtual void do_log_sum_exp(const View& lse, const View& z, float tau) = 0;
    virtual void do_label_ranks(const View& ranks, const View& z, const View& labels) = 0;
    virtual void do_clone_loss(const CloneLoss& args) = 0;
    virtual void do_tap_moments(const View& column_sums, const View& square_sum, const View& x,
                                std::int64_t T, bool skip_first, const View& starts) = 0;
    virtual void do_sum(const View& total, const View& x) = 0;
    virtual void do_sum_squares(const View& total, const View& x) = 0;
    virtual void do_adamw(const View& p, const View& grad, const View& m, const View& v,
                          AdamWStep step) = 0;
    virtual void do_sgd(const View& p, const View& grad, float lr, float weight_decay,
                        float grad_scale) = 0;

private:
    class Call;
    DType stored_;
    Profile* profile_ = nullptr;
    bool idle_ = false;
};

/// The backend of `device` ("auto", "cpu") in `precision` ("fp32", "bf16", or "auto": bf16 where the
/// device multiplies it faster), or Error(usage) that says what there is.
std::unique_ptr<Backend> make_backend(const std::string& device,
                                      const std::string& precision = "fp32");
/// FLOP/s of an (M, K)·(K, N) product of this rank, of factors as models on the backend keep them:
/// the best of `repeats`, after one that warms up.
double product_rate(Backend& backend, std::int64_t M, std::int64_t N, std::int64_t K, int repeats);
/// Bytes per second, read and written, of a copy of `bytes` bytes; likewise. Take more than caches.
double copy_rate(Backend& backend, std::int64_t bytes, int repeats);
/// A backend whose memory has addresses but no bytes and whose calls do nothing: for plans.
std::unique_ptr<Backend> make_counting_backend(const std::string& precision = "fp32");

}  // namespace lrd
