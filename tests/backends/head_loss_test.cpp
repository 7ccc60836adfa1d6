// SPDX-License-Identifier: MIT
#include "backends/backend_test.hpp"

namespace lrd::test {
namespace {

struct Weights {
    double tau = 1.0, kd = 1.0, lm = 1.0, scale = 1.0;
};

class HeadLossTest : public BackendTest {
protected:
    struct Buffers {
        HeadLoss args;
        Matrix z_s, z_t;
        Ids labels;
        Weights weights;
    };

    Buffers prepare(const Matrix& z_s, const Matrix& z_t, const Ids& labels, Weights w) {
        Buffers b{{}, z_s, z_t, labels, w};
        b.args.z_s = put(z_s);
        if (!z_t.empty()) {
            b.args.z_t = put(z_t);
        }
        if (stored() == DType::bf16) {
            b.args.d_z = out_stored(z_s.rows, z_s.cols);
        }
        b.args.labels = put(labels);
        b.args.kd = out(z_s.rows);
        b.args.lm = out(z_s.rows);
        b.args.tau = static_cast<float>(w.tau);
        b.args.w_kd = static_cast<float>(w.kd);
        b.args.w_lm = static_cast<float>(w.lm);
        b.args.scale = static_cast<float>(w.scale);
        return b;
    }

    Matrix gradient_of(const Buffers& b) { return get(b.args.d_z ? b.args.d_z : b.args.z_s); }

    /// A logit z is known to ulp·|z|, so p to ulp·max(1, |z|/τ) of itself and log p to as much.
    void check(const std::string& what, const Matrix& z_s, const Matrix& z_t, const Ids& labels,
               Weights w) {
        const Buffers b = prepare(z_s, z_t, labels, w);
        backend().head_loss(b.args);
        const auto want = reference::head_loss(z_s, z_t, labels, w.tau, w.kd, w.lm, w.scale);
        Vector size_kd(z_s.rows), size_lm(z_s.rows);
        Matrix size_d(z_s.rows, z_s.cols);
        for (std::size_t i = 0; i < z_s.rows; ++i) {
            double largest = 0.0;
            for (std::size_t j = 0; j < z_s.cols; ++j) {
                largest = std::max(largest, std::fabs(z_s(i, j)));
                largest = z_t.empty() ? largest : std::max(largest, std::fabs(z_t(i, j)));
            }
            size_kd[i] = w.tau * w.tau * std::max(1.0, largest / w.tau) + want.kd[i];
            size_lm[i] = std::max(1.0, largest);
        }
        // d_z of kd and lm alone, with minus turned into plus: through p_s + p_t and p_s + 1_y.
        const auto p_lm = probabilities(z_s, 1.0), p_s = probabilities(z_s, w.tau);
        const auto p_t = z_t.empty() ? Matrix(z_s.rows, z_s.cols) : probabilities(z_t, w.tau);
        for (std::size_t i = 0; i < z_s.rows; ++i) {
            for (std::size_t j = 0; j < z_s.cols && labels[i] >= 0; ++j) {
                const double hit = labels[i] == static_cast<std::int32_t>(j) ? 1.0 : 0.0;
                const double kd = z_t.empty() ? 0.0 : w.kd * w.tau * (p_s(i, j) + p_t(i, j));
                size_d(i, j) = std::fabs(w.scale) * size_lm[i] *
                               (std::fabs(kd) + std::fabs(w.lm) * (p_lm(i, j) + hit));
            }
        }
        expect_close("kd " + what, Op::loss, get_vector(b.args.kd), want.kd, size_kd);
        expect_close("lm " + what, Op::loss, get_vector(b.args.lm), want.lm, size_lm);
        expect_close("gradient " + what, Op::loss_gradient, gradient_of(b).data, want.d_z.data,
                     size_d.data);
        if (!z_t.empty()) {
            expect_equal("teacher's logits " + what, get(b.args.z_t).data, z_t.data);
        }
    }

    static Matrix probabilities(const Matrix& z, double tau) {
        Matrix p(z.rows, z.cols);
        for (std::size_t i = 0; i < z.rows; ++i) {
            double largest = -INFINITY, total = 0.0;
            for (std::size_t j = 0; j < z.cols; ++j) {
                largest = std::max(largest, z(i, j) / tau);
            }
            for (std::size_t j = 0; j < z.cols; ++j) {
                total += p(i, j) = std::exp(z(i, j) / tau - largest);
            }
            for (std::size_t j = 0; j < z.cols; ++j) {
                p(i, j) /= total;
            }
        }
        return p;
    }

    Ids labels_with_padding(std::size_t R, std::size_t V) {
        Ids labels = random_ids(R, V);
        for (std::size_t i = 2; i < R; i += 5) {
            labels[i] = -1;
        }
        labels[R - 1] = static_cast<std::int32_t>(V - 1);
        return labels;
    }
};

TEST_P(HeadLossTest, EveryShapeAndTemperature) {
    for (const std::size_t V : {1U, 3U, 257U, 1003U}) {
        for (const std::size_t R : {1U, 3U, 31U, 33U, 130U}) {
            const Ids labels = labels_with_padding(R, V);
            for (const double tau : {1.0, 2.0, 3.5}) {
                check(fmt::format("V{} R{} tau {}", V, R, tau), random(R, V, 3.0),
                      random(R, V, 3.0), labels, {tau, 0.75, 0.5, 0.125});
            }
        }
    }
}

TEST_P(HeadLossTest, RowsLongerThanAnyPieceOfAKernel) {
    for (const double tau : {1.0, 2.0, 3.5}) {
        check(fmt::format("V5003 tau {}", tau), random(3, 5003, 3.0), random(3, 5003, 3.0),
              {5002, 2048, 4095}, {tau, 0.75, 0.5, 0.125});
    }
    check("V5003 lm alone", random(3, 5003, 3.0), {}, {0, 2047, 4096}, {1.0, 0.0, 1.0, 1.0});
}

TEST_P(HeadLossTest, EachTermAlone) {
    const Matrix z_s = random(5, 257, 3.0), z_t = random(5, 257, 3.0);
    const Ids labels = labels_with_padding(5, 257);
    check("kd alone", z_s, z_t, labels, {2.0, 1.0, 0.0, 1.0});
    check("lm alone", z_s, z_t, labels, {2.0, 0.0, 1.0, 1.0});
    check("no teacher", z_s, {}, labels, {2.0, 1.0, 1.0, 1.0});
    check("no weight", z_s, z_t, labels, {2.0, 0.0, 0.0, 1.0});
}

TEST_P(HeadLossTest, LogitsFarFromZero) {
    for (const double mean : {-100.0, 100.0}) {
        check(fmt::format("mean {}", mean), random(33, 1003, 2.0, mean),
              random(33, 1003, 2.0, mean), labels_with_padding(33, 1003), {2.0, 1.0, 1.0, 1.0});
    }
    check("apart", random(3, 257, 2.0, -100.0), random(3, 257, 2.0, 100.0),
          labels_with_padding(3, 257), {2.0, 1.0, 1.0, 1.0});
}

TEST_P(HeadLossTest, OneLogitAboveAllOthers) {
    Matrix z_s = random(4, 257), z_t = random(4, 257);
    z_s(0, 3) = 90.0;    // student certain, teacher not
    z_t(1, 256) = 90.0;  // the other way round
    z_s(2, 9) = 90.0;    // both, of the same
    z_t(2, 9) = 90.0;
    z_s(3, 0) = 300.0;  // of different words; exp(−300) is 0 in fp32
    z_t(3, 1) = 300.0;
    check("peaks", rounded(z_s), rounded(z_t), {3, 256, 9, 2}, {1.0, 1.0, 1.0, 1.0});
}

TEST_P(HeadLossTest, NearAgreement) {
    // Teacher and student differ by 1e-3: gradients are small differences of probabilities.
    for (const double mean : {0.0, -100.0, 100.0}) {
        const Matrix z_t = random(33, 1003, 2.0, mean);
        Matrix z_s(z_t);
        for (std::size_t i = 0; i < z_s.data.size(); ++i) {
            z_s.data[i] += i % 3 == 0 ? 1e-3 : -1e-3;
        }
        check(fmt::format("near {}", mean), rounded(z_s), z_t, labels_with_padding(33, 1003),
              {2.0, 1.0, 0.0, 1.0});
        check(fmt::format("equal {}", mean), z_t, z_t, labels_with_padding(33, 1003),
              {2.0, 1.0, 0.0, 1.0});
    }
}

TEST_P(HeadLossTest, WithoutGradientTheLogitsStay) {
    const Matrix z_s = random(3, 257, 3.0), z_t = random(3, 257, 3.0);
    Buffers b = prepare(z_s, z_t, {1, -1, 256}, {2.0, 1.0, 1.0, 1.0});
    b.args.gradient = false;
    backend().head_loss(b.args);
    const auto want = reference::head_loss(z_s, z_t, b.labels, 2.0, 1.0, 1.0, 1.0);
    expect_equal("z_s", get(b.args.z_s).data, z_s.data);
    expect_close("kd", Op::loss, get_vector(b.args.kd), want.kd, Vector(3, 40.0));
    expect_close("lm", Op::loss, get_vector(b.args.lm), want.lm, Vector(3, 10.0));
}

TEST_P(HeadLossTest, PaddingIsZeroEvenWhereLogitsAreNaN) {
    Matrix z_s = random(3, 257), z_t = random(3, 257);
    for (std::size_t j = 0; j < 257; ++j) {
        z_s(1, j) = z_t(1, j) = std::nan("");
    }
    const Buffers b = prepare(z_s, z_t, {1, -1, 256}, {2.0, 1.0, 1.0, 1.0});
    backend().head_loss(b.args);
    EXPECT_EQ(get_vector(b.args.kd)[1], 0.0);
    EXPECT_EQ(get_vector(b.args.lm)[1], 0.0);
    const Matrix gradient = gradient_of(b);
    for (std::size_t j = 0; j < 257; ++j) {
        EXPECT_EQ(gradient(1, j), 0.0);
    }
}

TEST_P(HeadLossTest, NaNAndInfinityInGiveNaNOut) {
    for (const std::size_t place : {0U, 100U, 256U}) {
        for (const double bad : {std::nan(""), static_cast<double>(INFINITY)}) {
            Matrix z_s = random(2, 257), z_t = random(2, 257);
            z_s(0, place) = bad;
            z_t(1, place) = bad;
            const Buffers b = prepare(z_s, z_t, {5, 5}, {2.0, 1.0, 1.0, 1.0});
            backend().head_loss(b.args);
            const Vector kd = get_vector(b.args.kd), lm = get_vector(b.args.lm);
            const Matrix gradient = gradient_of(b);
            EXPECT_TRUE(std::isnan(kd[0])) << bad << " of the student at " << place;
            EXPECT_FALSE(std::isfinite(lm[0])) << bad << " of the student at " << place;
            EXPECT_TRUE(std::isnan(kd[1])) << bad << " of the teacher at " << place;
            EXPECT_TRUE(std::isfinite(lm[1])) << "the teacher has no part in lm";
            EXPECT_TRUE(std::isnan(gradient(0, place))) << bad << " at " << place;
            EXPECT_TRUE(std::isnan(gradient(1, place))) << bad << " at " << place;
        }
    }
}

TEST_P(HeadLossTest, ArgmaxIsTheFirstLargest) {
    for (const std::size_t V : {1U, 3U, 257U, 1003U}) {
        for (const std::size_t R : {1U, 3U, 33U, 130U}) {
            Matrix z = random(R, V, 1.0, -100.0);
            for (std::size_t i = 0; i < R; ++i) {
                z(i, (7 * i) % V) = -90.0;  // mostly the largest, and twice
                z(i, (11 * i + V - 1) % V) = -90.0;
            }
            z = rounded(z);
            const View best = put(Ids(R, -7));
            backend().argmax_rows(best, put(z));
            EXPECT_EQ(get_ids(best), reference::argmax_rows(z)) << fmt::format("R{} V{}", R, V);
        }
    }
}

TEST_P(HeadLossTest, ArgmaxOfAllEqualIsTheFirst) {
    const View best = put(Ids(3, -7));
    backend().argmax_rows(best, put(Matrix(3, 257, -5.0)));
    EXPECT_EQ(get_ids(best), Ids(3, 0));
}

TEST_P(HeadLossTest, LabelRanksAreThoseOfAStableSort) {
    for (const std::size_t V : {1U, 3U, 17U, 257U, 5003U}) {
        for (const std::size_t R : {1U, 3U, 33U}) {
            Matrix z = random(R, V, 1.0, -100.0);
            for (std::size_t i = 0; i < z.data.size(); i += 3) {
                z.data[i] = std::round(z.data[i]);  // many equal ones on both sides of the label
            }
            z = rounded(z);
            const Ids labels = labels_with_padding(R, V);
            const View ranks = put(Ids(R, -7));
            backend().label_ranks(ranks, put(z), put(labels));
            EXPECT_EQ(get_ids(ranks), reference::label_ranks(z, labels))
                << fmt::format("R{} V{}", R, V);
        }
    }
}

TEST_P(HeadLossTest, TheRankOfTheLargestIsZero) {
    const Matrix z = rounded(random(33, 257, 2.0));
    const View best = put(Ids(33, -7)), ranks = put(Ids(33, -7));
    backend().argmax_rows(best, put(z));
    backend().label_ranks(ranks, put(z), best);
    EXPECT_EQ(get_ids(ranks), Ids(33, 0));
}

LRD_ON_EVERY_BACKEND(HeadLossTest);

}  // namespace
}  // namespace lrd::test
