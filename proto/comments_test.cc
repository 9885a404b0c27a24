// SPDX-License-Identifier: Apache-2.0
//
// Every field, enum value and message of our .proto files has a comment: what it means, its unit, who sends it.
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace millrace::proto::testing {
namespace {

namespace gpb = google::protobuf;

using Path = std::vector<int>;

class Comments {
public:
    explicit Comments(gpb::FileDescriptorProto file) : file_{std::move(file)} {
        for (const auto& location : file_.source_code_info().location()) {
            const Path path{location.path().begin(), location.path().end()};
            said_[path] += location.leading_comments() + location.trailing_comments();
        }
        for (int i = 0; i < file_.message_type_size(); ++i) message({4, i}, file_.message_type(i), "", true);
        for (int i = 0; i < file_.enum_type_size(); ++i) enumeration({5, i}, file_.enum_type(i), "");
    }

    // Of what has no comment worth the name.
    const std::vector<std::string>& missing() const { return missing_; }
    std::size_t seen() const { return seen_; }

private:
    static Path with(Path path, int kind, int index) {
        path.push_back(kind);
        path.push_back(index);
        return path;
    }

    void check(const Path& path, const std::string& name, std::size_t letters_min) {
        ++seen_;
        const std::string& text = said_[path];
        const auto letters = std::count_if(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
        if (static_cast<std::size_t>(letters) < letters_min || text.find("see the enum") != std::string::npos) {
            missing_.push_back(name);
        }
    }

    void message(const Path& path, const gpb::DescriptorProto& type, const std::string& outer, bool top) {
        if (top) check(path, type.name(), 10);
        const std::string inside = outer + type.name() + ".";
        for (int i = 0; i < type.field_size(); ++i) check(with(path, 2, i), inside + type.field(i).name(), 6);
        for (int i = 0; i < type.nested_type_size(); ++i) {
            if (!type.nested_type(i).options().map_entry()) message(with(path, 3, i), type.nested_type(i), inside, false);
        }
        for (int i = 0; i < type.enum_type_size(); ++i) enumeration(with(path, 4, i), type.enum_type(i), inside);
    }

    void enumeration(const Path& path, const gpb::EnumDescriptorProto& type, const std::string& outer) {
        for (int i = 0; i < type.value_size(); ++i) check(with(path, 2, i), outer + type.name() + "." + type.value(i).name(), 2);
    }

    gpb::FileDescriptorProto file_;
    std::map<Path, std::string> said_;
    std::vector<std::string> missing_;
    std::size_t seen_ = 0;
};

// All of our .proto files as the compiler saw them, comments included.
gpb::FileDescriptorSet sources() {
    std::ifstream input{MILLRACE_PROTO_SOURCES, std::ios::binary};
    gpb::FileDescriptorSet files;
    EXPECT_TRUE(files.ParseFromIstream(&input)) << MILLRACE_PROTO_SOURCES;
    return files;
}

constexpr std::string_view kDoctored = "proto/testing/uncommented.proto";

TEST(Comments, AreThereForEveryMessageFieldAndEnumValue) {
    std::size_t seen = 0;
    const gpb::FileDescriptorSet files = sources();
    for (const gpb::FileDescriptorProto& file : files.file()) {
        if (file.name() == kDoctored) continue;
        const Comments comments{file};
        seen += comments.seen();
        for (const std::string& name : comments.missing()) ADD_FAILURE() << file.name() << ": " << name << " has no comment";
    }
    EXPECT_GT(seen, 400u);
}

TEST(Comments, AreMissedWhereThereAreNone) {
    const gpb::FileDescriptorSet files = sources();
    for (const gpb::FileDescriptorProto& file : files.file()) {
        if (file.name() != kDoctored) continue;
        const Comments comments{file};
        EXPECT_EQ(comments.missing(), (std::vector<std::string>{"Good.without", "Good.lazy", "Good.Inner.deep",
                                                                "Good.Kind.UNSAID", "Silent"}));
        return;
    }
    FAIL() << kDoctored << " is not among the sources";
}

}  // namespace
}  // namespace millrace::proto::testing
