// SPDX-License-Identifier: MIT
// Documents packed into one window with a document mask are what each is alone: hidden states,
// losses, gradients. The reference knows no mask; it sees every document as a batch of its own.
#include <gtest/gtest.h>

#include "model/device_step.hpp"
#include "reference/compare.hpp"
#include "reference/random_student.hpp"

namespace lrd::test {
namespace {

using namespace reference;

constexpr Sizes sizes{.L = 2, .C = 15, .H = 3, .D = 6, .F = 37, .T = 17, .V = 101};
// Lengths of the documents of each window; one of a single token, which has nothing to score.
const std::vector<std::vector<std::size_t>> windows = {{4, 1, 8}, {6, 7}};
constexpr std::size_t T = 13;

struct Packed {
    Batch all;
    std::vector<Batch> documents;  // one sequence each, in order
};

Packed pack() {
    Packed out{random_batch(sizes, windows.size(), T, 5), {}};
    out.all.starts.resize(out.all.ids.size());
    std::size_t row = 0;
    for (const std::vector<std::size_t>& lengths : windows) {
        for (const std::size_t length : lengths) {
            Batch document{1, length, Ids(length), Ids(length)};
            const std::size_t first = row;
            for (std::size_t i = 0; i < length; ++i, ++row) {
                if (i + 1 == length) {
                    out.all.labels[row] = -1;  // the next document's first token
                }
                out.all.starts[row] = static_cast<std::int32_t>(first % T);
                document.ids[i] = out.all.ids[row];
                document.labels[i] = out.all.labels[row];
            }
            out.documents.push_back(document);
        }
    }
    return out;
}

void add_scaled(Model& to, const Model& from, double factor) {
    for (const auto& [name, value] : from) {
        Matrix& sum = to.try_emplace(name, value.rows, value.cols).first->second;
        for (std::size_t i = 0; i < value.data.size(); ++i) {
            sum.data[i] += factor * value.data[i];
        }
    }
}

struct Expected {
    double kd = 0.0, lm = 0.0, clone = 0.0;
    Model gradient;
    Matrix hidden, logits, teacher_hidden;
    std::vector<Matrix> taps;
};

void append(Matrix& to, const Matrix& rows) {
    to.rows += rows.rows;
    to.cols = rows.cols;
    to.data.insert(to.data.end(), rows.data.begin(), rows.data.end());
}

/// Means over all scored tokens, and over all rows of the clone term, of the documents.
Expected alone(const Packed& packed, const Losses& losses, const Model& student,
               const Model& teacher, const Vector& variance) {
    Losses head = losses, clone = losses;
    head.clone = 0.0;
    clone.kd = clone.lm = 0.0;
    double targets = 0.0, clone_rows = 0.0;
    const auto rows_of = [&](const Batch& d) {
        return static_cast<double>(losses.skip_first ? d.T - 1 : d.T);
    };
    for (const Batch& d : packed.documents) {
        targets += static_cast<double>(d.T - 1);
        clone_rows += rows_of(d);
    }
    Expected out;
    out.taps.resize(2 * sizes.L);
    for (const Batch& d : packed.documents) {
        const DistillStep a = distill(sizes, head, student, teacher, d, variance);
        const double share = static_cast<double>(d.T) / targets;  // the reference's means: all rows
        out.kd += share * a.kd;
        out.lm += share * a.lm;
        add_scaled(out.gradient, a.gradient, share);
        if (rows_of(d) > 0.0) {
            const DistillStep b = distill(sizes, clone, student, teacher, d, variance);
            out.clone += rows_of(d) / clone_rows * b.clone;
            add_scaled(out.gradient, b.gradient, rows_of(d) / clone_rows);
        }
        append(out.hidden, a.student.hidden);
        append(out.logits, a.student.logits);
        append(out.teacher_hidden, a.teacher.hidden);
        for (std::size_t i = 0; i < out.taps.size(); ++i) {
            append(out.taps[i], a.student.taps[i]);
        }
    }
    return out;
}

struct Setting {
    std::string name, form, reduction;
    bool skip_first;
};

class PackedDocuments : public testing::TestWithParam<Setting> {};

TEST_P(PackedDocuments, AreWhatEachIsAlone) {
    const Setting& s = GetParam();
    const Losses losses{0.7, 1.3, 0.9, 2.0, s.reduction, s.skip_first};
    const Model teacher = random_teacher(sizes, 11);
    const Model student =
        random_student(sizes, teacher, {{s.form, 6}}, s.form == "dense" ? 0 : 5, 12);
    Packed packed = pack();
    const Vector variance(2 * sizes.L, 1.7);
    const Expected want = alone(packed, losses, student, teacher, variance);

    const std::unique_ptr<Backend> backend = make_backend("cpu");
    DeviceStep device(*backend, sizes, losses, {}, teacher, student,
                      {static_cast<std::int64_t>(windows.size()), static_cast<std::int64_t>(T)}, 7);
    const DistillStep got = device.run({packed.all}, variance);
    expect_close("hidden", got.student.hidden, want.hidden, 1e-5);
    expect_close("teacher's hidden", got.teacher.hidden, want.teacher_hidden, 1e-5);
    expect_close("logits", got.student.logits, want.logits, 1e-5);
    for (std::size_t i = 0; i < want.taps.size(); ++i) {
        expect_close("tap " + std::to_string(i), got.student.taps[i], want.taps[i], 1e-5);
    }
    expect_close("kd", got.kd, want.kd, 1e-5);
    expect_close("lm", got.lm, want.lm, 1e-5);
    expect_close("clone", got.clone, want.clone, 1e-5);
    expect_close("gradient", got.gradient, want.gradient, 2e-5, 1e-6);

    packed.all.starts.clear();  // without the mask, documents see each other
    const DistillStep open = device.run({packed.all}, variance);
    double largest = 0.0;
    for (std::size_t i = 0; i < want.hidden.data.size(); ++i) {
        largest = std::max(largest, std::fabs(open.student.hidden.data[i] - want.hidden.data[i]));
    }
    EXPECT_GT(largest, 0.01);
}

INSTANTIATE_TEST_SUITE_P(Settings, PackedDocuments,
                         testing::Values(Setting{"lifted_mean", "lifted", "mean", false},
                                         Setting{"lifted_relative_skip", "lifted", "relative",
                                                 true},
                                         Setting{"factored_sum_skip", "factored", "sum", true},
                                         Setting{"dense_mean_skip", "dense", "mean", true}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace lrd::test
