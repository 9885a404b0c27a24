// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "tests/bench/bench.h"

namespace millrace::bench {
namespace {

// The fields of /proc/PID/stat behind the command's name, which may hold anything; the third of all is the first here.
std::vector<std::string> stat_fields(pid_t pid) {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
    std::string text;
    std::getline(file, text);
    std::istringstream rest{text.substr(std::min(text.size(), text.rfind(')') + 1))};
    std::vector<std::string> fields;
    for (std::string field; rest >> field;) fields.push_back(std::move(field));
    return fields;
}

double number_of(const std::vector<std::string>& fields, std::size_t number_in_manual) {
    const std::size_t at = number_in_manual - 3;
    return at < fields.size() ? std::stod(fields[at]) : 0;
}

}  // namespace

ServerProcess::ServerProcess(std::vector<std::string> arguments, std::string log)
    : name_{arguments.at(0)}, log_{std::move(log)} {
    int pipe[2];
    checked(::pipe2(pipe, O_CLOEXEC));
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = checked(::fork());
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int err = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        ::dup2(pipe[1], STDOUT_FILENO);
        if (err >= 0) ::dup2(err, STDERR_FILENO);
        ::execvp(argv[0], argv.data());
        ::_exit(127);
    }
    ::close(pipe[1]);
    out_ = pipe[0];
}

ServerProcess::~ServerProcess() {
    if (pid_ > 0) kill();
    ::close(out_);
}

std::string ServerProcess::read_line() {
    std::string line;
    for (char c = 0; ::read(out_, &c, 1) == 1;) {
        if (c == '\n') return line;
        line += c;
    }
    std::fprintf(stderr, "%s ended without a ready line; see %s\n", name_.c_str(), log_.c_str());
    std::exit(1);
}

std::string ServerProcess::read_to_end() {
    std::string text;
    char part[4096];
    for (ssize_t got = 0; (got = checked(::read(out_, part, sizeof part))) > 0;)
        text.append(part, static_cast<std::size_t>(got));
    int status = 0;
    checked(::waitpid(std::exchange(pid_, -1), &status, 0));
    if (status != 0) {
        std::fprintf(stderr, "%s failed; see %s\n", name_.c_str(), log_.c_str());
        std::exit(1);
    }
    return text;
}

void ServerProcess::terminate() { end(SIGTERM); }
void ServerProcess::kill() { end(SIGKILL); }

void ServerProcess::end(int signal) {
    checked(::kill(pid_, signal));
    checked(::waitpid(std::exchange(pid_, -1), nullptr, 0));
}

double ServerProcess::cpu_seconds() const {
    const auto fields = stat_fields(pid_);
    return (number_of(fields, 14) + number_of(fields, 15)) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::uint64_t ServerProcess::resident_bytes() const {
    return static_cast<std::uint64_t>(number_of(stat_fields(pid_), 24)) *
           static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t ServerProcess::written_bytes() const {
    std::ifstream file{"/proc/" + std::to_string(pid_) + "/io"};
    for (std::string name, value; file >> name >> value;) {
        if (name == "write_bytes:") return std::stoull(value);
    }
    std::fprintf(stderr, "/proc/%d/io does not tell what was written\n", pid_);
    std::exit(1);
}

std::uint16_t segment_store_port(const std::string& ready_line) {
    const std::string key = " segmentstore=";
    const std::size_t at = ready_line.find(key);
    const std::size_t colon = at == std::string::npos ? at : ready_line.find(':', at);
    if (!ready_line.starts_with("ready ") || colon == std::string::npos) {
        std::fprintf(stderr, "no ready line: %s\n", ready_line.c_str());
        std::exit(1);
    }
    return static_cast<std::uint16_t>(std::stoi(ready_line.substr(colon + 1)));
}

std::uint16_t free_port() {
    const int fd = checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    checked(::bind(fd, reinterpret_cast<sockaddr*>(&address), size));
    checked(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size));
    ::close(fd);
    return ntohs(address.sin_port);
}

}  // namespace millrace::bench
