// SPDX-License-Identifier: Apache-2.0
package millrace.bench;

import io.pravega.client.stream.EventStreamWriter;
import java.util.Locale;

/** One event at a time: the next is written when the one before has been acknowledged. */
final class Lone {
    private Lone() {}

    static String measure(EventStreamWriter<byte[]> writer, int events) {
        byte[] event = new byte[Main.EVENT_BYTES];
        Latencies latencies = new Latencies(events);
        double cpu = Main.cpuSeconds();
        for (int i = 0; i < events; ++i) {
            long begin = System.nanoTime();
            writer.writeEvent(event).join();
            latencies.add(System.nanoTime() - begin);
        }
        return String.format(Locale.ROOT, "{\"events\": %d, \"latency_us\": %s, \"client_cpu_seconds\": %.3f}", events, latencies, Main.cpuSeconds() - cpu);
    }
}
