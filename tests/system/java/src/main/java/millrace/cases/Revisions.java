// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.SynchronizerClientFactory;
import io.pravega.client.state.InitialUpdate;
import io.pravega.client.state.Revision;
import io.pravega.client.state.Revisioned;
import io.pravega.client.state.RevisionedStreamClient;
import io.pravega.client.state.StateSynchronizer;
import io.pravega.client.state.SynchronizerConfig;
import io.pravega.client.state.Update;
import io.pravega.client.stream.impl.ByteBufferSerializer;
import io.pravega.client.stream.impl.JavaSerializer;
import io.pravega.client.stream.impl.UTF8StringSerializer;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Revisioned streams and a state that three clients change at once. */
final class Revisions implements Case {
    private static final int CLIENTS = 3;
    private static final int PATIENCE_S = 60;
    /** Of an event in its segment. */
    private static final int HEADER = 8;

    /** How often each client has counted. */
    private record Counts(String scopedName, Revision revision, long sum) implements Revisioned, Serializable {
        @Override
        public String getScopedStreamName() {
            return scopedName;
        }

        @Override
        public Revision getRevision() {
            return revision;
        }
    }

    /** The first state, or what all before comes to. */
    private record Start(long sum) implements InitialUpdate<Counts>, Serializable {
        @Override
        public Counts create(String name, Revision revision) {
            return new Counts(name, revision, sum);
        }
    }

    private record Add(long amount) implements Update<Counts>, Serializable {
        @Override
        public Counts applyTo(Counts before, Revision revision) {
            return new Counts(before.scopedName, revision, before.sum + amount);
        }
    }

    @Override
    public void run(Cluster cluster, History history, int events) throws Exception {
        cluster.create("state", 1);
        cluster.create("log", 1);
        SynchronizerConfig config = SynchronizerConfig.builder().build();
        int each = Math.max(10, events / 100);
        try (SynchronizerClientFactory factory = SynchronizerClientFactory.withScope(cluster.scope, cluster.config)) {
            race(cluster, history, factory, each);
            atOnce(racer -> {
                try (StateSynchronizer<Counts> state = open(factory)) {
                    state.initialize(new Start(0));
                    for (int n = 0; n < each; ++n) {
                        state.updateState((StateSynchronizer.UpdateGenerator<Counts>) (before, updates) -> updates.add(new Add(1)));
                        if (n == each / 2) state.compact(before -> new Start(before.sum()));
                    }
                }
            });
            try (StateSynchronizer<Counts> state = open(factory)) {
                state.fetchUpdates();
                Check.equal((long) CLIENTS * each, state.getState().sum(), "the sum of all");
            }

            try (RevisionedStreamClient<String> log = factory.createRevisionedStreamClient("log", new UTF8StringSerializer(), config);
                 RevisionedStreamClient<String> rival = factory.createRevisionedStreamClient("log", new UTF8StringSerializer(), config)) {
                Revision begin = log.fetchLatestRevision();
                log.writeUnconditionally("one");
                Revision one = log.fetchLatestRevision();
                Revision two = rival.writeConditionally(one, "two");
                Check.that(two != null, "a write at the end succeeds");
                Check.that(log.writeConditionally(one, "late") == null, "one behind the end does not");
                Check.equal(List.of("one", "two"), values(log.readFrom(begin)), "entries");
                Check.that(log.compareAndSetMark(null, two), "the mark is set");
                Check.that(!rival.compareAndSetMark(null, one), "by one of two");
                Check.equal(two, rival.getMark(), "the mark");
                log.truncateToRevision(one);
                Check.equal(List.of("two"), values(rival.readFrom(rival.fetchOldestRevision())), "entries after truncation");
            }
        }
    }

    private interface Racer {
        void run(String name) throws Exception;
    }

    private static void atOnce(Racer racer) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(CLIENTS);
        List<Callable<Void>> racers = new ArrayList<>();
        for (int i = 0; i < CLIENTS; ++i) {
            String name = "racer-" + i;
            racers.add(() -> {
                racer.run(name);
                return null;
            });
        }
        for (Future<Void> one : threads.invokeAll(racers)) one.get();
        threads.shutdown();
    }

    /** All write at the one end that they have seen: in each round one of them does, and what the others wrote is nowhere. */
    private static void race(Cluster cluster, History history, SynchronizerClientFactory factory, int rounds) throws Exception {
        String name = Cluster.nameOf(cluster.create("race", 1));
        SynchronizerConfig config = SynchronizerConfig.builder().build();
        CyclicBarrier together = new CyclicBarrier(CLIENTS);
        atOnce(racer -> {
            try (RevisionedStreamClient<ByteBuffer> log = factory.createRevisionedStreamClient("race", new ByteBufferSerializer(), config)) {
                for (int n = 1; n <= rounds; ++n) {
                    Revision end = log.fetchLatestRevision();
                    together.await(PATIENCE_S, TimeUnit.SECONDS);
                    Event event = Event.of(racer, "round", n, 100);
                    history.write(name, event, log.writeConditionally(end, event.buffer()) == null ? "failed" : "acked");
                    together.await(PATIENCE_S, TimeUnit.SECONDS);
                }
            }
        });
        history.reader("reader", null);
        int read = 0;
        try (RevisionedStreamClient<ByteBuffer> log = factory.createRevisionedStreamClient("race", new ByteBufferSerializer(), config)) {
            for (var entries = log.readFrom(log.fetchOldestRevision()); entries.hasNext(); ++read) {
                Map.Entry<Revision, ByteBuffer> entry = entries.next();
                Place behind = Place.of(entry.getKey());
                Event event = Event.parse(entry.getValue());
                history.read("reader", name, behind.segment().getSegmentId(), behind.offset() - event.bytes().length - HEADER, event);
            }
        }
        Check.equal(rounds, read, "entries, one a round");
        history.readToEnd("reader", "reader", name);
        history.floor("acked", rounds);
    }

    private static StateSynchronizer<Counts> open(SynchronizerClientFactory factory) {
        return factory.createStateSynchronizer(
                "state", new JavaSerializer<Add>(), new JavaSerializer<Start>(), SynchronizerConfig.builder().build());
    }

    private static List<String> values(Iterator<Map.Entry<Revision, String>> entries) {
        List<String> values = new ArrayList<>();
        entries.forEachRemaining(entry -> values.add(entry.getValue()));
        return values;
    }
}
