// SPDX-License-Identifier: Apache-2.0
//
// What all client commands can be told, by flag, environment or file.
#pragma once

#include "common/config/settings_set.h"

namespace millrace::cli {

struct ClientSettings : config::SettingsSet {
    using Duration = config::Duration;
    static constexpr Duration kSecond = std::chrono::seconds{1};

    config::Section section{*this, "Client commands"};
    config::Setting<config::Path> config_file{*this, "config", {}, "A file of settings, 'name = value' a line",
                                         {.placeholder = "FILE"}};
    config::Setting<Endpoint> controller{*this, "controller", Endpoint{"127.0.0.1", 9090}, "Where the controller listens"};
    config::Setting<Duration> timeout{*this, "timeout", 10 * kSecond, "How long to try to reach a server that does not answer",
                                      {.min = kSecond / 1000, .max = 3600 * kSecond}};
    config::Setting<Duration> retry_timeout{
        *this, "retry-timeout", Duration{0},
        "How long to reconnect to a server that was lost on the way before giving up; 0: for ever", {.max = 3600 * kSecond}};
    config::Setting<config::Choice> output{*this, "output", config::Choice{"table"}, "How to print results",
                                           {.words = {"table", "json"}}};
};

}  // namespace millrace::cli
