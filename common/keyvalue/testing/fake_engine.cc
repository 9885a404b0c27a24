// SPDX-License-Identifier: Apache-2.0
#include "common/keyvalue/testing/fake_engine.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "common/base/crc32c.h"
#include "common/keyvalue/testing/fake_files.h"
#include "common/keyvalue/write_queue.h"
#include "common/runtime/gate.h"
#include "common/runtime/rare.h"

namespace millrace::keyvalue {

namespace {

// As of a store, or of a snapshot: the rows do not change any more.
using RowsThen = std::shared_ptr<const FakeRows>;

Page page_of(const FakeRows& rows, const std::string& begin, const std::string& end, PageLimit limit) {
    Page page;
    if (!end.empty() && begin >= end) return page;
    std::size_t bytes = 0;
    for (auto at = rows.lower_bound(begin); at != rows.end() && (end.empty() || at->first < end); ++at) {
        const std::size_t weight = at->first.size() + at->second.size();
        if (!page.rows.empty() && (page.rows.size() >= limit.rows || bytes + weight > limit.bytes)) {
            page.next = at->first;
            break;
        }
        bytes += weight;
        page.rows.push_back({at->first, at->second});
    }
    return page;
}

class FakeCore : public std::enable_shared_from_this<FakeCore> {
public:
    FakeCore(Runtime runtime, StoreOptions options, FakeOptions fake, std::unique_ptr<DirectoryLock> lock, FakeState state)
        : runtime_{runtime},
          options_{std::move(options)},
          fake_{fake},
          random_{runtime_.random.next()},
          lock_{std::move(lock)},
          manifest_{std::move(state.manifest)},
          rows_{std::make_shared<FakeRows>(std::move(state.rows))},
          queue_{runtime_.executor, [this](std::shared_ptr<const WriteQueue::Group> group) {
                     return write_group(std::move(group));
                 }} {}

    const Runtime& runtime() const { return runtime_; }
    const StoreOptions& options() const { return options_; }
    std::optional<Error> stopped() const { return failed_; }

    Error closed() const { return {ErrorCode::kClosed, "the store " + options_.directory + " is closed"}; }
    Error unavailable() const {
        return {ErrorCode::kUnavailable, "the store " + options_.directory + " stopped: " + failed_->to_string()};
    }
    Result<Gate::Pass> enter() {
        if (closing_) return closed();
        if (failed_) return unavailable();
        return gate_.enter();
    }
    Result<void> check_writable() const {
        if (!options_.read_only) return ok();
        return Error{ErrorCode::kInvalidArgument, "the store " + options_.directory + " was opened to read only"};
    }
    // A read takes a while, and asks the disk of its process whether that lives.
    Task<Result<void>> read_delay() {
        co_await sleep_for(runtime_.clock, std::chrono::microseconds{random_.between(1, 300)});
        const Result<std::uint64_t> alive = co_await runtime_.disk.free_bytes(options_.directory);
        if (!alive) co_return alive.error();
        co_return ok();
    }
    // What was written from now on is not in it.
    RowsThen rows_now() const { return rows_; }

    Task<Result<void>> write(WriteBatch batch, Durability durability) {
        MR_CO_TRY_VOID(check_writable());
        if (durability == Durability::kSynced && !options_.log) {
            co_return Error{ErrorCode::kInvalidArgument, "the store " + options_.directory + " has no log: flush() it"};
        }
        MR_CO_TRY(const Gate::Pass pass, enter());
        co_return co_await queue_.write(std::move(batch), durability);
    }

    Task<Result<void>> flush() {
        MR_CO_TRY(const Gate::Pass pass, enter());
        co_await queue_.settled();
        if (fake_.bugs.flushes_later) {
            flush_in_background(last_);
            co_return ok();
        }
        co_return co_await flush_through(last_);
    }

    // Everything in one layer.
    Task<Result<void>> compact() {
        MR_CO_TRY_VOID(check_writable());
        MR_CO_TRY(const Gate::Pass pass, enter());
        co_await queue_.settled();
        MR_CO_TRY_VOID(co_await flush_through(last_));
        while (flushing_) co_await flushed_changed_.wait();
        co_return co_await merge_layers();
    }

    // Ends with what was pinned; the names stay until unpin().
    Task<Result<FakeManifest>> pin() {
        MR_CO_TRY_VOID(check_writable());
        MR_CO_TRY(const Gate::Pass pass, enter());
        co_await queue_.settled();
        MR_CO_TRY_VOID(co_await flush_through(last_));
        for (const FakeLayer& layer : manifest_.layers) ++pins_[layer.number];
        co_return manifest_;
    }
    void unpin(const FakeManifest& pinned) {
        std::vector<FakeLayer> free;
        for (const FakeLayer& layer : pinned.layers) {
            const auto found = pins_.find(layer.number);
            if (--found->second > 0) continue;
            pins_.erase(found);
            if (!live(layer.number)) free.push_back(layer);
        }
        if (free.empty()) return;
        gate_.spawn(runtime_.executor, [self = shared_from_this(), free = std::move(free)]() -> Task<void> {
            co_await self->remove_layers(free);
        });
    }

    Statistics statistics() const {
        Statistics numbers;
        for (const WriteBatch& batch : unflushed_) numbers.unflushed_bytes += batch.bytes();
        for (const FakeLayer& layer : manifest_.layers) numbers.file_bytes += layer.size;
        numbers.files = manifest_.layers.size();
        numbers.keys_about = rows_->size();
        numbers.batches = queue_.batches();
        numbers.groups = queue_.groups();
        return numbers;
    }

    Task<Error> failed() {
        const auto self = shared_from_this();
        while (!failed_ && !closing_) co_await failed_changed_.wait();
        if (failed_) co_return *failed_;
        co_return closed();
    }

    Task<void> close() {
        const auto self = shared_from_this();
        const bool first = !std::exchange(closing_, true);
        failed_changed_.notify_all();
        co_await gate_.close();
        if (!first) co_return;
        if (!failed_ && !options_.read_only) (void)co_await flush_through(last_);
        lock_.reset();
    }

private:
    bool live(std::uint64_t number) const {
        return std::any_of(manifest_.layers.begin(), manifest_.layers.end(),
                           [number](const FakeLayer& layer) { return layer.number == number; });
    }

    void stop(const Error& error) {
        // The process is over, which is no failure of the store.
        if (failed_ || error.is(ErrorCode::kClosed)) return;
        failed_ = error;
        failed_changed_.notify_all();
        flushed_changed_.notify_all();
    }

    Task<Result<void>> write_group(std::shared_ptr<const WriteQueue::Group> group) {
        if (failed_) co_return unavailable();
        co_await sleep_for(runtime_.clock, std::chrono::microseconds{random_.between(1, 100)});
        MR_CO_TRY(const std::uint64_t free, co_await runtime_.disk.free_bytes(options_.directory));
        if (free < options_.keep_free_bytes) {
            co_return Error{ErrorCode::kNoSpace, "the disk of " + options_.directory + " has " + std::to_string(free) +
                                                     " bytes free; " + std::to_string(options_.keep_free_bytes) +
                                                     " are kept free"};
        }
        // A background flush may have failed meanwhile.
        if (failed_) co_return unavailable();
        // Who reads, or has a snapshot, keeps the rows of then.
        auto rows = rows_.use_count() == 1 ? rows_ : std::make_shared<FakeRows>(*rows_);
        for (const WriteBatch& batch : group->batches) {
            apply_to(*rows, batch);
            unflushed_.push_back(batch);
            unflushed_bytes_ += batch.bytes();
            ++last_;
        }
        rows_ = std::move(rows);
        if (group->synced) {
            Result<void> synced = co_await flush_through(last_);
            if (!synced) co_return std::move(synced).error().with_unknown_fate();
            co_return ok();
        }
        if (unflushed_bytes_ >= options_.write_buffer_bytes) {
            flush_in_background(last_);
        } else if (!unflushed_.empty() && fake_.flush_one_in > 0 &&
                   (random_.one_in(fake_.flush_one_in) || MR_RARE("keyvalue.flush_early"))) {
            flush_in_background(random_.between(last_ - unflushed_.size() + 1, last_ + 1));
        }
        co_return ok();
    }

    void flush_in_background(std::uint64_t through) {
        gate_.spawn(runtime_.executor, [self = shared_from_this(), through]() -> Task<void> {
            (void)co_await self->flush_through(through, true);
        });
    }

    std::uint64_t flushed() const { return last_ - unflushed_.size(); }

    // All batches up to this one are on disk when it returns ok.
    Task<Result<void>> flush_through(std::uint64_t batch, bool in_background = false) {
        while (flushed() < batch) {
            if (failed_) co_return unavailable();
            if (flushing_) {
                co_await flushed_changed_.wait();
                continue;
            }
            flushing_ = true;
            const Result<void> done = co_await flush_once(static_cast<std::size_t>(batch - flushed()), in_background);
            flushing_ = false;
            if (!done) stop(done.error());
            flushed_changed_.notify_all();
            if (!done) co_return Error{done.error()}.with_unknown_fate();
            if (in_background) co_return ok();
        }
        co_return failed_ ? Result<void>{unavailable()} : ok();
    }

    // The first `count` unflushed batches become a layer.
    Task<Result<void>> flush_once(std::size_t count, bool in_background) {
        WriteBatch merged;
        for (std::size_t i = 0; i < count; ++i) {
            const bool last = i + 1 == count;
            if (in_background && last && fake_.bugs.keeps_dropped_batch && unflushed_.size() > count) {
                merged.append(unflushed_[count]);
            } else if (in_background && last && fake_.bugs.splits_batch) {
                std::size_t left = unflushed_[i].count() / 2;
                unflushed_[i].for_each([&](WriteBatch::Kind kind, std::string_view key, std::string_view value) {
                    if (left == 0) return;
                    --left;
                    if (kind == WriteBatch::Kind::kPut) merged.put(key, value);
                    else if (kind == WriteBatch::Kind::kRemove) merged.remove(key);
                    else merged.remove_range(key, value);
                });
            } else {
                merged.append(unflushed_[i]);
            }
        }
        FakeManifest next = manifest_;
        MR_CO_TRY_VOID(co_await add_layer(next, encode_layer(merged)));
        MR_CO_TRY_VOID(co_await commit(next));
        // What a bug left out comes with the next flush.
        const bool honest = !in_background || !(fake_.bugs.keeps_dropped_batch || fake_.bugs.splits_batch);
        for (std::size_t i = honest ? 0 : 1; i < count; ++i) {
            unflushed_bytes_ -= unflushed_.front().bytes();
            unflushed_.pop_front();
        }
        if (manifest_.layers.size() > fake_.files_most) co_return co_await merge_layers_inside();
        co_return ok();
    }

    Task<Result<void>> merge_layers() {
        if (failed_) co_return unavailable();
        flushing_ = true;
        const Result<void> done = co_await merge_layers_inside();
        flushing_ = false;
        if (!done) stop(done.error());
        flushed_changed_.notify_all();
        co_return done;
    }

    // REQUIRES: flushing_.
    Task<Result<void>> merge_layers_inside() {
        if (manifest_.layers.size() < 2) co_return ok();
        // The layers, not the rows of now: those may hold batches that are not on disk.
        MR_CO_TRY(const FakeState stored, co_await load_fake(runtime_.disk, options_.directory, true));
        WriteBatch all;
        for (const auto& [key, value] : stored.rows) all.put(key, value);
        FakeManifest next = manifest_;
        std::vector<FakeLayer> old = std::exchange(next.layers, {});
        MR_CO_TRY_VOID(co_await add_layer(next, encode_layer(all)));
        MR_CO_TRY_VOID(co_await commit(next));
        std::erase_if(old, [this](const FakeLayer& layer) { return pins_.contains(layer.number); });
        co_await remove_layers(std::move(old));
        co_return ok();
    }

    Task<Result<void>> add_layer(FakeManifest& manifest, ByteBuffer encoded) {
        FakeLayer layer{manifest.next_number++, encoded.size(), crc32c(encoded.view())};
        MR_CO_TRY_VOID(co_await write_whole_file(runtime_.disk, options_.directory + "/" + layer.name(), Bytes{std::move(encoded)}));
        MR_CO_TRY_VOID(co_await runtime_.disk.sync_directory(options_.directory));
        manifest.layers.push_back(layer);
        co_return ok();
    }

    Task<Result<void>> commit(FakeManifest next) {
        MR_CO_TRY_VOID(co_await replace_file(runtime_.disk, options_.directory, kFakeManifestName, Bytes{next.encode()}));
        manifest_ = std::move(next);
        co_return ok();
    }

    // What stays, because of an error, is removed at the next open.
    Task<void> remove_layers(std::vector<FakeLayer> layers) {
        for (const FakeLayer& layer : layers) {
            (void)co_await runtime_.disk.remove(options_.directory + "/" + layer.name());
        }
    }

    const Runtime runtime_;
    const StoreOptions options_;
    const FakeOptions fake_;
    SeededRandom random_;
    std::unique_ptr<DirectoryLock> lock_;
    FakeManifest manifest_;
    std::map<std::uint64_t, int> pins_;
    std::shared_ptr<FakeRows> rows_;
    std::deque<WriteBatch> unflushed_;
    std::size_t unflushed_bytes_ = 0;
    std::uint64_t last_ = 0;  // the number of the newest batch
    bool flushing_ = false;
    Signal flushed_changed_;
    std::optional<Error> failed_;
    Signal failed_changed_;
    bool closing_ = false;
    WriteQueue queue_;
    Gate gate_;
};

class FakeSnapshot final : public Snapshot {
public:
    FakeSnapshot(std::shared_ptr<FakeCore> core, RowsThen rows) : core_{std::move(core)}, rows_{std::move(rows)} {}

    Task<Result<std::optional<std::string>>> get(std::string key) override {
        MR_CO_TRY_VOID(check_key(key));
        MR_CO_TRY(const Gate::Pass pass, core_->enter());
        MR_CO_TRY_VOID(co_await core_->read_delay());
        co_return find(key);
    }
    Task<Result<std::vector<std::optional<std::string>>>> multi_get(std::vector<std::string> keys) override {
        MR_CO_TRY_VOID(check_multi_get(keys));
        MR_CO_TRY(const Gate::Pass pass, core_->enter());
        MR_CO_TRY_VOID(co_await core_->read_delay());
        std::vector<std::optional<std::string>> values;
        for (const std::string& key : keys) values.push_back(find(key));
        co_return values;
    }
    Task<Result<Page>> scan(std::string begin, std::string end, PageLimit limit) override {
        MR_CO_TRY_VOID(check_key(begin));
        MR_CO_TRY_VOID(check_key(end));
        MR_CO_TRY_VOID(check_limit(limit));
        MR_CO_TRY(const Gate::Pass pass, core_->enter());
        MR_CO_TRY_VOID(co_await core_->read_delay());
        co_return page_of(*rows_, begin, end, limit);
    }

private:
    std::optional<std::string> find(const std::string& key) const {
        const auto found = rows_->find(key);
        if (found == rows_->end()) return std::nullopt;
        return found->second;
    }

    const std::shared_ptr<FakeCore> core_;
    const RowsThen rows_;
};

class FakePin final : public PinnedFiles {
public:
    FakePin(std::shared_ptr<FakeCore> core, FakeManifest manifest)
        : core_{std::move(core)}, pinned_{std::move(manifest)}, manifest_bytes_{pinned_.encode()} {
        for (const FakeLayer& layer : pinned_.layers) files_.push_back({layer.name(), layer.size, layer.checksum, true});
        files_.push_back({kFakeManifestName, manifest_bytes_.size(), crc32c(manifest_bytes_.view()), false});
    }
    ~FakePin() override { core_->unpin(pinned_); }

    const std::vector<File>& files() const override { return files_; }

    Task<Result<Bytes>> read(std::size_t file, std::uint64_t offset, std::size_t length) override {
        MR_CHECK(file < files_.size());
        MR_CO_TRY(const Gate::Pass pass, core_->enter());
        const File& wanted = files_[file];
        const std::uint64_t begin = std::min(offset, wanted.size);
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(length, wanted.size - begin));
        if (!wanted.shareable) co_return manifest_bytes_.slice(static_cast<std::size_t>(begin), count);
        const std::string path = core_->options().directory + "/" + wanted.name;
        MR_CO_TRY(const std::unique_ptr<::millrace::File> opened, co_await core_->runtime().disk.open(path, OpenOptions{}));
        ByteBuffer piece;
        piece.resize(count);
        MR_CO_TRY(const std::size_t got, co_await opened->read_at(begin, piece.mutable_view()));
        if (got != count) co_return Error{ErrorCode::kCorrupt, path + " ends before its " + std::to_string(wanted.size) + " bytes"};
        co_return Bytes{std::move(piece)};
    }

private:
    const std::shared_ptr<FakeCore> core_;
    const FakeManifest pinned_;
    const Bytes manifest_bytes_;
    std::vector<File> files_;
};

class FakeStore final : public Store {
public:
    explicit FakeStore(std::shared_ptr<FakeCore> core) : core_{std::move(core)} {}

    Task<Result<std::optional<std::string>>> get(std::string key) override {
        FakeSnapshot now{core_, core_->rows_now()};
        co_return co_await now.get(std::move(key));
    }
    Task<Result<std::vector<std::optional<std::string>>>> multi_get(std::vector<std::string> keys) override {
        FakeSnapshot now{core_, core_->rows_now()};
        co_return co_await now.multi_get(std::move(keys));
    }
    Task<Result<Page>> scan(std::string begin, std::string end, PageLimit limit) override {
        FakeSnapshot now{core_, core_->rows_now()};
        co_return co_await now.scan(std::move(begin), std::move(end), limit);
    }
    Task<Result<void>> write(WriteBatch batch, Durability durability) override {
        return core_->write(std::move(batch), durability);
    }
    Task<Result<void>> flush() override { return core_->flush(); }
    Task<Result<std::unique_ptr<Snapshot>>> snapshot() override {
        MR_CO_TRY(const Gate::Pass pass, core_->enter());
        RowsThen rows = core_->rows_now();
        MR_CO_TRY_VOID(co_await core_->read_delay());
        co_return std::unique_ptr<Snapshot>{std::make_unique<FakeSnapshot>(core_, std::move(rows))};
    }
    Task<Result<std::unique_ptr<PinnedFiles>>> pin_files() override {
        MR_CO_TRY(FakeManifest pinned, co_await core_->pin());
        co_return std::unique_ptr<PinnedFiles>{std::make_unique<FakePin>(core_, std::move(pinned))};
    }
    Task<Result<void>> compact() override { return core_->compact(); }
    // It reads everything when it opens, and keeps it in memory.
    Task<Result<void>> verify() override {
        MR_CO_TRY(const Gate::Pass pass, core_->enter());
        co_return co_await core_->read_delay();
    }
    Task<Result<Statistics>> statistics() override {
        MR_CO_TRY(const Gate::Pass pass, core_->enter());
        MR_CO_TRY_VOID(co_await core_->read_delay());
        co_return core_->statistics();
    }
    std::optional<Error> stopped() const override { return core_->stopped(); }
    Task<Error> failed() override { return core_->failed(); }
    Task<void> close() override { return core_->close(); }

private:
    const std::shared_ptr<FakeCore> core_;
};

class FakeRestore final : public Restore {
public:
    FakeRestore(Runtime runtime, std::string directory, std::unique_ptr<DirectoryLock> lock)
        : runtime_{runtime}, directory_{std::move(directory)}, lock_{std::move(lock)} {}

    Task<Result<void>> write(std::string name, Bytes piece) override {
        const bool layer = name.ends_with(".layer") && name.find('/') == std::string::npos;
        if (!layer && name != kFakeManifestName) {
            co_return Error{ErrorCode::kInvalidArgument, "\"" + name + "\" is no file of a store"};
        }
        if (!lock_) co_return Error{ErrorCode::kClosed, "the restore has finished"};
        files_[name].append(piece.view());
        co_return ok();
    }
    Task<Result<void>> finish() override {
        if (!lock_) co_return Error{ErrorCode::kClosed, "the restore has finished"};
        const auto manifest = files_.find(kFakeManifestName);
        if (manifest == files_.end()) {
            co_return Error{ErrorCode::kInvalidArgument, std::string{kFakeManifestName} +
                                                             " was not among the files restored to " + directory_};
        }
        Bytes contents{std::move(manifest->second)};
        files_.erase(manifest);
        for (auto& [name, bytes] : files_) {
            MR_CO_TRY_VOID(co_await write_whole_file(runtime_.disk, directory_ + "/" + name, Bytes{std::move(bytes)}));
        }
        MR_CO_TRY_VOID(co_await runtime_.disk.sync_directory(directory_));
        MR_CO_TRY_VOID(co_await replace_file(runtime_.disk, directory_, kFakeManifestName, std::move(contents)));
        lock_.reset();
        co_return ok();
    }

private:
    const Runtime runtime_;
    const std::string directory_;
    std::unique_ptr<DirectoryLock> lock_;
    std::map<std::string, ByteBuffer> files_;
};

class FakeEngine final : public Engine {
public:
    explicit FakeEngine(FakeOptions options) : options_{options} {}

    Task<Result<std::unique_ptr<Store>>> open(Runtime runtime, StoreOptions options) override {
        const std::string manifest_path = options.directory + "/" + kFakeManifestName;
        if (options.read_only) {
            // Nothing is made.
            const Result<std::unique_ptr<File>> there = co_await runtime.disk.open(manifest_path, OpenOptions{});
            if (!there && there.error().is(ErrorCode::kNotFound)) {
                co_return Error{ErrorCode::kNotFound, "there is no store in " + options.directory};
            }
            if (!there) co_return there.error();
        } else {
            MR_CO_TRY_VOID(co_await runtime.disk.create_directories(options.directory));
        }
        MR_CO_TRY(std::unique_ptr<DirectoryLock> lock, co_await runtime.disk.lock_directory(options.directory));
        Result<FakeState> state = co_await load_fake(runtime.disk, options.directory, options.read_only);
        if (!state && state.error().is(ErrorCode::kNotFound)) {
            // Layers without a manifest never were a store.
            MR_CO_TRY_VOID(co_await replace_file(runtime.disk, options.directory, kFakeManifestName,
                                                 Bytes{FakeManifest{}.encode()}));
            state = co_await load_fake(runtime.disk, options.directory, false);
        }
        if (!state) co_return std::move(state).error().while_doing("opening the store " + options.directory);
        co_return std::unique_ptr<Store>{std::make_unique<FakeStore>(std::make_shared<FakeCore>(
            runtime, std::move(options), options_, std::move(lock), std::move(state).value()))};
    }

    Task<Result<std::unique_ptr<Restore>>> restore(Runtime runtime, std::string directory) override {
        MR_CO_TRY_VOID(co_await runtime.disk.create_directories(directory));
        MR_CO_TRY(std::unique_ptr<DirectoryLock> lock, co_await runtime.disk.lock_directory(directory));
        const Result<std::unique_ptr<File>> there =
            co_await runtime.disk.open(directory + "/" + kFakeManifestName, OpenOptions{});
        if (there) co_return Error{ErrorCode::kAlreadyExists, "there is a store in " + directory};
        if (!there.error().is(ErrorCode::kNotFound)) co_return there.error();
        co_return std::unique_ptr<Restore>{std::make_unique<FakeRestore>(runtime, std::move(directory), std::move(lock))};
    }

    Task<Result<void>> destroy(Runtime runtime, std::string directory) override {
        Result<std::vector<std::string>> names = co_await runtime.disk.list(directory);
        if (!names && names.error().is(ErrorCode::kNotFound)) co_return ok();
        if (!names) co_return std::move(names).error();
        MR_CO_TRY(std::unique_ptr<DirectoryLock> lock, co_await runtime.disk.lock_directory(directory));
        // The manifest first: without it the others are nothing.
        std::partition(names->begin(), names->end(), [](const std::string& name) { return name == kFakeManifestName; });
        for (const std::string& name : *names) {
            if (name == "LOCK") continue;
            MR_CO_TRY_VOID(co_await runtime.disk.remove(directory + "/" + name));
            if (name == kFakeManifestName) MR_CO_TRY_VOID(co_await runtime.disk.sync_directory(directory));
        }
        co_return ok();
    }

    std::size_t cache_bytes_used() const override { return 0; }
    std::size_t write_buffers_bytes_used() const override { return 0; }

private:
    const FakeOptions options_;
};

}  // namespace

std::shared_ptr<Engine> make_fake_engine(FakeOptions options) { return std::make_shared<FakeEngine>(options); }

}  // namespace millrace::keyvalue
