// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/testing/history.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <utility>
#include <vector>

#include "common/keyvalue/testing/fake_files.h"
#include "common/runtime/gate.h"

namespace millrace::keyvalue {

namespace {

// Every batch ever written, and from which on they may still be lost.
class Model {
public:
    const FakeRows& rows() const { return now_; }

    void write(const WriteBatch& batch) {
        apply_to(now_, batch);
        unsure_.push_back(batch);
    }
    std::uint64_t written() const { return written_before_ + unsure_.size(); }
    // All up to this number are certain.
    void durable(std::uint64_t number) {
        while (written_before_ < number && !unsure_.empty()) {
            apply_to(certain_, unsure_.front());
            unsure_.pop_front();
            ++written_before_;
        }
    }
    // Whether the rows can be what a crash left; takes them as what there is now.
    bool accept(const FakeRows& left) {
        FakeRows candidate = certain_;
        for (std::size_t kept = 0; candidate != left; ++kept) {
            if (kept == unsure_.size()) return false;
            apply_to(candidate, unsure_[kept]);
        }
        certain_ = now_ = left;
        written_before_ += unsure_.size();
        unsure_.clear();
        return true;
    }

private:
    FakeRows now_;
    FakeRows certain_;
    std::deque<WriteBatch> unsure_;
    std::uint64_t written_before_ = 0;
};

std::string describe(const FakeRows& expected, const FakeRows& found) {
    for (const auto& [key, value] : expected) {
        const auto other = found.find(key);
        if (other == found.end()) return "the key " + to_hex(as_bytes(key)) + " is missing";
        if (other->second != value) return "the key " + to_hex(as_bytes(key)) + " has another value";
    }
    for (const auto& [key, value] : found) {
        if (!expected.contains(key)) return "the key " + to_hex(as_bytes(key)) + " should not be there";
    }
    return "no difference";
}

class History {
public:
    History(Harness& harness, HistoryOptions options) : harness_{harness}, options_{options}, random_{options.seed} {}

    std::optional<std::string> run() {
        open();
        for (int step = 0; step < options_.steps && !wrong_; ++step) {
            take_step();
            if (wrong_) wrong_ = "step " + std::to_string(step) + ": " + *wrong_;
        }
        kept_.clear();
        if (store_) close_in(harness_, *store_);
        store_.reset();
        return wrong_;
    }

private:
    struct Kept {
        std::unique_ptr<Snapshot> snapshot;
        FakeRows rows;
    };

    void fail(std::string what) {
        if (!wrong_) wrong_ = std::move(what);
    }
    template <class T>
    bool check(const Result<T>& result, const char* what) {
        if (!result.ok()) fail(std::string{what} + " failed: " + result.error().to_string());
        return result.ok();
    }

    void take_step() {
        switch (random_.between(0, 20)) {
            case 0: return flush();
            case 1: return reopen();
            case 2:
            case 3: return crash();
            case 4: return take_snapshot();
            case 5: return check_snapshots();
            case 6: return random_.one_in(3) ? compact() : read_all(*store_, model_.rows());
            case 7: return random_.one_in(3) ? copy() : read_all(*store_, model_.rows());
            case 8:
            case 9: return read_some(*store_, model_.rows());
            case 10:
            case 11: return write_many();
            default: return write_one();
        }
    }

    std::string random_key() {
        static constexpr char kLetters[] = {'a', 'b', 'c', '\0', '\xff'};
        std::string key;
        for (std::uint64_t i = random_.between(0, 4); i > 0; --i) key.push_back(kLetters[random_.between(0, 5)]);
        return key;
    }
    std::string random_value() {
        std::string value(random_.one_in(20) ? random_.between(0, 20'000) : random_.between(0, 40), '\0');
        for (char& byte : value) byte = static_cast<char>(random_.next());
        return value;
    }
    WriteBatch random_batch() {
        WriteBatch batch;
        // The number of the batch makes each state different from the one before.
        for (std::uint64_t i = random_.between(0, 8); i > 0; --i) {
            const std::string key = random_key();
            if (random_.one_in(10)) batch.remove_range(key, random_.one_in(4) ? std::string{} : random_key());
            else if (random_.one_in(4)) batch.remove(key);
            else batch.put(key, random_value());
        }
        batch.put("number", std::to_string(model_.written()));
        return batch;
    }

    void open() {
        StoreOptions store;
        store.directory = harness_.directory() + "/history";
        store.log = options_.log;
        store.write_buffer_bytes = 64 * 1024;
        auto opened = run_in(harness_, [this, store] { return harness_.engine().open(harness_.runtime(), store); });
        if (!check(opened, "open")) return;
        store_ = std::move(opened).value();
    }

    // Writes go out without waiting for each other; the model has them in the order of the calls.
    struct Written {
        std::uint64_t number = 0;
        bool synced = false;
        bool ok = false;
        std::string error;
    };
    Task<void> write_all(std::shared_ptr<std::vector<Written>> all, std::vector<WriteBatch> batches, bool synced) {
        Gate writers;
        all->resize(batches.size());
        for (std::size_t i = 0; i < batches.size(); ++i) {
            Written& written = (*all)[i];
            written.synced = synced && random_.one_in(2);
            written.number = model_.written() - batches.size() + i + 1;
            const Durability durability = written.synced ? Durability::kSynced : Durability::kBuffered;
            writers.spawn(harness_.runtime().executor,
                          [this, all, i, batch = batches[i], durability]() -> Task<void> {
                              const Result<void> done = co_await store_->write(batch, durability);
                              (*all)[i].ok = done.ok();
                              if (!done) (*all)[i].error = done.error().to_string();
                          });
        }
        co_await writers.close();
    }
    void take_results(const std::vector<Written>& all) {
        for (const Written& written : all) {
            if (written.ok && written.synced) model_.durable(written.number);
        }
    }
    std::vector<WriteBatch> new_batches(std::uint64_t count) {
        std::vector<WriteBatch> batches;
        for (std::uint64_t i = 0; i < count; ++i) {
            batches.push_back(random_batch());
            model_.write(batches.back());
        }
        return batches;
    }

    void write_one() { write(1); }
    void write_many() { write(random_.between(2, 20)); }
    void write(std::uint64_t count) {
        const auto all = std::make_shared<std::vector<Written>>();
        harness_.run([this, all, batches = new_batches(count)] { return write_all(all, batches, options_.log); });
        for (const Written& written : *all) {
            if (!written.ok) fail("a write failed: " + written.error);
        }
        take_results(*all);
    }

    void flush() {
        const std::uint64_t number = model_.written();
        if (check(run_in(harness_, [this] { return store_->flush(); }), "flush")) model_.durable(number);
    }
    void compact() { check(run_in(harness_, [this] { return store_->compact(); }), "compact"); }

    void reopen() {
        kept_.clear();
        close_in(harness_, *store_);
        model_.durable(model_.written());
        open();
        if (!wrong_) read_all(*store_, model_.rows());
    }

    void crash() {
        const auto all = std::make_shared<std::vector<Written>>();
        const auto flushed = std::make_shared<bool>(false);
        const std::uint64_t before = model_.written();
        const bool flushing = random_.one_in(2);
        std::vector<WriteBatch> batches = new_batches(random_.between(0, 6));
        const bool crashed = harness_.crash_during([this, all, batches, flushed, flushing]() -> Task<void> {
            Gate both;
            if (flushing) {
                both.spawn(harness_.runtime().executor, [this, flushed]() -> Task<void> {
                    const Result<void> done = co_await store_->flush();
                    *flushed = done.ok();
                });
            }
            co_await write_all(all, batches, options_.log);
            co_await both.close();
        });
        if (!crashed) {
            // As if it had been an ordinary step.
            harness_.run([this, all, batches] { return write_all(all, batches, options_.log); });
        }
        if (*flushed) model_.durable(before);
        take_results(*all);
        if (!crashed) return;
        kept_.clear();
        close_in(harness_, *store_);
        store_.reset();
        open();
        if (wrong_) return;
        const std::optional<FakeRows> left = all_rows(*store_);
        if (!left || model_.accept(*left)) return;
        fail("after a crash there is what no number of batches makes: " + describe(model_.rows(), *left));
    }

    void take_snapshot() {
        auto taken = run_in(harness_, [this] { return store_->snapshot(); });
        if (check(taken, "snapshot")) kept_.push_back({std::move(taken).value(), model_.rows()});
        if (kept_.size() > 3) kept_.erase(kept_.begin());
    }
    void check_snapshots() {
        for (Kept& kept : kept_) {
            read_some(*kept.snapshot, kept.rows);
            read_all(*kept.snapshot, kept.rows);
        }
    }

    std::optional<FakeRows> all_rows(Reader& reader) {
        const PageLimit limit{.rows = random_.between(1, 200), .bytes = random_.between(1, 50'000)};
        FakeRows rows;
        std::optional<std::string> begin{""};
        while (begin) {
            const Result<Page> page = run_in(harness_, [&] { return reader.scan(*begin, "", limit); });
            if (!check(page, "scan")) return std::nullopt;
            for (const Row& row : page->rows) rows.emplace(row.key, row.value);
            begin = page->next;
        }
        return rows;
    }
    void read_all(Reader& reader, const FakeRows& expected) {
        const std::optional<FakeRows> rows = all_rows(reader);
        if (rows && *rows != expected) fail("a scan of everything: " + describe(expected, *rows));
    }
    void read_some(Reader& reader, const FakeRows& expected) {
        const auto wanted = [&expected](const std::string& key) {
            const auto found = expected.find(key);
            return found == expected.end() ? std::optional<std::string>{} : std::optional<std::string>{found->second};
        };
        const std::string key = random_key();
        const auto one = run_in(harness_, [&] { return reader.get(key); });
        if (check(one, "get") && *one != wanted(key)) fail("get of " + to_hex(as_bytes(key)));
        std::vector<std::string> keys;
        for (std::uint64_t i = random_.between(0, 10); i > 0; --i) keys.push_back(random_key());
        const auto many = run_in(harness_, [&] { return reader.multi_get(keys); });
        if (check(many, "multi_get")) {
            for (std::size_t i = 0; i < keys.size(); ++i) {
                if ((*many)[i] != wanted(keys[i])) fail("multi_get of " + to_hex(as_bytes(keys[i])));
            }
        }
        const std::string begin = random_key();
        const std::string end = random_key();
        const auto page = run_in(harness_, [&] { return reader.scan(begin, end, {.rows = 1 << 20, .bytes = 1 << 30}); });
        if (!check(page, "scan")) return;
        std::vector<Row> rows;
        for (auto at = expected.lower_bound(begin); at != expected.end() && (end.empty() || at->first < end); ++at) {
            rows.push_back({at->first, at->second});
        }
        if (page->next || page->rows != rows) fail("scan from " + to_hex(as_bytes(begin)) + " to " + to_hex(as_bytes(end)));
    }

    // The store by its files, into another directory, is the store.
    void copy() {
        const std::string to = harness_.directory() + "/copy";
        const Result<void> copied = run_in(harness_, [this, to]() -> Task<Result<void>> {
            Engine& engine = harness_.engine();
            MR_CO_TRY_VOID(co_await engine.destroy(harness_.runtime(), to));
            MR_CO_TRY(const std::unique_ptr<PinnedFiles> pin, co_await store_->pin_files());
            MR_CO_TRY(const std::unique_ptr<Restore> restore, co_await engine.restore(harness_.runtime(), to));
            for (std::size_t i = 0; i < pin->files().size(); ++i) {
                MR_CO_TRY(const Bytes all, co_await pin->read(i, 0, static_cast<std::size_t>(pin->files()[i].size)));
                MR_CO_TRY_VOID(co_await restore->write(pin->files()[i].name, all));
            }
            co_return co_await restore->finish();
        });
        if (!check(copied, "copying")) return;
        model_.durable(model_.written());  // a pin flushes
        StoreOptions options;
        options.directory = to;
        options.log = options_.log;
        auto opened = run_in(harness_, [&] { return harness_.engine().open(harness_.runtime(), options); });
        if (!check(opened, "opening a copy")) return;
        read_all(**opened, model_.rows());
        close_in(harness_, **opened);
    }

    Harness& harness_;
    const HistoryOptions options_;
    SeededRandom random_;
    std::unique_ptr<Store> store_;
    Model model_;
    std::vector<Kept> kept_;
    std::optional<std::string> wrong_;
};

}  // namespace

void close_in(Harness& harness, Store& store) {
    harness.run([&store] { return store.close(); });
}

std::optional<std::string> run_history(Harness& harness, HistoryOptions options) {
    return History{harness, options}.run();
}

}  // namespace millrace::keyvalue
