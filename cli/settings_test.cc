// SPDX-License-Identifier: Apache-2.0
//
// Settings as the program reads them, and the pages that are generated from the code.
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "cli/command.h"
#include "cli/machine.h"
#include "cli/server_settings.h"
#include "cli/settings_options.h"
#include "common/telemetry/metrics.h"
#include "controller/server/controller.h"

namespace millrace::cli {
namespace {

struct Outcome {
    int code;
    std::string out;
    std::string err;
};

Outcome outcome_of(const std::vector<std::string>& arguments) {
    testing::internal::CaptureStderr();
    testing::internal::CaptureStdout();
    const int code = run(arguments);
    std::string out = testing::internal::GetCapturedStdout();
    return {code, std::move(out), testing::internal::GetCapturedStderr()};
}

class SettingsOfTheProgram : public testing::Test {
protected:
    ~SettingsOfTheProgram() override {
        for (const std::string& name : set_) ::unsetenv(name.c_str());
        for (const std::string& path : files_) std::remove(path.c_str());
    }
    void set(const std::string& name, const std::string& value) {
        ::setenv(name.c_str(), value.c_str(), 1);
        set_.push_back(name);
    }
    std::string file(const std::string& contents) {
        const std::string path = testing::TempDir() + "/millrace-settings-" + std::to_string(files_.size()) + ".conf";
        std::ofstream{path} << contents;
        files_.push_back(path);
        return path;
    }

private:
    std::vector<std::string> set_;
    std::vector<std::string> files_;
};

TEST_F(SettingsOfTheProgram, ComeFromFlagVariableAndFile) {
    set("MILLRACE_CACHE_BYTES", "1GiB");
    set("MILLRACE_HTTP_PORT", "1111");
    const std::string path = file("# all commands\ncache-bytes = 2GiB\ndata-dir = /var/x\ncontroller = host:7\n");
    const Outcome shown = outcome_of({"standalone", "--print-settings", "--config", path, "--http-port", "0"});
    ASSERT_EQ(shown.code, 0) << shown.err;
    EXPECT_TRUE(std::regex_search(shown.out, std::regex{"\ncache-bytes +1GiB +MILLRACE_CACHE_BYTES\n"})) << shown.out;
    EXPECT_TRUE(std::regex_search(shown.out, std::regex{"\nhttp-port +0 +flag\n"})) << shown.out;
    EXPECT_TRUE(std::regex_search(shown.out, std::regex{"\ndata-dir +/var/x +" + path + ":3\n"})) << shown.out;
    EXPECT_TRUE(std::regex_search(shown.out, std::regex{"\nlog-level +info +default\n"})) << shown.out;

    const Outcome all = outcome_of({"settings", "--config", path, "--output", "json"});
    ASSERT_EQ(all.code, 0) << all.err;
    EXPECT_NE(all.out.find("\"host:7\""), std::string::npos) << all.out;
    EXPECT_NE(all.out.find("\"MILLRACE_CACHE_BYTES\""), std::string::npos) << all.out;
}

TEST_F(SettingsOfTheProgram, WrongOnesAreNamedWhateverTheirSource) {
    const std::string path = file("cache-bytes = 2GiB\nlog-levle = debug\n");
    const Outcome in_file = outcome_of({"standalone", "--data-dir", "/x", "--config", path});
    EXPECT_EQ(in_file.code, 2);
    EXPECT_NE(in_file.err.find(path + ":2: unknown setting 'log-levle'. Did you mean 'log-level'?"), std::string::npos) << in_file.err;
    set("MILLRACE_TIMEOUT", "soon");
    const Outcome variable = outcome_of({"scope", "list"});
    EXPECT_EQ(variable.code, 2);
    EXPECT_NE(variable.err.find("MILLRACE_TIMEOUT=soon: it should be a number of seconds"), std::string::npos) << variable.err;
    EXPECT_EQ(outcome_of({"version"}).code, 0) << "needs no settings";
}

TEST_F(SettingsOfTheProgram, UnknownVariablesAreErrorsAndServiceLinksAreNot) {
    set("MILLRACE_CONTROLLER_SERVICE_HOST", "10.0.0.1");
    set("MILLRACE_CONTROLLER_PORT", "tcp://10.0.0.1:9090");
    set("MILLRACE_PORT_9090_TCP_ADDR", "10.0.0.1");
    EXPECT_EQ(outcome_of({"settings"}).code, 0);
    set("MILLRACE_CONTROLER", "x");
    const Outcome unknown = outcome_of({"settings"});
    EXPECT_EQ(unknown.code, 2);
    EXPECT_NE(unknown.err.find("Did you mean 'MILLRACE_CONTROLLER'?"), std::string::npos) << unknown.err;
    // The error sends its reader there.
    EXPECT_EQ(outcome_of({"settings", "--markdown"}).code, 0);
}

TEST_F(SettingsOfTheProgram, BecomeTheOptionsOfTheStore) {
    CommandLine line;
    line.flags = {{"data-dir", "/d"},           {"segmentstore-port", "5"},       {"cache-bytes", "9MiB"},
                  {"connections-max", "77"},    {"write-stall-timeout-seconds", "90"}, {"journal-batch-bytes-max", "1MiB"},
                  {"keyvalue-cache-bytes", "3MiB"}};
    ServerSettings settings;
    ASSERT_TRUE(load_settings(line, settings).ok());
    const segmentstore::SegmentStoreOptions options = settings.segment_store();
    EXPECT_EQ(options.data_directory, "/d");
    EXPECT_EQ(options.listen, (Endpoint{"127.0.0.1", 5}));
    EXPECT_EQ(options.cache_bytes, 9u << 20);
    EXPECT_EQ(options.connections_max, 77u);
    EXPECT_EQ(options.stall_limit, std::chrono::seconds{90});
    EXPECT_EQ(options.journal_batch_bytes_max, 1u << 20);
    EXPECT_EQ(settings.engine().cache_bytes, 3u << 20);
}

TEST_F(SettingsOfTheProgram, HaveTheDefaultsOfTheRooms) {
    CommandLine line;
    line.flags = {{"data-dir", "/d"}};
    ServerSettings settings;
    ASSERT_TRUE(load_settings(line, settings).ok());
    const segmentstore::SegmentStoreOptions options = settings.segment_store();
    const segmentstore::SegmentStoreOptions standard;
    EXPECT_EQ(options.containers, standard.containers);
    EXPECT_EQ(options.cache_bytes, standard.cache_bytes);
    EXPECT_EQ(options.journal_file_bytes, standard.journal_file_bytes);
    EXPECT_EQ(options.journal_total_bytes_max, standard.journal_total_bytes_max);
    EXPECT_EQ(options.journal_batch_bytes_max, standard.journal_batch_bytes_max);
    EXPECT_EQ(options.journal_keep_free_bytes, standard.journal_keep_free_bytes);
    EXPECT_EQ(options.storage_directory, standard.storage_directory);
    EXPECT_EQ(options.tiering_window_bytes, standard.tiering_window_bytes);
    EXPECT_EQ(options.tiering_age_max, standard.tiering_age_max);
    EXPECT_EQ(options.connections_max, standard.connections_max);
    EXPECT_EQ(options.admitted_bytes_max, standard.admitted_bytes_max);
    EXPECT_EQ(options.received_bytes_max, standard.received_bytes_max);
    EXPECT_EQ(options.unsent_bytes_max, standard.unsent_bytes_max);
    EXPECT_EQ(options.send_queue_bytes, standard.send_queue_bytes);
    EXPECT_EQ(options.first_frame_limit, standard.first_frame_limit);
    EXPECT_EQ(options.incomplete_limit, standard.incomplete_limit);
    EXPECT_EQ(options.stall_limit, standard.stall_limit);
    EXPECT_EQ(std::chrono::nanoseconds{*settings.retention_period}, controller::ControllerOptions{}.retention_period);
    EXPECT_EQ(settings.http().connections_max, telemetry::HttpServerOptions{}.connections_max);
    EXPECT_EQ(settings.http().request_time, telemetry::HttpServerOptions{}.request_time);
    // A name says its unit, or the value does.
    for (const config::SettingBase* setting : settings.all()) {
        if (setting->type() == "bytes") EXPECT_NE(setting->name().find("-bytes"), std::string::npos) << setting->name();
        if (setting->type().starts_with("time")) EXPECT_TRUE(setting->name().ends_with("-seconds")) << setting->name();
    }
}

std::string contents_of(const std::string& path) {
    std::ifstream file{path};
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

TEST(GeneratedPages, AreThoseOfTheTree) {
    const std::string docs = MILLRACE_DOCS;
    EXPECT_EQ(outcome_of({"settings", "--markdown"}).out, contents_of(docs + "/settings.md"))
        << "run: millrace settings --markdown > docs/settings.md";
    EXPECT_EQ(outcome_of({"metrics", "--markdown"}).out, contents_of(docs + "/metrics.md"))
        << "run: millrace metrics --markdown > docs/metrics.md";
}

TEST(Metrics, HaveNamesThatSayRoomAndUnit) {
    ASSERT_EQ(outcome_of({"metrics"}).code, 0);
    const std::regex name{"millrace_[a-z]+_[a-z0-9_]+_(seconds|bytes|count|state|total)"};
    for (const telemetry::MetricAbout& metric : telemetry::all_metrics()) {
        EXPECT_FALSE(metric.help.empty()) << metric.name;
        EXPECT_EQ(metric.help.find('|'), std::string::npos) << metric.name;
        EXPECT_EQ(metric.type == "counter", metric.name.ends_with("_total")) << metric.name;
        if (!metric.name.starts_with("process_")) EXPECT_TRUE(std::regex_match(metric.name, name)) << metric.name;
    }
}

TEST(ProcessSample, ShowsThisProcess) {
    const telemetry::ProcessSample sample = sample_process();
    EXPECT_GE(sample.threads, 1u);
    EXPECT_GT(sample.resident_bytes, 1u << 20);
    EXPECT_GE(sample.virtual_bytes, sample.resident_bytes);
    EXPECT_GE(sample.open_descriptors, 3u);
    EXPECT_GE(sample.descriptors_max, sample.open_descriptors);
    EXPECT_GT(sample.start_time_seconds, 1.5e9);
    EXPECT_GE(sample.cpu_seconds, 0);
}

}  // namespace
}  // namespace millrace::cli
