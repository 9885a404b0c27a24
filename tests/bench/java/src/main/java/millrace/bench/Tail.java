// SPDX-License-Identifier: Apache-2.0
package millrace.bench;

import io.pravega.client.ClientConfig;
import io.pravega.client.EventStreamClientFactory;
import io.pravega.client.admin.ReaderGroupManager;
import io.pravega.client.stream.EventStreamReader;
import io.pravega.client.stream.EventStreamWriter;
import io.pravega.client.stream.ReaderConfig;
import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.impl.ByteArraySerializer;
import java.util.Locale;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;

/** One event at a time: the next is written when the one before has been acknowledged, and read by a reader that waits for it. */
final class Tail implements AutoCloseable {
    private static final long WAIT_MS = 10_000;

    private final String group = UUID.randomUUID().toString().replace("-", "");
    private final ReaderGroupManager groups;
    private final EventStreamReader<byte[]> reader;

    /** The stream has no events yet. */
    Tail(ClientConfig config, String scope, String stream, EventStreamClientFactory factory) {
        groups = ReaderGroupManager.withScope(scope, config);
        groups.createReaderGroup(group, ReaderGroupConfig.builder().stream(Stream.of(scope, stream)).build());
        reader = factory.createReader("reader", group, new ByteArraySerializer(), ReaderConfig.builder().build());
    }

    String measure(EventStreamWriter<byte[]> writer, int events) {
        byte[] event = new byte[Main.EVENT_BYTES];
        Latencies acknowledged = new Latencies(events);
        Latencies read = new Latencies(events);
        double cpu = Main.cpuSeconds();
        for (int i = 0; i < events; ++i) {
            long begin = System.nanoTime();
            CompletableFuture<Long> acknowledgement = writer.writeEvent(event).thenApply(done -> System.nanoTime());
            while (reader.readNextEvent(WAIT_MS).getEvent() == null) continue;
            read.add(System.nanoTime() - begin);
            acknowledged.add(acknowledgement.join() - begin);
        }
        return String.format(Locale.ROOT, "{\"events\": %d, \"latency_us\": %s, \"end_to_end_us\": %s, \"client_cpu_seconds\": %.3f}",
                events, acknowledged, read, Main.cpuSeconds() - cpu);
    }

    @Override
    public void close() {
        reader.close();
        groups.close();
    }
}
