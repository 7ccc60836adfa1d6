// SPDX-License-Identifier: MIT
#include "train/cached_teacher.hpp"

#include <algorithm>

#include "core/check.hpp"
#include "core/log.hpp"

namespace lrd {
namespace {

constexpr std::int64_t logit_rows = 64;  // of a block of logits of which the K largest are kept

std::size_t tap_index(std::int64_t layer, Tap tap) {
    return static_cast<std::size_t>(layer * taps_per_layer + static_cast<int>(tap));
}

}  // namespace

CachedTeacher::CachedTeacher(Gpt2& model, std::vector<std::int64_t> clone_layers,
                             std::unique_ptr<TeacherCache> cache, std::vector<double> taus,
                             BatchShape capacity)
    : online_(model, clone_layers),
      backend_(model.weights().backend()),
      cache_(std::move(cache)),
      arena_(backend_, "teacher cache"),
      fields_(cache_->layout().fields.size()),
      hidden_(cache_->layout().find("hidden")) {
    const Gpt2Config& c = model.config();
    const std::int64_t n = capacity.rows();
    for (std::int64_t layer = 0; layer < c.L; ++layer) {
        for (const Tap tap : {Tap::hidden, Tap::attention}) {
            taps_.push_back(cache_->layout().find(tap_field(layer, tap)));
            if (taps_.back() < fields_.size()) {
                fields_[taps_.back()].layer = layer;
                fields_[taps_.back()].tap = tap;
            }
        }
    }
    std::int64_t widest = 0;
    for (std::size_t i = 0; i < fields_.size(); ++i) {
        make_field(i, n, clone_layers);
        widest = std::max(widest, cache_->layout().fields[i].bytes_per_token());
    }
    rounded_ = arena_.region("rounded", DType::bf16, {n, c.C});
    if (backend_.stored() != DType::f32) {
        wide_ = arena_.region("wide", DType::f32, {n, c.C});
    }
    staging_.resize(static_cast<std::size_t>(n * widest));
    missing_.resize(static_cast<std::size_t>(capacity.B));
    writes_.resize(missing_.size());
    if (!taus.empty()) {
        z_ = arena_.region("logits", DType::f32, {std::min(logit_rows, n), c.V});
        top_k_ = TopK{fields_[0].values, fields_[1].values, taus, {}};
        for (std::size_t t = 0; t < taus.size(); ++t) {
            top_k_->lse.push_back(fields_[2 + t].values.reshape({n}));
        }
    }
}

void CachedTeacher::make_field(std::size_t i, std::int64_t rows,
                               std::span<const std::int64_t> clone_layers) {
    const CacheField& field = cache_->layout().fields[i];
    fields_[i].used =
        fields_[i].layer < 0 ||
        std::binary_search(clone_layers.begin(), clone_layers.end(), fields_[i].layer);
    if (fields_[i].used) {
        const DType dtype = field.stored == DType::i32 ? DType::i32
                            : i == hidden_             ? backend_.stored()
                                                       : DType::f32;
        fields_[i].values = arena_.region(field.name, dtype, {rows, field.width});
    }
}

void CachedTeacher::run(const View& ids, BatchShape batch, std::span<const std::int64_t> windows,
                        const View& starts) {
    batch_ = batch;
    cached_ = !windows.empty();
    if (!cached_) {
        online_.run(ids, batch, {}, starts);
        return;
    }
    LRD_CHECK(batch.T == cache_->layout().T && static_cast<std::int64_t>(windows.size()) == batch.B,
              "{} windows for {} × {}", windows.size(), batch.B, batch.T);
    cache_->heartbeat();
    const bool computed = compute(ids, windows, starts);
    for (std::size_t field = 0; field < fields_.size(); ++field) {
        if (computed) {
            keep(field, windows);
        }
        if (fields_[field].used) {
            fetch(field, windows);
            show(field);
        }
    }
    for (std::size_t b = 0; b < windows.size(); ++b) {
        if (writes_[b]) {
            cache_->commit(windows[b]);
        }
        ++(missing_[b] ? account_.computed : account_.read);
    }
}

/// Runs the model if a window is missing.
bool CachedTeacher::compute(const View& ids, std::span<const std::int64_t> windows,
                            const View& starts) {
    bool any = false;
    for (std::size_t b = 0; b < windows.size(); ++b) {
        missing_[b] = !cache_->has(windows[b]);
        writes_[b] = missing_[b] && cache_->claim(windows[b]);
        any = any || missing_[b];
    }
    if (any) {
        online_.run(ids, batch_, {}, starts);
        if (top_k_) {
            choose_top_k();
        }
    }
    return any;
}

/// From the exact logits, block by block.
void CachedTeacher::choose_top_k() {
    const std::int64_t n = batch_.rows();
    for (std::int64_t begin = 0; begin < n; begin += z_.rows()) {
        const std::int64_t end = std::min(begin + z_.rows(), n);
        const View z = z_.slice(0, end - begin);
        online_.logits(z, begin, end);
        backend_.top_k(top_k_->logits.slice(begin, end), top_k_->ids.slice(begin, end), z);
        for (std::size_t t = 0; t < top_k_->taus.size(); ++t) {
            backend_.log_sum_exp(top_k_->lse[t].slice(begin, end), z,
                                 static_cast<float>(top_k_->taus[t]));
        }
    }
}

/// (N, width) of the model, not yet rounded.
View CachedTeacher::source_of(std::size_t field) const {
    if (field == hidden_) {
        return online_.model().hidden();
    }
    const Field& f = fields_[field];
    return f.layer < 0 ? rows(f.values) : online_.tap(f.layer, f.tap);
}

/// Rounds what was computed, brings it to the host and writes what the cache wants of it.
void CachedTeacher::keep(std::size_t field, std::span<const std::int64_t> windows) {
    const CacheField& what = cache_->layout().fields[field];
    View from = source_of(field);
    if (what.stored != from.dtype()) {
        const View to = rows(scratch_of(what.stored));
        backend_.cast(to, from);
        from = to;
    }
    backend_.download(staging_.data(), from);
    backend_.synchronize();
    const double start = log::now();
    const std::size_t bytes = cache_->layout().field_bytes(field);
    for (std::size_t b = 0; b < windows.size(); ++b) {
        if (writes_[b]) {
            cache_->write(windows[b], field, {staging_.data() + b * bytes, bytes});
        }
    }
    account_.write_s += log::now() - start;
}

/// Puts what the cache has of the field beside what was computed.
void CachedTeacher::fetch(std::size_t field, std::span<const std::int64_t> windows) {
    const double start = log::now();
    const std::size_t bytes = cache_->layout().field_bytes(field);
    for (std::size_t b = 0; b < windows.size(); ++b) {
        if (!missing_[b]) {
            cache_->read(windows[b], field, {staging_.data() + b * bytes, bytes});
        }
    }
    account_.read_s += log::now() - start;
}

/// From the host to what students see.
void CachedTeacher::show(std::size_t field) {
    const View values = rows(fields_[field].values);
    const DType stored = cache_->layout().fields[field].stored;
    if (stored != values.dtype()) {
        const View from = rows(scratch_of(stored));
        backend_.upload(from, staging_.data());
        backend_.cast(values, from);
    } else {
        backend_.upload(values, staging_.data());
    }
}

View CachedTeacher::tap(std::int64_t layer, Tap tap) const {
    if (!cached_) {
        return online_.tap(layer, tap);
    }
    const std::size_t field = taps_[tap_index(layer, tap)];
    LRD_CHECK(field < fields_.size() && fields_[field].used, "no tap of layer {}", layer);
    return rows(fields_[field].values);
}

void CachedTeacher::logits(const View& z, std::int64_t begin, std::int64_t end) {
    if (!cached_) {
        online_.logits(z, begin, end);
        return;
    }
    LRD_CHECK(hidden_ < fields_.size(), "no exact logits in a cache of the K largest");
    weights().embedding().logits(backend_, z, fields_[hidden_].values.slice(begin, end), {});
}

}  // namespace lrd
