// SPDX-License-Identifier: MIT
// HDF5 files of our own: what goes in comes out, and damage is noticed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <numeric>

#include "expect_error.hpp"
#include "in_child.hpp"
#include "io/hdf5.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"

namespace lrd::h5 {
namespace {

using test::TemporaryDirectory;

std::vector<float> ramp(std::size_t n) {
    std::vector<float> values(n);
    std::iota(values.begin(), values.end(), 1.0F);
    return values;
}

std::string write_example(const std::string& path, std::size_t rows = 40) {
    File file = File::create(path);
    const std::vector<float> values = ramp(rows * 3);
    file.write<float>("/students/a/model/wte.Ce", values, {rows, 3});
    file.set_attribute("/", "config_toml", "[run]\nseed = 1\n");
    file.close();
    return path;
}

template <class T>
void round_trip(File& file, const std::string& name, const Storage& storage) {
    const std::vector<T> values = {
        T(0), T(1), T(100), T(7), std::numeric_limits<T>::max(), std::numeric_limits<T>::lowest()};
    file.write<T>(name, values, {2, 3}, storage);
    EXPECT_EQ(file.read<T>(name, {2, 3}), values) << name;
    EXPECT_EQ(file.info(name).type, type_of<T>) << name;
}

TEST(Hdf5, EveryTypeComesBack) {
    const TemporaryDirectory directory;
    File file = File::create(directory / "a.h5");
    const Storage packed{.chunk = {1, 2}, .shuffle = true, .deflate = 4};
    int n = 0;
    for (const Storage& storage : {Storage{}, packed, Storage{.fletcher32 = false}}) {
        const std::string group = fmt::format("/deep/er{}/", n++);
        round_trip<float>(file, group + "f32", storage);
        round_trip<double>(file, group + "f64", storage);
        round_trip<std::int8_t>(file, group + "i8", storage);
        round_trip<std::uint8_t>(file, group + "u8", storage);
        round_trip<std::int16_t>(file, group + "i16", storage);
        round_trip<std::uint16_t>(file, group + "u16", storage);
        round_trip<std::int32_t>(file, group + "i32", storage);
        round_trip<std::uint32_t>(file, group + "u32", storage);
        round_trip<std::int64_t>(file, group + "i64", storage);
        round_trip<std::uint64_t>(file, group + "u64", storage);
    }
    file.write<double>("scalar", std::vector<double>{2.5}, {});
    file.write<float>("empty", std::vector<float>{}, {0, 4});
    file.write_texts("names", {"attn", "", "mlp é"});
    EXPECT_EQ(file.read<double>("scalar", {}), std::vector<double>{2.5});
    EXPECT_TRUE(file.read<float>("empty", {0, 4}).empty());
    EXPECT_EQ(file.read_texts("names"), (std::vector<std::string>{"attn", "", "mlp é"}));
    EXPECT_EQ(file.children("/"), (std::vector<std::string>{"deep", "empty", "names", "scalar"}));
    EXPECT_TRUE(file.is_group("/deep/er0"));
    EXPECT_FALSE(file.exists("/deep/er9/f32"));
    file.close();
}

TEST(Hdf5, ChecksumsAndFormatOf110AreReallySet) {
    const TemporaryDirectory directory;
    const std::string path = write_example(directory / "a.h5");
    // Format specification II.A: byte 8 is the superblock's version; 3 is that of HDF5 1.10.
    EXPECT_EQ(read_text(path).at(8), 3);
    const File file = File::open(path);
    EXPECT_TRUE(file.info("/students/a/model/wte.Ce").fletcher32);
    EXPECT_LE(file.info("/students/a/model/wte.Ce").chunk.at(0), 40U);
}

TEST(Hdf5, AChangedByteOfDataIsNoticed) {
    const TemporaryDirectory directory;
    const std::string path = write_example(directory / "a.h5");
    std::string bytes = read_text(path);
    const float mark = 55.0F;  // one of the values, to find the data
    std::string pattern(sizeof mark, '\0');
    std::memcpy(pattern.data(), &mark, sizeof mark);
    const std::size_t at = bytes.find(pattern);
    ASSERT_NE(at, std::string::npos);
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    publish_text(path, bytes);
    const File file = File::open(path);
    EXPECT_ERROR(ExitCode::bad_data, "wte.Ce", file.read<float>("/students/a/model/wte.Ce"));
}

TEST(Hdf5, NoChangedBitOfMetadataPassesSilently) {
    const TemporaryDirectory directory;
    const std::string path = write_example(directory / "a.h5");
    const std::string good = read_text(path);
    const std::vector<float> values = ramp(120);
    int reported = 0, harmless = 0, died = 0;
    for (std::size_t at = 0; at < std::min<std::size_t>(good.size(), 1024); at += 5) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
        publish_text(path, bad);
        const test::Outcome outcome = test::in_child([&] {
            const File file = File::open(path);
            return file.read<float>("/students/a/model/wte.Ce", {40, 3}) == values ? 0 : 99;
        });
        EXPECT_NE(outcome.code, 99) << "silently wrong after a change at byte " << at;
        reported += outcome.code == 65 ? 1 : 0;
        harmless += outcome.code == 0 ? 1 : 0;
        died += outcome.signal != 0 ? 1 : 0;
    }
    EXPECT_GT(reported, harmless) << died << " died";
}

TEST(Hdf5, WhatCannotBeOpenedIsNamed) {
    const TemporaryDirectory directory;
    EXPECT_ERROR(ExitCode::missing_input, "none.h5", File::open(directory / "none.h5"));
    EXPECT_ERROR(ExitCode::bad_data, "regular file", File::open(directory.path()));
    publish_text(directory / "empty.h5", "");
    EXPECT_ERROR(ExitCode::bad_data, "is empty", File::open(directory / "empty.h5"));
    publish_text(directory / "text.h5", "not HDF5 at all");
    EXPECT_ERROR(ExitCode::bad_data, "is not an HDF5 file", File::open(directory / "text.h5"));
    const std::string whole = read_text(write_example(directory / "a.h5", 9000));
    publish_text(directory / "cut.h5", whole.substr(0, whole.size() / 2));
    EXPECT_ERROR(ExitCode::bad_data, "cut.h5", File::open(directory / "cut.h5"));
}

TEST(Hdf5, ShapesAndTypesAreCheckedBeforeReading) {
    const TemporaryDirectory directory;
    const File file = File::open(write_example(directory / "a.h5"));
    const std::string name = "/students/a/model/wte.Ce";
    EXPECT_ERROR(ExitCode::bad_data, "has shape (40, 3), not (3, 40)",
                 file.read<float>(name, {3, 40}));
    EXPECT_ERROR(ExitCode::bad_data, "holds float32, not int32", file.read<std::int32_t>(name));
    EXPECT_EQ(file.read<double>(name).at(1), 2.0);  // wider is fine
    EXPECT_ERROR(ExitCode::bad_data, "rows 39 to 41", file.read_rows<float>(name, 39, 2));
    EXPECT_EQ(file.read_rows<float>(name, 38, 1), (std::vector<float>{115, 116, 117}));
    EXPECT_ERROR(ExitCode::bad_data, "wte.De is not there", file.read<float>("/wte.De"));
    EXPECT_ERROR(ExitCode::bad_data, "is not a dataset", file.read<float>("/students"));
    EXPECT_ERROR(ExitCode::bad_data, "@none is not there", file.attribute_int("/", "none"));
}

TEST(Hdf5, AShapeThatTheFileCannotHoldIsRefusedBeforeMemoryIsTaken) {
    const TemporaryDirectory directory;
    const std::string path = directory / "a.h5";
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hsize_t claimed[] = {hsize_t{1} << 40, hsize_t{1} << 30}, chunk[] = {1, 1024};
    for (const int rank : {1, 2}) {
        const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
        H5Pset_chunk(properties, rank, rank == 1 ? chunk + 1 : chunk);
        const hid_t space = H5Screate_simple(rank, claimed, nullptr);
        H5Dclose(H5Dcreate2(file, rank == 1 ? "long" : "wide", H5T_NATIVE_FLOAT, space, H5P_DEFAULT,
                            properties, H5P_DEFAULT));
        H5Sclose(space);
        H5Pclose(properties);
    }
    H5Fclose(file);
    const File back = File::open(path);
    EXPECT_ERROR(ExitCode::bad_data, "but the file has", back.read<float>("long"));
    EXPECT_ERROR(ExitCode::bad_data, "but the file has", back.info("wide"));
}

TEST(Hdf5, ALockedFileIsBusyForWritersOnly) {
    const TemporaryDirectory directory;
    const std::string path = write_example(directory / "a.h5");
    const int reader = open(path.c_str(), O_RDONLY);
    ASSERT_EQ(flock(reader, LOCK_SH), 0);
    EXPECT_FALSE(File::try_open_to_append(path));
    EXPECT_ERROR(ExitCode::busy, "another program", File::open_to_append(path));
    ASSERT_EQ(flock(reader, LOCK_EX), 0);  // as a writer does
    EXPECT_NO_THROW(File::open(path));
    close(reader);
    EXPECT_TRUE(File::try_open_to_append(path));
}

TEST(Hdf5, ColumnsGrowAndShrink) {
    const TemporaryDirectory directory;
    File file = File::create(directory / "a.h5");
    file.create_column("/train/loss", Type::f64);
    file.create_column("/train/tap", Type::f64, {2, 3}, 4);
    file.close();
    for (int i = 0; i < 3; ++i) {
        File again = File::open_to_append(directory / "a.h5");
        again.append<double>("/train/loss", std::vector<double>{i + 0.0, i + 0.5});
        again.append<double>("/train/tap", std::vector<double>(12, i));
        again.close();
    }
    File last = File::open_to_append(directory / "a.h5");
    last.resize("/train/loss", 5);
    EXPECT_EQ(last.read<double>("/train/loss"), (std::vector<double>{0, 0.5, 1, 1.5, 2}));
    EXPECT_EQ(last.info("/train/tap").shape, (Shape{6, 2, 3}));
    EXPECT_EQ(last.read_rows<double>("/train/tap", 4, 1), std::vector<double>(6, 2));
    last.close();
}

TEST(Hdf5, AttributesOfEveryKindAndSize) {
    const TemporaryDirectory directory;
    const std::string large(200'000, 'x');
    File file = File::create(directory / "a.h5");
    file.write<int>("d", std::vector<int>{1});
    file.set_attribute("d", "units", "nat per token");
    file.set_attribute("d", "units", "");
    file.set_attribute("/", "large", large);
    file.set_attribute("/", "large", large + "y");
    file.set_attribute("/", "count", std::int64_t{1} << 40);
    file.set_attribute("/", "tau", 2.5);
    file.set_attribute("/", "ranks", std::vector<std::int64_t>{1, 2, 3});
    file.set_attribute("/", "none", std::vector<double>{});
    file.close();
    const File back = File::open(directory / "a.h5");
    EXPECT_EQ(back.attribute_text("d", "units"), "");
    EXPECT_EQ(back.attribute_text("/", "large"), large + "y");
    EXPECT_EQ(back.attribute_int("/", "count"), std::int64_t{1} << 40);
    EXPECT_EQ(back.attribute_double("/", "tau"), 2.5);
    EXPECT_EQ(back.attribute_ints("/", "ranks"), (std::vector<std::int64_t>{1, 2, 3}));
    EXPECT_TRUE(back.attribute_doubles("/", "none").empty());
    EXPECT_EQ(back.attributes("/"),
              (std::vector<std::string>{"count", "large", "none", "ranks", "tau"}));
    EXPECT_EQ(back.attribute_type("/", "large"), Type::text);
    EXPECT_ERROR(ExitCode::bad_data, "holds float64, not int64", back.attribute_int("/", "tau"));
}

TEST(Hdf5, SameContentGivesTheSameBytes) {
    const TemporaryDirectory directory;
    write_example(directory / "a.h5");
    usleep(1'100'000);  // times in the file, were there any, count seconds
    write_example(directory / "b.h5");
    EXPECT_EQ(read_text(directory / "a.h5"), read_text(directory / "b.h5"));
}

TEST(Hdf5, AFailedWriteIsAnErrorOfWriting) {
    const TemporaryDirectory directory;
    // Chunks fail when the dataset is closed, plain storage when it is written; the library's close
    // of the file succeeds after either.
    for (const bool chunked : {true, false}) {
        const test::Outcome outcome = test::in_child([&] {
            signal(SIGXFSZ, SIG_IGN);
            const rlimit limit{100'000, 100'000};
            setrlimit(RLIMIT_FSIZE, &limit);
            File file = File::create(directory / "large.h5");
            file.write<float>("/x", ramp(100'000), {100'000}, Storage{.fletcher32 = chunked});
            return 0;
        });
        EXPECT_EQ(outcome.code, 74) << outcome.text;
        EXPECT_NE(outcome.text.find("large.h5: cannot write /x"), std::string::npos)
            << outcome.text;
        EXPECT_NE(outcome.text.find("bytes are free"), std::string::npos) << outcome.text;
    }
}

TEST(Hdf5, NothingOutsideTheFileIsRead) {
    const TemporaryDirectory directory;
    write_example(directory / "target.h5");
    const std::string path = directory / "a.h5";
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("target.h5", "/students", file, "out", H5P_DEFAULT, H5P_DEFAULT);
    const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(properties, "target.h5", 0, 8);
    const hsize_t two = 2;
    const hid_t space = H5Screate_simple(1, &two, nullptr);
    H5Dclose(H5Dcreate2(file, "raw", H5T_NATIVE_INT, space, H5P_DEFAULT, properties, H5P_DEFAULT));
    const hid_t varying = H5Tcopy(H5T_C_S1);
    H5Tset_size(varying, H5T_VARIABLE);
    H5Dclose(H5Dcreate2(file, "texts", varying, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Tclose(varying);
    H5Sclose(space);
    H5Pclose(properties);
    H5Fclose(file);
    const File back = File::open(path);
    EXPECT_ERROR(ExitCode::bad_data, "external link", back.children("out"));
    EXPECT_ERROR(ExitCode::bad_data, "outside this file", back.read<int>("raw"));
    EXPECT_ERROR(ExitCode::bad_data, "fixed-length", back.read_texts("texts"));
}

}  // namespace
}  // namespace lrd::h5
