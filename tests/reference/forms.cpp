// SPDX-License-Identifier: MIT
#include "reference/forms.hpp"

namespace lrd::reference {

Matrix merged(const Model& model, const Model& teacher, const std::string& name) {
    if (model.count(name + ".weight") != 0) {
        return model.at(name + ".weight");
    }
    if (model.count(name + ".A") != 0) {
        return transpose(matmul(model.at(name + ".A"), model.at(name + ".B")));
    }
    const Matrix& p_l = model.at(name + ".P_l");
    const Matrix& p_r = model.at(name + ".P_r");
    const Matrix w = transpose(teacher.at(name + ".weight"));
    const Matrix core = matmul(matmul(p_l, w), p_r);
    return transpose(matmul(matmul(transpose(p_l), core), transpose(p_r)));
}

void pull_back(const Model& model, const Model& teacher, const std::string& name,
               const Matrix& d_w_t, Model& gradient) {
    if (model.count(name + ".weight") != 0) {
        gradient[name + ".weight"] = d_w_t;
        return;
    }
    const Matrix d_w = transpose(d_w_t);
    if (model.count(name + ".A") != 0) {  // W = A B
        gradient[name + ".A"] = matmul(d_w, transpose(model.at(name + ".B")));
        gradient[name + ".B"] = matmul(transpose(model.at(name + ".A")), d_w);
        return;
    }
    // W_s = P_lᵀ S P_rᵀ with S = P_l W P_r: the lift's two factors, and the core's.
    const Matrix& p_l = model.at(name + ".P_l");
    const Matrix& p_r = model.at(name + ".P_r");
    const Matrix w = transpose(teacher.at(name + ".weight"));
    const Matrix core = matmul(matmul(p_l, w), p_r);
    const Matrix d_core = matmul(matmul(p_l, d_w), p_r);
    gradient[name + ".P_l"] =
        add(matmul(matmul(core, transpose(p_r)), d_w_t), matmul(d_core, transpose(matmul(w, p_r))));
    gradient[name + ".P_r"] = add(matmul(d_w_t, matmul(transpose(p_l), core)),
                                  matmul(matmul(transpose(w), transpose(p_l)), d_core));
}

Matrix merged_embedding(const Model& model) {
    return model.count("wte.weight") != 0 ? model.at("wte.weight")
                                          : matmul(model.at("wte.Ce"), model.at("wte.De"));
}

void pull_back_embedding(const Model& model, const Matrix& d_e, Model& gradient) {
    if (model.count("wte.weight") != 0) {
        gradient["wte.weight"] = d_e;
        return;
    }
    gradient["wte.Ce"] = matmul(d_e, transpose(model.at("wte.De")));
    gradient["wte.De"] = matmul(transpose(model.at("wte.Ce")), d_e);
}

}  // namespace lrd::reference
