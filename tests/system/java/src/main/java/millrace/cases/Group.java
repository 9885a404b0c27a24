// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.stream.Checkpoint;
import io.pravega.client.stream.EventRead;
import io.pravega.client.stream.EventStreamReader;
import io.pravega.client.stream.Position;
import io.pravega.client.stream.ReaderConfig;
import io.pravega.client.stream.ReaderGroup;
import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.impl.ByteBufferSerializer;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;

/** A reader group whose readers' events are in the history. */
final class Group implements AutoCloseable {
    static final long WAIT_MS = 1000;

    final String name;
    final ReaderGroup group;
    private final Cluster cluster;
    private final History history;
    private final Function<ByteBuffer, Event> parse;
    private int counts = 0;
    private final AtomicLong read = new AtomicLong();
    private final ExecutorService threads = Executors.newCachedThreadPool();

    Group(Cluster cluster, History history, String name, ReaderGroupConfig config) {
        this(cluster, history, name, config, Event::parse);
    }

    Group(Cluster cluster, History history, String name, ReaderGroupConfig config, Function<ByteBuffer, Event> parse) {
        this.parse = parse;
        this.cluster = cluster;
        this.history = history;
        this.name = name;
        Check.that(cluster.groups.createReaderGroup(name, config), "group %s is new", name);
        group = cluster.groups.getReaderGroup(name);
    }

    long read() {
        return read.get();
    }

    /** One life of a reader. */
    final class Reader implements AutoCloseable {
        final String id;
        private final EventStreamReader<ByteBuffer> reader;
        Position position;
        /** The newest. */
        Event event;
        private long own = 0;

        Reader(String id) {
            this(id, name);
        }

        /** `era`: the group's name in the history. One that was reset gives everything once more. */
        Reader(String id, String era) {
            this.id = id;
            history.reader(id, era);
            reader = cluster.factory.createReader(id, name, new ByteBufferSerializer(), ReaderConfig.builder().build());
        }

        /** Null when nothing came in time. A checkpoint has no event. */
        EventRead<ByteBuffer> next() {
            EventRead<ByteBuffer> next = reader.readNextEvent(WAIT_MS);
            if (next.getPosition() != null) position = next.getPosition();
            if (next.isCheckpoint()) history.checkpoint(id, next.getCheckpointName());
            if (next.getEvent() == null) return next;
            Place place = Place.of(next.getEventPointer());
            event = parse.apply(next.getEvent());
            history.read(id, Cluster.nameOf(place.segment().getStream()), place.segment().getSegmentId(), place.offset(), event);
            read.incrementAndGet();
            ++own;
            return next;
        }

        /** Events that this one has read. */
        long own() {
            return own;
        }

        /** Until the group has read so many events. */
        void readUntil(long total) {
            while (read.get() < total) next();
        }

        /** Up to a cut that is the group's end. This client tells nobody when it is there. */
        void readToBound() {
            for (int quiet = 0; quiet < 3;) {
                EventRead<ByteBuffer> next = next();
                quiet = next.getEvent() != null || next.isCheckpoint() ? 0 : quiet + 1;
            }
        }

        /** A checkpoint of the whole group, which has no other reader. */
        Checkpoint checkpoint(String checkpoint) {
            CompletableFuture<Checkpoint> wanted = group.initiateCheckpoint(checkpoint, cluster.executor);
            for (boolean seen = false; !wanted.isDone() || !seen;) {
                EventRead<ByteBuffer> next = next();
                seen |= next.isCheckpoint() && next.getCheckpointName().equals(checkpoint);
            }
            return wanted.join();
        }

        @Override
        public void close() {
            reader.close();
        }
    }

    /** Behind a checkpoint that is taken now: the group counts from its last one. */
    long unreadBytes(Reader reader) {
        CompletableFuture<Checkpoint> checkpoint;
        do {
            checkpoint = group.initiateCheckpoint("count-" + ++counts, cluster.executor);
            while (!checkpoint.isDone()) reader.next();
            // One that the group takes itself may come in between, and then nobody is told of ours.
        } while (checkpoint.isCompletedExceptionally());
        return group.getMetrics().unreadBytes();
    }

    /** With so many readers side by side, until the group has read so many events. */
    void readUntil(String prefix, int readers, long total) throws Exception {
        List<Callable<Void>> lives = new ArrayList<>();
        for (int i = 0; i < readers; ++i) {
            String id = prefix + i;
            lives.add(() -> {
                try (Reader reader = new Reader(id)) {
                    reader.readUntil(total);
                }
                return null;
            });
        }
        for (Future<Void> life : threads.invokeAll(lives)) life.get();
    }

    @Override
    public void close() throws InterruptedException {
        threads.shutdownNow();
        Check.that(threads.awaitTermination(30, TimeUnit.SECONDS), "readers of %s ended", name);
        group.close();
    }
}
