// SPDX-License-Identifier: Apache-2.0
//
// For tests: somebody who uses a container at random, as sessions do, and compares each outcome with a model.
// Thread rule: the container's executor. Lifetime: close() must have completed before destruction; the container
// outlives it.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "common/runtime/random.h"
#include "segmentstore/container/container.h"
#include "segmentstore/container/container_model.h"

namespace millrace::container {

// Whom a client tells what it saw.
class ContainerJudge {
public:
    virtual void violation(std::string what) = 0;
    // Whether another owner has taken the container over by now.
    virtual bool replaced() const { return false; }
    // An answer left. `fact`: the last operation that it tells of. `asked_late`: it was asked for when replaced() was
    // so.
    virtual void answered(std::uint64_t fact, bool asked_late) = 0;
    // Committed bytes could not be read.
    virtual void read_failed(const Error& error) = 0;

protected:
    ~ContainerJudge() = default;
};

class ContainerClient {
public:
    static constexpr std::size_t kWriters = 3;
    static constexpr std::size_t kAttributes = 2;

    // So that no two segments and no two appends of a test are alike.
    struct Supply {
        std::int32_t last_incarnation = 0;
        std::uint64_t data_made = 0;
    };
    struct Options {
        std::vector<std::size_t> names;
        std::uint64_t large_one_in = 1000;
        std::uint64_t large_bytes_max = 1'500'000;
    };
    struct Counts {
        std::uint64_t operations = 0;
        std::uint64_t cold_reads = 0;
    };

    ContainerClient(Executor executor, Clock& clock, Random& random, Container& container, ContainerModel& model,
                    Supply& supply, ContainerJudge& judge, Options options);

    // Asks for something.
    void step();
    // Compares all segments with the model. Ends early when the container stops.
    Task<void> check();
    // The container's process is dead: what it answers from here on reaches nobody.
    void die() { dead_ = true; }
    Task<void> close();

    const Counts& counts() const { return counts_; }
    static std::string name_of(std::size_t name);

private:
    // A set-up, perhaps overtaken, perhaps of a segment that is gone.
    struct Session {
        std::size_t name = 0;
        std::size_t writer = 0;
        std::int32_t incarnation = 0;
        WriterHandle handle;
    };

    std::string next_data(std::size_t size);
    std::size_t random_size();
    ModelSegment* find(std::size_t name);
    // Compares the statuses; whether the container answered, and as expected.
    bool expect(const std::string& what, Status status, Status expected);
    // Notes the operation that was just admitted.
    void admitted(ModelOperation operation);
    // The outcome may leave when `depends_on` is settled; then `fact` must be so for ever.
    void answer(Dependency depends_on, std::uint64_t fact);
    Task<void> check_segment(std::size_t name);

    void create(std::size_t name);
    void seal(std::size_t name);
    void remove(std::size_t name);
    void info(std::size_t name);
    void set_up(std::size_t name, std::size_t writer);
    void append();
    void truncate(std::size_t name);
    void attribute(std::size_t name);
    void set_attribute(std::size_t name);
    void start_read(std::size_t name);
    Task<void> read(std::size_t name, std::int64_t offset, std::size_t length, ReadWait& wait);

    const Executor executor_;
    Clock& clock_;
    Random& random_;
    Container& container_;
    ContainerModel& model_;
    Supply& supply_;
    ContainerJudge& judge_;
    const Options options_;
    std::vector<Session> sessions_;
    std::list<ReadWait> waits_;
    Counts counts_;
    bool dead_ = false;
    Gate gate_;
};

}  // namespace millrace::container
