// SPDX-License-Identifier: Apache-2.0
#include "common/telemetry/metrics.h"

#include <memory>
#include <mutex>
#include <utility>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "common/base/check.h"

namespace millrace::telemetry {

namespace {

class PrometheusCounter final : public Counter {
public:
    explicit PrometheusCounter(prometheus::Counter& counter) : counter_{counter} {}
    void add(std::uint64_t amount) override { counter_.Increment(static_cast<double>(amount)); }

private:
    prometheus::Counter& counter_;
};

class PrometheusGauge final : public Gauge {
public:
    explicit PrometheusGauge(prometheus::Gauge& gauge) : gauge_{gauge} {}
    void set(double value) override { gauge_.Set(value); }

private:
    prometheus::Gauge& gauge_;
};

class PrometheusHistogram final : public Histogram {
public:
    explicit PrometheusHistogram(prometheus::Histogram& histogram) : histogram_{histogram} {}
    void observe(double value) override { histogram_.Observe(value); }

private:
    prometheus::Histogram& histogram_;
};

// 10 us to 10 s, three to a decade.
const std::vector<double>& duration_bounds() {
    static const std::vector<double> bounds{10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3,
                                            25e-3, 50e-3, 0.1,   0.25,   0.5,    1.0,    2.5,  5.0,    10.0};
    return bounds;
}

using Key = std::pair<std::string, Labels>;

struct Everything {
    prometheus::Registry registry;
    std::mutex mutex;  // of the maps
    std::map<std::string, char> kinds;
    std::map<Key, std::unique_ptr<Counter>> counters;
    std::map<Key, std::unique_ptr<Gauge>> gauges;
    std::map<Key, std::unique_ptr<Histogram>> histograms;
};

// Lives as long as the process: destructors of others may count.
Everything& everything() {
    static auto* const instance = new Everything;
    return *instance;
}

// The metric in `map`, or what `make` returns, which is called with the registry's lock on the maps.
template <class Metric, class Make>
Metric& find_or_make(std::map<Key, std::unique_ptr<Metric>> Everything::*map, char kind, const std::string& name,
                     const Labels& labels, Make make) {
    Everything& all = everything();
    const std::lock_guard lock{all.mutex};
    // One name, one kind: Prometheus refuses a page that says otherwise.
    MR_CHECK(all.kinds.emplace(name, kind).first->second == kind);
    std::unique_ptr<Metric>& metric = (all.*map)[Key{name, labels}];
    if (!metric) metric = make(all.registry);
    return *metric;
}

}  // namespace

Counter& counter(const std::string& name, const std::string& help, const Labels& labels) {
    return find_or_make(&Everything::counters, 'c', name, labels, [&](prometheus::Registry& registry) {
        auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(registry);
        return std::make_unique<PrometheusCounter>(family.Add(labels));
    });
}

Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels) {
    return find_or_make(&Everything::gauges, 'g', name, labels, [&](prometheus::Registry& registry) {
        auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(registry);
        return std::make_unique<PrometheusGauge>(family.Add(labels));
    });
}

Histogram& histogram(const std::string& name, const std::string& help, const Labels& labels,
                     const std::vector<double>& bounds) {
    return find_or_make(&Everything::histograms, 'h', name, labels, [&](prometheus::Registry& registry) {
        auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
        return std::make_unique<PrometheusHistogram>(family.Add(labels, bounds.empty() ? duration_bounds() : bounds));
    });
}

std::string render() { return prometheus::TextSerializer{}.Serialize(everything().registry.Collect()); }

}  // namespace millrace::telemetry
