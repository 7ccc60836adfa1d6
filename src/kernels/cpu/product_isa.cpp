// SPDX-License-Identifier: MIT
// What oneDNN makes of this processor.
#include "kernels/cpu/product_engine.hpp"

namespace lrd {

std::string product_instruction_set() {
    using dnnl::cpu_isa;
    constexpr std::pair<cpu_isa, const char*> names[] = {
        {cpu_isa::sse41, "sse41"},
        {cpu_isa::avx, "avx"},
        {cpu_isa::avx2, "avx2"},
        {cpu_isa::avx2_vnni, "avx2_vnni"},
        {cpu_isa::avx512_core, "avx512_core"},
        {cpu_isa::avx512_core_vnni, "avx512_core_vnni"},
        {cpu_isa::avx512_core_bf16, "avx512_core_bf16"},
        {cpu_isa::avx512_core_amx, "avx512_core_amx"},
    };
    const cpu_isa isa = dnnl::get_effective_cpu_isa();
    for (const auto& [one, name] : names) {
        if (one == isa) {
            return name;
        }
    }
    return "isa " + std::to_string(static_cast<int>(isa));
}

bool product_has_bf16() {
    const dnnl::cpu_isa isa = dnnl::get_effective_cpu_isa();
    return isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_amx;
}

}  // namespace lrd
