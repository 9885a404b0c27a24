// SPDX-License-Identifier: Apache-2.0
#include "common/config/settings_set.h"

#include <gtest/gtest.h>

namespace millrace::config {
namespace {

using namespace literals;
using namespace std::chrono_literals;

struct Sample : SettingsSet {
    Setting<Path> config{*this, "config", Path{}, "A file of settings"};
    Section memory{*this, "Memory"};
    Setting<ByteSize> cache{*this, "cache-bytes", 256_MiB, "Kept for readers", {.min = 8_MiB, .max = 64_GiB}};
    Setting<ByteSize> journal{*this, "journal-bytes-max", 0_MiB, "Of the journal; 0: no limit"};
    Section rest{*this, "The rest"};
    Setting<Path> directory{*this, "data-dir", Path{}, "Where data lies", {.required = true, .placeholder = "DIR"}};
    Setting<Duration> patience{*this, "patience-seconds", 10s, "Waits", {.min = 1ms, .max = 1h}};
    Setting<std::uint64_t> port{*this, "port", 9090, "Listens", {.max = 65535}};
    Setting<bool> fast{*this, "fast", false, "Hurries"};
    Setting<std::string> bind{*this, "bind", "127.0.0.1", "Address", {.allow_empty = false}};
    Setting<Choice> level{*this, "log-level", Choice{"info"}, "What is logged", {.words = {"debug", "info", "warn"}}};
    Setting<Endpoint> peer{*this, "peer", Endpoint{"localhost", 1}, "The other one"};
    Setting<Secret> token{*this, "token", Secret{}, "Shared by all"};

protected:
    Result<void> validate() const override {
        if (journal.get() > ByteSize{} && journal.get() < cache.get()) {
            return conflict(journal, cache, "the journal should be at least as large as the cache");
        }
        return ok();
    }
};

Sources with(std::vector<std::pair<std::string, std::string>> flags,
             std::vector<std::pair<std::string, std::string>> environment = {}, std::string file = {}) {
    Sources sources;
    sources.flags = std::move(flags);
    sources.flags.emplace_back("data-dir", "/d");
    sources.environment = std::move(environment);
    if (!file.empty()) {
        sources.flags.emplace_back("config", "m.conf");
        sources.read_file = [file](const std::string&) -> Result<std::string> { return file; };
    }
    return sources;
}

std::string error_of(const Sources& sources) {
    Sample sample;
    const auto loaded = sample.load(sources);
    if (loaded) return "loaded";
    EXPECT_TRUE(loaded.error().is(ErrorCode::kInvalidArgument));
    return loaded.error().detail();
}

TEST(Settings, HaveTheirDefaults) {
    Sample sample;
    ASSERT_TRUE(sample.load(with({})).ok());
    EXPECT_EQ(sample.cache.get(), 256_MiB);
    EXPECT_EQ(sample.cache.origin(), Origin::kDefault);
    EXPECT_EQ(sample.cache.origin_text(), "default");
    EXPECT_EQ(sample.directory->text, "/d");
    EXPECT_EQ(sample.directory.origin_text(), "flag");
    EXPECT_EQ(sample.peer->to_string(), "localhost:1");
    EXPECT_EQ(sample.level->word, "info");
    EXPECT_FALSE(*sample.fast);
}

TEST(Settings, ReadEveryType) {
    Sample sample;
    const auto loaded = sample.load(with({{"cache-bytes", "1GiB"}, {"patience-seconds", "250ms"}, {"port", "0"}, {"fast", "yes"},
                                  {"bind", "::"}, {"log-level", "warn"}, {"peer", "[::1]:5"}, {"token", "abc"}}));
    ASSERT_TRUE(loaded.ok()) << loaded.error().detail();
    EXPECT_EQ(*sample.cache, 1_GiB);
    EXPECT_EQ(*sample.patience, 250ms);
    EXPECT_EQ(*sample.port, 0u);
    EXPECT_TRUE(*sample.fast);
    EXPECT_EQ(*sample.bind, "::");
    EXPECT_EQ(sample.level->word, "warn");
    EXPECT_EQ(*sample.peer, (Endpoint{"::1", 5}));
    EXPECT_EQ(sample.token->reveal(), "abc");
}

TEST(Settings, TakeTheStrongestSource) {
    const std::string file = "port = 1\ncache-bytes = 9MiB\nbind = file\n";
    const std::vector<std::pair<std::string, std::string>> environment{
        {"MILLRACE_PORT", "2"}, {"MILLRACE_CACHE_BYTES", "10MiB"}, {"MILLRACE_FAST", ""}, {"HOME", "/x"}, {"MILLRACE", "y"}};
    Sample sample;
    ASSERT_TRUE(sample.load(with({{"port", "3"}}, environment, file)).ok());
    EXPECT_EQ(*sample.port, 3u);
    EXPECT_EQ(sample.port.origin_text(), "flag");
    EXPECT_EQ(*sample.cache, 10_MiB);
    EXPECT_EQ(sample.cache.origin_text(), "MILLRACE_CACHE_BYTES");
    EXPECT_EQ(*sample.bind, "file");
    EXPECT_EQ(sample.bind.origin_text(), "m.conf:3");
    EXPECT_EQ(sample.fast.origin_text(), "default") << "an empty variable counts as absent";
}

TEST(Settings, NameTheCulpritItsValueAndWhatWouldBeRight) {
    EXPECT_EQ(error_of(with({{"cache-bytes", "1MiB"}})), "--cache-bytes 1MiB: it should be 8MiB to 64GiB");
    EXPECT_EQ(error_of(with({{"port", "70000"}})), "--port 70000: it should be at most 65535");
    EXPECT_EQ(error_of(with({{"port", ""}})), "--port '': it should be a whole number");
    EXPECT_EQ(error_of(with({{"bind", ""}})), "--bind '': it should be not empty");
    EXPECT_EQ(error_of(with({}, {{"MILLRACE_LOG_LEVEL", "loud"}})),
              "MILLRACE_LOG_LEVEL=loud: it should be one of debug, info, warn");
    EXPECT_EQ(error_of(with({}, {}, "# x\nfast = perhaps\n")), "m.conf:2: fast = perhaps: it should be true or false");
    EXPECT_EQ(error_of(with({{"patience-seconds", "2h"}})), "--patience-seconds 2h: it should be 1ms to 1h");
    EXPECT_NE(error_of(with({{"peer", "nonsense"}})).find("--peer nonsense: "), std::string::npos);
    EXPECT_EQ(error_of({}), "--data-dir is required; MILLRACE_DATA_DIR, or 'data-dir = ...' in a config file, will do too");
    // A value that is overruled is looked at all the same: it will matter one day.
    EXPECT_NE(error_of(with({{"port", "3"}}, {}, "port = x\n")).find("m.conf:1: port = x"), std::string::npos);
}

TEST(Settings, KeepErrorsToOneShortLine) {
    const std::string huge(100'000, 'x');
    const std::string odd = "a\nb" + huge;
    for (const std::string& error :
         {error_of(with({}, {{"MILLRACE_PORT", odd}})), error_of(with({}, {{"MILLRACE_PEER", odd}})),
          error_of(with({}, {{"MILLRACE_PEER", huge}})), error_of(with({}, {{"MILLRACE_" + odd, "1"}})),
          error_of(with({{odd, "1"}})), error_of(with({}, {}, huge + " = 1\n")), error_of(with({}, {}, huge + " =\n")),
          error_of(with({}, {}, huge + " = \"\n")), error_of(with({}, {}, "port = " + huge + "\n"))}) {
        EXPECT_NE(error, "loaded");
        EXPECT_LT(error.size(), 450u);
        EXPECT_EQ(error.find('\n'), std::string::npos);
    }
}

TEST(Settings, RefuseUnknownNamesWithAHint) {
    EXPECT_EQ(error_of(with({{"cach-bytes", "1"}})), "unknown option '--cach-bytes'. Did you mean 'cache-bytes'?");
    EXPECT_NE(error_of(with({}, {{"MILLRACE_CACHE_BYTE", "1"}}))
                  .find("unknown variable MILLRACE_CACHE_BYTE. Did you mean 'MILLRACE_CACHE_BYTES'?"),
              std::string::npos);
    EXPECT_NE(error_of(with({}, {}, "\nprot = 1\n")).find("m.conf:2: unknown setting 'prot'. Did you mean 'port'?"),
              std::string::npos);
}

TEST(Settings, LeaveOthersToOthers) {
    Sources sources = with({}, {{"MILLRACE_CONTROLLER", "x"}, {"MILLRACE_SEED", "5"}}, "controller = y\n");
    sources.other_names = {"controller"};
    sources.other_variables = {"MILLRACE_SEED"};
    EXPECT_EQ(error_of(sources), "loaded");
    sources.environment.emplace_back("MILLRACE_CONTROLER", "x");
    EXPECT_NE(error_of(sources).find("Did you mean 'MILLRACE_CONTROLLER'?"), std::string::npos);
}

TEST(Settings, FindTheConfigFileByFlagOrVariable) {
    std::string asked;
    Sources sources;
    sources.read_file = [&asked](const std::string& path) -> Result<std::string> {
        asked = path;
        return std::string{"data-dir = /from/file\n"};
    };
    sources.environment = {{"MILLRACE_CONFIG", "variable.conf"}};
    Sample by_variable;
    ASSERT_TRUE(by_variable.load(sources).ok());
    EXPECT_EQ(asked, "variable.conf");
    EXPECT_EQ(by_variable.directory->text, "/from/file");
    sources.flags = {{"config", "flag.conf"}};
    Sample by_flag;
    ASSERT_TRUE(by_flag.load(sources).ok());
    EXPECT_EQ(asked, "flag.conf");
    EXPECT_EQ(by_flag.config->text, "flag.conf");

    sources.read_file = [](const std::string& path) -> Result<std::string> {
        return Error{ErrorCode::kNotFound, "cannot open '" + path + "': No such file or directory"};
    };
    Sample missing;
    EXPECT_EQ(missing.load(sources).error().detail(), "config file: cannot open 'flag.conf': No such file or directory");
    sources.read_file = [](const std::string&) -> Result<std::string> { return std::string{"config = other\n"}; };
    Sample nested;
    EXPECT_NE(nested.load(sources).error().detail().find("cannot name another"), std::string::npos);
}

TEST(Settings, CheckBoundsAcrossSettingsNamingBoth) {
    EXPECT_EQ(error_of(with({{"journal-bytes-max", "1MiB"}}, {{"MILLRACE_CACHE_BYTES", "64MiB"}})),
              "--journal-bytes-max 1MiB and MILLRACE_CACHE_BYTES=64MiB: the journal should be at least as large as the cache");
    EXPECT_EQ(error_of(with({}, {}, "journal-bytes-max = 1MiB")),
              "m.conf:1: journal-bytes-max = 1MiB and cache-bytes = 256MiB (default): the journal should be at least as large "
              "as the cache");
}

TEST(Settings, NeverShowSecrets) {
    Sample sample;
    ASSERT_TRUE(sample.load(with({}, {}, "token = open-sesame\n")).ok());
    EXPECT_EQ(sample.token.text(), "(set)");
    EXPECT_EQ(sample.token.culprit().find("open-sesame"), std::string::npos);
    EXPECT_TRUE(sample.token.secret());
    EXPECT_EQ(Sample{}.token.text(), "");
}

TEST(Settings, MissingOnesAreFineForLookingAtThem) {
    Sample sample;
    EXPECT_TRUE(sample.load({.allow_missing = true}).ok());
}

TEST(SettingsPage, ListsThemBySection) {
    const std::string page = to_markdown(Sample{});
    EXPECT_NE(page.find("| name | default | values | |\n| --- | --- | --- | --- |\n| `config` |  | path | A file of settings |\n\n### Memory\n"),
              std::string::npos) << page;
    for (const std::string row : {"| `cache-bytes` | `256MiB` | bytes, 8MiB to 64GiB | Kept for readers |\n",
                                  "| `data-dir` | required | path | Where data lies |\n",
                                  "| `patience-seconds` | `10s` | time in seconds, 1ms to 1h | Waits |\n",
                                  "| `log-level` | `info` | debug, info, warn | What is logged |\n",
                                  "| `token` |  | secret text | Shared by all |\n"}) {
        EXPECT_NE(page.find(row), std::string::npos) << row << page;
    }
}

}  // namespace
}  // namespace millrace::config
