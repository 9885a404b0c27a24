// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_disk.h"

#include <algorithm>
#include <filesystem>

#include "common/runtime/rare.h"
#include "tests/sim/sim_disk_impl.h"

namespace millrace::sim {

std::string clean_path(const std::string& path) {
    std::string clean = std::filesystem::path{path}.lexically_normal().string();
    while (clean.size() > 1 && clean.back() == '/') clean.pop_back();
    return clean;
}

std::string parent_of(const std::string& path) {
    const std::string parent = std::filesystem::path{path}.parent_path().string();
    return parent.empty() ? "." : parent;
}

std::chrono::nanoseconds SimDisk::Impl::latency(std::uint64_t bytes) {
    const auto low = static_cast<std::uint64_t>(options.latency_min.count());
    const auto high = static_cast<std::uint64_t>(options.latency_max.count());
    std::uint64_t micros = random.between(low, high + 1) + bytes / 1024;  // 1 GiB a second
    if (options.slow_one_in > 0 && random.one_in(options.slow_one_in)) micros *= 100;
    if (options.slow_factor > 1) MR_PROBE("sim.disk.slow");
    micros *= std::max(options.slow_factor, 1u);
    // Two halves: the effect lies between them.
    std::chrono::nanoseconds takes{micros * 500};
    if (faults.stall_one_in > 0 && random.one_in(faults.stall_one_in)) {
        MR_PROBE("sim.disk.call_stalled");
        takes += std::chrono::milliseconds{
            random.between(0, static_cast<std::uint64_t>(faults.stall_max.count()) + 1)};
    }
    if (stalled_until > clock.now()) {
        MR_PROBE("sim.disk.stalled");
        takes += stalled_until - clock.now();
    }
    return takes;
}

void SimDisk::Impl::note(std::string_view what, const std::string& path, std::uint64_t a,
                         std::uint64_t b) {
    trace.note(clock.now(), what, name + ":" + path, a, b);
}

InodePtr SimDisk::Impl::find(const std::string& path) const {
    const auto found = cached_names.find(path);
    return found == cached_names.end() ? nullptr : found->second;
}

bool SimDisk::Impl::is_empty(const std::string& directory) const {
    const auto in_it = [&](const std::string& path) { return parent_of(path) == directory; };
    return std::none_of(cached_names.begin(), cached_names.end(), [&](const auto& entry) { return in_it(entry.first); }) &&
           std::none_of(directories.begin(), directories.end(), in_it);
}

std::uint64_t SimDisk::Impl::used() const {
    std::uint64_t sum = 0;
    for (const auto& [path, inode] : cached_names) sum += inode->cached.size();
    return sum;
}

void SimDisk::Impl::take_effect(Inode& inode, Change change) {
    change.number = ++last_change;
    apply(inode.cached, change);
    inode.unsynced.push_back(std::move(change));
}

void SimDisk::Impl::apply(SparseBytes& to, const Change& change) {
    switch (change.kind) {
        case Change::Kind::kWrite:
            to.write(change.offset, change.bytes.view());
            break;
        case Change::Kind::kZero:
            to.zero(change.offset, change.length);
            break;
        case Change::Kind::kResize:
            to.resize(change.offset);
            break;
    }
}

bool SimDisk::Impl::apply_in_part(SparseBytes& to, const Change& change, bool crashed) {
    const std::uint64_t fate = random.between(0, 4);
    if (fate == 3) {
        MR_PROBE("sim.disk.write_lost");
        return false;
    }
    if (change.kind == Change::Kind::kResize) {
        apply(to, change);
        return true;
    }
    bool any = false;
    // One in three survives wholly, one loses a run at its end, one loses pieces here and there.
    const std::uint64_t step = options.tear_bytes;
    const std::uint64_t end = change.offset + change.length;
    const std::uint64_t survives_to = fate == 0 ? end : change.offset + random.between(0, change.length + 1);
    for (std::uint64_t at = change.offset; at < end;) {
        const std::uint64_t piece_end = std::min(end, (at / step + 1) * step);
        const bool survives = fate == 2 ? random.one_in(2) : piece_end <= survives_to;
        any |= survives;
        if (!survives) {
            MR_PROBE("sim.disk.write_torn");
        } else if (change.kind == Change::Kind::kZero) {
            to.zero(at, piece_end - at);
        } else {
            to.write(at, change.bytes.view().subspan(at - change.offset, piece_end - at));
            if (crashed && options.corrupt_one_in > 0 && random.one_in(options.corrupt_one_in)) {
                flip_bits(to, at, piece_end);
            }
        }
        at = piece_end;
    }
    return any;
}

void SimDisk::Impl::flip_bits(SparseBytes& in, std::uint64_t begin, std::uint64_t end) {
    MR_PROBE("sim.disk.corrupted_at_crash");
    for (std::uint64_t flips = random.between(1, 4); flips > 0; --flips) {
        const std::uint64_t at = random.between(begin, end);
        std::byte byte{};
        (void)in.read(at, MutableByteView{&byte, 1});
        byte ^= std::byte{1} << static_cast<int>(random.between(0, 8));
        in.write(at, ByteView{&byte, 1});
    }
}

void SimDisk::Impl::apply_name(std::map<std::string, InodePtr>& names, const NameChange& change) {
    if (!change.from.empty()) {
        // The name may have been given to another file since.
        const auto found = names.find(change.from);
        if (found != names.end() && found->second == change.inode) names.erase(found);
    }
    if (!change.to.empty()) names[change.to] = change.inode;
}

void SimDisk::Impl::end_session(SessionState& session) {
    session.alive = false;
    session.locks.clear();
    for (const auto& [inode, change] : session.under_way) {
        // The kernel may have got through a part of it; what it did is in the cache like any write.
        Change piece;
        piece.kind = change->kind;
        const std::uint64_t step = options.tear_bytes;
        const std::uint64_t first = (change->offset + step - 1) / step * step;
        const std::uint64_t end = change->offset + change->length;
        if (change->kind == Change::Kind::kResize || first + step > end) continue;
        const std::uint64_t pieces = (end - first) / step;
        const std::uint64_t begin_piece = random.between(0, pieces);
        const std::uint64_t end_piece = random.between(begin_piece, pieces + 1);
        if (begin_piece == end_piece) continue;
        piece.offset = first + begin_piece * step;
        piece.length = (end_piece - begin_piece) * step;
        // Never beyond what there is room for.
        if (piece.offset + piece.length > inode->cached.size()) continue;
        if (piece.kind == Change::Kind::kWrite) {
            piece.bytes.append(
                change->bytes.view().subspan(piece.offset - change->offset, piece.length));
        }
        take_effect(*inode, std::move(piece));
    }
    session.under_way.clear();
}

void SimDisk::Impl::lose_power() {
    for (const NameChange& change : unsynced_names) {
        if (random.one_in(2)) {
            apply_name(durable_names, change);
        } else {
            MR_PROBE("sim.disk.name_lost");
        }
    }
    unsynced_names.clear();
    // In the order of names, so that chance does not depend on addresses; a file may have two
    // names.
    std::set<Inode*> seen;
    for (const auto& [path, inode] : durable_names) {
        if (!seen.insert(inode.get()).second) continue;
        bool lost_one = false;
        for (const Change& change : inode->unsynced) {
            const bool survived = apply_in_part(inode->durable, change, true);
            if (survived && lost_one) MR_PROBE("sim.disk.write_reordered");
            lost_one |= !survived;
        }
        inode->unsynced.clear();
        inode->cached = inode->durable;
        note("survived", path, inode->durable.size());
    }
    cached_names = durable_names;
}

SimDisk::SimDisk(Seams seams, std::string name, DiskOptions options)
    : impl_{std::make_shared<Impl>(seams, std::move(name), options)} {}
SimDisk::~SimDisk() = default;

DiskOptions& SimDisk::options() { return impl_->options; }
DiskFaults& SimDisk::faults() { return impl_->faults; }
void SimDisk::stall(std::chrono::nanoseconds duration) {
    impl_->note("disk stalls", {}, static_cast<std::uint64_t>(duration.count()));
    impl_->stalled_until = std::max(impl_->stalled_until, impl_->clock.now() + duration);
}
void SimDisk::fill_up(std::uint64_t leave_bytes) {
    impl_->note("disk fills up", {}, leave_bytes);
    if (!impl_->capacity_before_fill_up) impl_->capacity_before_fill_up = impl_->options.capacity_bytes;
    impl_->options.capacity_bytes = impl_->used() + leave_bytes;
}
void SimDisk::make_room() {
    if (!impl_->capacity_before_fill_up) return;
    impl_->options.capacity_bytes = *impl_->capacity_before_fill_up;
    impl_->capacity_before_fill_up.reset();
}
void SimDisk::lose_power() { impl_->lose_power(); }

std::vector<std::string> SimDisk::files() const {
    std::vector<std::string> paths;
    for (const auto& [path, inode] : impl_->cached_names) paths.push_back(path);
    return paths;
}

std::uint64_t SimDisk::used_bytes() const { return impl_->used(); }

namespace {
Inode& must_find(const SimDisk::Impl& impl, const std::string& path) {
    const InodePtr inode = impl.find(clean_path(path));
    MR_CHECK(inode != nullptr);
    return *inode;
}
}  // namespace

ByteBuffer SimDisk::contents(const std::string& path) const {
    const Inode& inode = must_find(*impl_, path);
    ByteBuffer bytes;
    bytes.resize(inode.cached.size());
    inode.cached.read(0, bytes.mutable_view());
    return bytes;
}

std::optional<ByteBuffer> SimDisk::durable_contents(const std::string& path) const {
    const auto found = impl_->durable_names.find(clean_path(path));
    if (found == impl_->durable_names.end()) return std::nullopt;
    ByteBuffer bytes;
    bytes.resize(found->second->durable.size());
    found->second->durable.read(0, bytes.mutable_view());
    return bytes;
}

void SimDisk::overwrite(const std::string& path, std::uint64_t offset, ByteView bytes) {
    Inode& inode = must_find(*impl_, path);
    inode.cached.write(offset, bytes);
    inode.durable.write(offset, bytes);
}

void SimDisk::flip(const std::string& path, std::uint64_t offset, std::uint8_t mask) {
    Inode& inode = must_find(*impl_, path);
    std::byte byte{};
    MR_CHECK(inode.cached.read(offset, MutableByteView{&byte, 1}) == 1);
    byte ^= std::byte{mask};
    overwrite(path, offset, ByteView{&byte, 1});
}

void SimDisk::cut(const std::string& path, std::uint64_t length) {
    Inode& inode = must_find(*impl_, path);
    inode.cached.resize(length);
    inode.durable.resize(length);
}

void SimDisk::remove(const std::string& path) {
    must_find(*impl_, path);
    impl_->cached_names.erase(clean_path(path));
    impl_->durable_names.erase(clean_path(path));
}

void SimDisk::swap(const std::string& a, const std::string& b) {
    Inode& first = must_find(*impl_, a);
    Inode& second = must_find(*impl_, b);
    std::swap(first.cached, second.cached);
    std::swap(first.durable, second.durable);
}

std::shared_ptr<const SimDisk::Image> SimDisk::image() const {
    auto image = std::make_shared<Image>();
    for (const auto& [path, inode] : impl_->durable_names)
        image->files.emplace(path, inode->durable);
    image->directories = impl_->directories;
    return image;
}

void SimDisk::load(const Image& image) {
    impl_->unsynced_names.clear();
    impl_->durable_names.clear();
    for (const auto& [path, bytes] : image.files) {
        auto inode = std::make_shared<Inode>();
        inode->cached = bytes;
        inode->durable = bytes;
        impl_->durable_names.emplace(path, std::move(inode));
    }
    impl_->cached_names = impl_->durable_names;
    impl_->directories = image.directories;
}

}  // namespace millrace::sim
