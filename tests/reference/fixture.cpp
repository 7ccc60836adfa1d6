// SPDX-License-Identifier: MIT
#include "reference/fixture.hpp"

#include <algorithm>

#include "io/hdf5.hpp"

namespace lrd::reference {
namespace {

std::size_t size_attribute(const h5::File& file, const std::string& object, const char* key) {
    return static_cast<std::size_t>(file.attribute_int(object, key));
}

Matrix matrix_of(const h5::Shape& shape, Vector data) {
    Matrix out;
    out.rows = shape.size() == 1 ? 1 : shape.at(0);
    out.cols = shape.back();
    out.data = std::move(data);
    return out;
}

Matrix read_matrix(const h5::File& file, const std::string& name) {
    return matrix_of(file.info(name).shape, file.read<double>(name));
}

Model read_model(const h5::File& file, const std::string& group) {
    Model model;
    for (const std::string& name : file.children(group)) {
        model[name] = read_matrix(file, group + "/" + name);
    }
    return model;
}

/// Row `i` of stacked tensors.
Model read_model(const h5::File& file, const std::string& group, std::size_t i) {
    Model model;
    for (const std::string& name : file.children(group)) {
        const std::string path = group + "/" + name;
        h5::Shape shape = file.info(path).shape;
        shape.erase(shape.begin());
        model[name] = matrix_of(shape, file.read_rows<double>(path, i, 1));
    }
    return model;
}

std::vector<Batch> read_batches(const h5::File& file, std::size_t B, std::size_t T) {
    std::vector<Batch> out;
    for (std::uint64_t i = 0; i < file.info("/ids").shape.at(0); ++i) {
        out.push_back({B, T, file.read_rows<std::int32_t>("/ids", i, 1),
                       file.read_rows<std::int32_t>("/labels", i, 1)});
    }
    return out;
}

FixtureStudent read_student(const h5::File& file, const std::string& name) {
    const std::string group = "/students/" + name;
    FixtureStudent s;
    s.name = name;
    s.form = file.attribute_text(group, "form");
    s.rank = size_attribute(file, group, "rank");
    s.embedding_rank = size_attribute(file, group, "embedding_rank");
    s.initial = read_model(file, group + "/initial");
    s.logits = read_matrix(file, group + "/logits");
    s.kd = file.read<double>(group + "/kd").at(0);
    s.lm = file.read<double>(group + "/lm").at(0);
    const auto reductions = file.read<std::int32_t>("/reduction");
    const auto skip_first = file.read<std::int32_t>("/skip_first");
    const auto updated = file.read<std::int32_t>("/updated");
    for (std::size_t i = 0; i < reductions.size(); ++i) {
        FixtureCase c;
        c.losses = {.kd = file.attribute_double("/", "kd"),
                    .lm = file.attribute_double("/", "lm"),
                    .clone = file.attribute_double("/", "clone"),
                    .tau = file.attribute_double("/", "tau"),
                    .reduction = std::vector<std::string>{"mean", "sum", "relative"}.at(
                        static_cast<std::size_t>(reductions[i])),
                    .skip_first = skip_first[i] != 0};
        c.variance = file.read_rows<double>("/tap_variance", i, 1);
        c.loss = file.read<double>(group + "/loss").at(i);
        c.grad_norm = file.read<double>(group + "/grad_norm").at(i);
        c.clone_tap = file.read_rows<double>(group + "/clone_tap", i, 1);
        c.gradient = read_model(file, group + "/gradient", i);
        const auto trained =
            std::find(updated.begin(), updated.end(), static_cast<std::int32_t>(i));
        if (trained != updated.end()) {
            const auto at = static_cast<std::size_t>(trained - updated.begin());
            c.after = read_model(file, group + "/after", at);
        }
        s.cases.push_back(std::move(c));
    }
    return s;
}

}  // namespace

Fixture load_fixture() {
    const h5::File file = h5::File::open(LRD_FIXTURE);
    const auto size = [&](const char* key) { return size_attribute(file, "/", key); };
    const auto real = [&](const char* key) { return file.attribute_double("/", key); };
    Fixture f;
    f.sizes = {size("L"), size("C"), size("H"), size("D"), size("F"), size("T"), size("V")};
    f.optim = {.lr = real("lr"),
               .beta1 = real("beta1"),
               .beta2 = real("beta2"),
               .eps = real("eps"),
               .weight_decay = real("weight_decay"),
               .clip = real("clip")};
    f.batches = read_batches(file, size("B"), f.sizes.T);
    f.teacher = read_model(file, "/teacher");
    f.teacher_logits = read_matrix(file, "/teacher_logits");
    for (const std::string& name : file.children("/students")) {
        f.students.push_back(read_student(file, name));
    }
    return f;
}

}  // namespace lrd::reference
