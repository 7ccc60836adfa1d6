// SPDX-License-Identifier: MIT
#include <cmath>

#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/simd.hpp"

namespace lrd {
namespace {

LRD_HOT void adamw_range(float* p, const float* grad, float* m, float* v, std::int64_t n,
                         const AdamWStep& s) {
    const float beta1 = s.beta1;
    const float beta2 = s.beta2;
    const float rate = s.lr / s.correction1;
    const float root = 1.0F / std::sqrt(s.correction2);
    const float keep = 1.0F - s.lr * s.weight_decay;
    const float eps = s.eps;
    const float scale = s.grad_scale;
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        const float g = scale * grad[i];
        m[i] = beta1 * m[i] + (1.0F - beta1) * g;
        v[i] = beta2 * v[i] + (1.0F - beta2) * g * g;
        p[i] = keep * p[i] - rate * m[i] / (std::sqrt(v[i]) * root + eps);
    }
}

LRD_HOT void sgd_range(float* p, const float* grad, std::int64_t n, float lr, float keep,
                       float scale) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        p[i] = keep * p[i] - lr * scale * grad[i];
    }
}

}  // namespace

void CpuBackend::do_adamw(const View& p, const View& grad, const View& m, const View& v,
                          AdamWStep step) {
    for_ranges(p.size(), element_grain, [&](std::int64_t begin, std::int64_t end) {
        adamw_range(p.f32() + begin, grad.f32() + begin, m.f32() + begin, v.f32() + begin,
                    end - begin, step);
    });
}

void CpuBackend::do_sgd(const View& p, const View& grad, float lr, float weight_decay,
                        float grad_scale) {
    for_ranges(p.size(), element_grain, [&](std::int64_t begin, std::int64_t end) {
        sgd_range(p.f32() + begin, grad.f32() + begin, end - begin, lr, 1.0F - lr * weight_decay,
                  grad_scale);
    });
}

}  // namespace lrd
