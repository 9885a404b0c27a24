// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.stream.EventStreamWriter;
import io.pravega.client.stream.EventWriterConfig;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.impl.ByteBufferSerializer;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;

/** A writer whose events and acknowledgements are in the history. One thread. */
final class Writer implements AutoCloseable {
    private final History history;
    private final Stream stream;
    final String name;
    private final EventStreamWriter<ByteBuffer> writer;
    private final Map<String, Long> last = new HashMap<>();
    private final AtomicLong acknowledged = new AtomicLong();
    private final List<CompletableFuture<Void>> unsettled = new ArrayList<>();
    private long written = 0;

    Writer(Cluster cluster, History history, Stream stream, String name) {
        this.history = history;
        this.stream = stream;
        this.name = name;
        writer = cluster.factory.createEventWriter(
                name, stream.getStreamName(), new ByteBufferSerializer(), EventWriterConfig.builder().build());
    }

    void write(String key, int size) {
        Event event = Event.of(name, key, last.merge(key, 1L, Long::sum), size);
        settle(event, writer.writeEvent(key, event.buffer()));
    }

    /** All of them have one key, and are known by their order. */
    void writeBare(int size) {
        Event event = Event.bare(name, name, last.merge(name, 1L, Long::sum), size);
        settle(event, writer.writeEvent(name, event.buffer()));
    }

    /** Goes to any segment: in the history each has a key of its own, since nothing orders them. */
    void writeUnkeyed(int size) {
        Event event = Event.of(name, "unkeyed-" + written, 1, size);
        settle(event, writer.writeEvent(event.buffer()));
    }

    private void settle(Event event, CompletableFuture<Void> future) {
        ++written;
        unsettled.add(future.handle((done, thrown) -> {
            history.write(Cluster.nameOf(stream), event, thrown == null ? "acked" : "unknown");
            if (thrown == null) acknowledged.incrementAndGet();
            return null;
        }));
    }

    long written() {
        return written;
    }

    long acknowledged() {
        return acknowledged.get();
    }

    void flush() {
        writer.flush();
        // What is acknowledged is told to us a moment later.
        unsettled.forEach(CompletableFuture::join);
        unsettled.clear();
        Check.equal(written, acknowledged.get(), "acknowledged after flush()");
    }

    @Override
    public void close() {
        writer.close();
    }
}
