// SPDX-License-Identifier: Apache-2.0
//
// The table of calls, the service's descriptor and the page say the same about every call.
#include "proto/controller/methods.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>

#include "proto/controller/controller.pb.h"
#include "proto/testing/page_tables.h"

namespace millrace::proto {
namespace {

namespace pb = io::pravega::controller::stream::api::grpc::v1;

TEST(ControllerMethods, AreThoseOfTheService) {
    ASSERT_EQ(pb::StreamInfo::descriptor()->file()->service_count(), 1);
    const auto* service = pb::StreamInfo::descriptor()->file()->service(0);
    EXPECT_EQ(service->full_name(), kControllerService);
    std::set<std::string_view> listed;
    for (const ControllerMethod& row : kControllerMethods) {
        EXPECT_TRUE(listed.insert(row.name).second) << row.name << " is there twice";
        const auto* method = service->FindMethodByName(std::string{row.name});
        ASSERT_NE(method, nullptr) << row.name;
        EXPECT_EQ(method->input_type()->name(), row.request) << row.name;
        EXPECT_EQ(method->output_type()->name(), row.reply) << row.name;
        EXPECT_FALSE(method->client_streaming() || method->server_streaming()) << row.name;
        EXPECT_EQ(find_controller_method(row.path()), &row);
    }
    for (int i = 0; i < service->method_count(); ++i) {
        EXPECT_TRUE(listed.contains(service->method(i)->name())) << service->method(i)->name() << " has no row in the table";
    }
}

TEST(ControllerMethods, TravelUnderTheirFullNames) {
    EXPECT_EQ(controller_method("scale"), "/io.pravega.controller.stream.api.grpc.v1.ControllerService/scale");
    for (const char* path : {"", "/", "scale", "/scale", "/Other/scale",
                             "/io.pravega.controller.stream.api.grpc.v1.ControllerService/Scale",
                             "/io.pravega.controller.stream.api.grpc.v1.ControllerService/scale/"}) {
        EXPECT_EQ(find_controller_method(path), nullptr) << path;
    }
}

// A token or a rule needs something to apply to.
TEST(ControllerMethods, AreConsistent) {
    for (const ControllerMethod& row : kControllerMethods) {
        EXPECT_EQ(row.permission == Permission::kNone, row.resource == Resource::kNone) << row.name;
        if (row.rule == Rule::kListsReadable) EXPECT_EQ(row.permission, Permission::kRead) << row.name;
        if (row.token == Token::kByOperation) EXPECT_NE(row.rule, Rule::kAlways) << row.name;
        const auto* reply = pb::StreamInfo::descriptor()->file()->FindMessageTypeByName(std::string{row.reply});
        ASSERT_NE(reply, nullptr) << row.name;
        EXPECT_EQ(row.token != Token::kNone, reply->FindFieldByName("delegationToken") != nullptr) << row.name;
    }
}

std::string needs(const ControllerMethod& row) {
    std::string text;
    switch (row.permission) {
        case Permission::kNone: text = "nothing"; break;
        case Permission::kRead: text = "read"; break;
        case Permission::kReadUpdate: text = "update"; break;
    }
    switch (row.resource) {
        case Resource::kNone: break;
        case Resource::kRoot: text += " root"; break;
        case Resource::kScope: text += " scope"; break;
        case Resource::kStream: text += " stream"; break;
        case Resource::kKeyValueTable: text += " table"; break;
    }
    switch (row.rule) {
        case Rule::kAlways: break;
        case Rule::kReadWithoutToken: text += ", read without token"; break;
        case Rule::kReadForInternalStreams: text += ", read for internal streams"; break;
        case Rule::kReadForReaderGroups: text += ", read by default"; break;
        case Rule::kByOperation: text += ", by operation"; break;
        case Rule::kListsReadable: text += ", lists the readable"; break;
    }
    return text;
}

std::string token(Token kind) {
    switch (kind) {
        case Token::kNone: return "-";
        case Token::kEmpty: return "empty";
        case Token::kRead: return "read";
        case Token::kReadUpdate: return "update";
        case Token::kByOperation: return "by operation";
    }
    return "";
}

TEST(ControllerMethods, AreOnThePageAsTheyAreInTheTable) {
    const auto page = testing::parse_page(testing::read_source("docs/protocol/controller.md"));
    ASSERT_EQ(page.methods.size(), kControllerMethods.size());
    for (std::size_t i = 0; i < kControllerMethods.size(); ++i) {
        const ControllerMethod& row = kControllerMethods[i];
        const testing::PageMethod& said = page.methods[i];
        EXPECT_EQ(said.name, row.name);
        EXPECT_EQ(said.request, row.request) << row.name;
        EXPECT_EQ(said.reply, row.reply) << row.name;
        EXPECT_EQ(said.needs, needs(row)) << row.name;
        EXPECT_EQ(said.token, token(row.token)) << row.name;
        EXPECT_EQ(said.offered, row.offer == Offer::kOffered ? "yes" : "not yet") << row.name;
    }
}

}  // namespace
}  // namespace millrace::proto
