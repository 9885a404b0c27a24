// SPDX-License-Identifier: Apache-2.0
#include "common/telemetry/metrics.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <cmath>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include "common/base/check.h"

namespace millrace::telemetry {

namespace {

// --- numbers of threads

struct Slots {
    std::mutex mutex;
    std::bitset<detail::kOwnedSlots> taken;
};

// Lives as long as the process, as all of this: threads and destructors of others may count at the very end.
Slots& slots() {
    static auto* const instance = new Slots;
    return *instance;
}

// What gives a thread's number back when the thread ends.
struct SlotOwner {
    unsigned slot = detail::kSharedSlot;
    ~SlotOwner() {
        // Destructors that run later in this thread count among the shared.
        detail::thread_slot = detail::kSharedSlot;
        if (slot == detail::kSharedSlot) return;
        const std::lock_guard lock{slots().mutex};
        slots().taken.reset(slot);
    }
};

// --- the registry

enum class Kind : std::uint8_t { kCounter, kGauge, kSampledCounter, kHistogram };

std::string_view type_word(Kind kind) {
    switch (kind) {
        case Kind::kCounter:
        case Kind::kSampledCounter: return "counter";
        case Kind::kGauge: return "gauge";
        case Kind::kHistogram: return "histogram";
    }
    return "untyped";
}

struct Series {
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
};

struct Family {
    Kind kind = Kind::kCounter;
    std::string help;
    std::map<Labels, Series> series;
};

struct Registry {
    std::mutex mutex;  // of families
    std::map<std::string, Family> families;
    std::mutex hooks_mutex;  // held while they run
    std::vector<const std::function<void()>*> hooks;
};

Registry& registry() {
    static auto* const instance = new Registry;
    return *instance;
}

bool is_metric_name(std::string_view name) {
    const bool ours = name.starts_with("millrace_") || name.starts_with("process_");
    return ours && std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

// REQUIRES: the registry's lock is held.
Series& series_of(const std::string& name, Kind kind, const std::string& help, const Labels& labels) {
    MR_CHECK(is_metric_name(name));
    const auto [found, fresh] = registry().families.try_emplace(name);
    Family& family = found->second;
    if (fresh) {
        family.kind = kind;
        family.help = help;
    }
    // One name, one kind: Prometheus refuses a page that says otherwise.
    MR_CHECK(family.kind == kind);
    if (family.series.size() >= kSeriesMax && !family.series.contains(labels)) {
        Labels other = labels;
        for (auto& [label, value] : other) value = "other";
        return family.series[other];
    }
    return family.series[labels];
}

// --- the page

void append_number(std::string& page, double value) {
    if (std::isnan(value)) {
        page += "NaN";
    } else if (std::isinf(value)) {
        page += value > 0 ? "+Inf" : "-Inf";
    } else {
        std::array<char, 32> text;
        char* const limit = text.data() + text.size();
        // Whole numbers without an exponent, and 0.0001 rather than 1e-04.
        const bool small = std::abs(value) < 1;
        const auto end = small ? std::to_chars(text.data(), limit, value, std::chars_format::general).ptr
                               : std::to_chars(text.data(), limit, value).ptr;
        page.append(text.data(), end);
    }
}

void append_escaped(std::string& page, std::string_view text, bool quotes) {
    for (const char c : text) {
        if (c == '\\') page += "\\\\";
        else if (c == '\n') page += "\\n";
        else if (c == '"' && quotes) page += "\\\"";
        else page += c;
    }
}

// {a="b",le="0.5"}; nothing without labels.
std::string label_text(const Labels& labels, std::string_view bound = {}) {
    std::string text;
    for (const auto& [label, value] : labels) {
        text += text.empty() ? "{" : ",";
        text += label;
        text += "=\"";
        append_escaped(text, value, true);
        text += '"';
    }
    if (!bound.empty()) {
        text += text.empty() ? "{" : ",";
        text.append("le=\"").append(bound).append("\"");
    }
    if (!text.empty()) text += '}';
    return text;
}

void append_line(std::string& page, std::string_view name, std::string_view suffix, const std::string& labels,
                 double value) {
    page.append(name).append(suffix).append(labels).append(" ");
    append_number(page, value);
    page += '\n';
}

void append_count(std::string& page, std::string_view name, std::string_view suffix, const std::string& labels,
                  std::uint64_t value) {
    page.append(name).append(suffix).append(labels).append(" ").append(std::to_string(value)).append("\n");
}

void append_histogram(std::string& page, const std::string& name, const Labels& labels, const Histogram& histogram) {
    const Histogram::Snapshot now = histogram.snapshot();
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < now.counts.size(); ++i) {
        count += now.counts[i];
        std::string bound = "+Inf";
        if (i < histogram.bounds().size()) {
            bound.clear();
            append_number(bound, histogram.bounds()[i]);
        }
        append_count(page, name, "_bucket", label_text(labels, bound), count);
    }
    append_line(page, name, "_sum", label_text(labels), now.sum);
    append_count(page, name, "_count", label_text(labels), count);
}

void append_series(std::string& page, const std::string& name, const Labels& labels, const Series& series) {
    if (series.counter) append_count(page, name, "", label_text(labels), series.counter->value());
    if (series.gauge) append_line(page, name, "", label_text(labels), series.gauge->value());
    if (series.histogram) append_histogram(page, name, labels, *series.histogram);
}

std::vector<double> powers(double first, double factor, std::size_t count) {
    std::vector<double> bounds;
    for (double bound = first; bounds.size() < count; bound *= factor) bounds.push_back(bound);
    return bounds;
}

}  // namespace

unsigned detail::take_slot() {
    thread_local SlotOwner owner;
    {
        const std::lock_guard lock{slots().mutex};
        for (unsigned slot = 0; slot < kOwnedSlots && owner.slot == kSharedSlot; ++slot) {
            if (!slots().taken.test(slot)) owner.slot = slot;
        }
        if (owner.slot != kSharedSlot) slots().taken.set(owner.slot);
    }
    thread_slot = owner.slot;
    return owner.slot;
}

std::uint64_t Counter::value() const {
    std::uint64_t sum = 0;
    cells_.for_each([&sum](const Cell& cell) { sum += cell.value.load(std::memory_order_relaxed); });
    return sum;
}

Histogram::Histogram(std::vector<double> bounds) : bounds_{std::move(bounds)} {
    MR_CHECK(bounds_.size() <= kBoundsMax && std::ranges::is_sorted(bounds_));
}

void Histogram::observe(double value) {
    const unsigned slot = detail::slot();
    Cell& cell = cells_.of(slot);
    const auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
    detail::add_to(cell.counts[static_cast<std::size_t>(bucket)], 1, slot);
    detail::add_to(cell.sum, value, slot);
}

Histogram::Snapshot Histogram::snapshot() const {
    Snapshot now;
    now.counts.resize(bounds_.size() + 1);
    cells_.for_each([&now](const Cell& cell) {
        for (std::size_t i = 0; i < now.counts.size(); ++i) now.counts[i] += cell.counts[i].load(std::memory_order_relaxed);
        now.sum += cell.sum.load(std::memory_order_relaxed);
    });
    return now;
}

const std::vector<double>& duration_bounds() {
    static const auto* const bounds =
        new std::vector<double>{10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3,
                                50e-3, 0.1,   0.25,  0.5,    1.0,    2.5,    5.0,  10.0,   25.0, 50.0,  100.0};
    return *bounds;
}

const std::vector<double>& size_bounds() {
    static const auto* const bounds = new std::vector<double>{powers(64, 4, 11)};
    return *bounds;
}

const std::vector<double>& count_bounds() {
    static const auto* const bounds = new std::vector<double>{powers(1, 2, 17)};
    return *bounds;
}

Counter& counter(const std::string& name, const std::string& help, const Labels& labels) {
    const std::lock_guard lock{registry().mutex};
    Series& series = series_of(name, Kind::kCounter, help, labels);
    if (!series.counter) series.counter = std::make_unique<Counter>();
    return *series.counter;
}

Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels) {
    const std::lock_guard lock{registry().mutex};
    Series& series = series_of(name, Kind::kGauge, help, labels);
    if (!series.gauge) series.gauge = std::make_unique<Gauge>();
    return *series.gauge;
}

Gauge& sampled_counter(const std::string& name, const std::string& help, const Labels& labels) {
    const std::lock_guard lock{registry().mutex};
    Series& series = series_of(name, Kind::kSampledCounter, help, labels);
    if (!series.gauge) series.gauge = std::make_unique<Gauge>();
    return *series.gauge;
}

Histogram& histogram(const std::string& name, const std::string& help, const Labels& labels,
                     const std::vector<double>& bounds) {
    const std::lock_guard lock{registry().mutex};
    Series& series = series_of(name, Kind::kHistogram, help, labels);
    if (!series.histogram) series.histogram = std::make_unique<Histogram>(bounds.empty() ? duration_bounds() : bounds);
    return *series.histogram;
}

ErrorCounters::ErrorCounters(std::string name, std::string help, Labels labels)
    : name_{std::move(name)}, help_{std::move(help)}, labels_{std::move(labels)} {}

void ErrorCounters::count(ErrorCode code) {
    const auto index = static_cast<std::size_t>(code);
    MR_CHECK(index < kCodes);
    Counter* known = counters_[index].load(std::memory_order_acquire);
    if (known == nullptr) {
        Labels labels = labels_;
        std::string word{to_string(code)};
        std::ranges::replace(word, ' ', '_');
        labels.emplace("code", std::move(word));
        known = &counter(name_, help_, labels);
        counters_[index].store(known, std::memory_order_release);
    }
    known->add();
}

ScrapeHook::ScrapeHook(std::function<void()> refresh) : refresh_{std::move(refresh)} {
    const std::lock_guard lock{registry().hooks_mutex};
    registry().hooks.push_back(&refresh_);
}

ScrapeHook::~ScrapeHook() {
    const std::lock_guard lock{registry().hooks_mutex};
    std::erase(registry().hooks, &refresh_);
}

std::string render() {
    {
        const std::lock_guard lock{registry().hooks_mutex};
        for (const auto* refresh : registry().hooks) (*refresh)();
    }
    const std::lock_guard lock{registry().mutex};
    std::string page;
    for (const auto& [name, family] : registry().families) {
        page.append("# HELP ").append(name).append(" ");
        append_escaped(page, family.help, false);
        page.append("\n# TYPE ").append(name).append(" ").append(type_word(family.kind)).append("\n");
        for (const auto& [labels, series] : family.series) append_series(page, name, labels, series);
    }
    return page;
}

std::vector<MetricAbout> all_metrics() {
    const std::lock_guard lock{registry().mutex};
    std::vector<MetricAbout> all;
    for (const auto& [name, family] : registry().families) {
        std::set<std::string> labels;
        for (const auto& [set, series] : family.series) {
            for (const auto& [label, value] : set) labels.insert(label);
        }
        all.push_back({name, std::string{type_word(family.kind)}, {labels.begin(), labels.end()}, family.help});
    }
    return all;
}

}  // namespace millrace::telemetry
