// SPDX-License-Identifier: Apache-2.0
package millrace.bench;

import io.pravega.client.stream.EventStreamWriter;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;

/** As many events as the writer takes, until all are acknowledged. */
final class Rate {
    private Rate() {}

    static String measure(EventStreamWriter<byte[]> writer, int events) {
        byte[] event = new byte[Main.EVENT_BYTES];
        CompletableFuture<Void> last = null;
        double cpu = Main.cpuSeconds();
        long begin = System.nanoTime();
        for (int i = 0; i < events; ++i) last = writer.writeEvent(event);
        writer.flush();
        last.join();  // one segment: with the last all are acknowledged
        double seconds = (System.nanoTime() - begin) / 1e9;
        return String.format(Locale.ROOT, "{\"events\": %d, \"seconds\": %.6f, \"events_per_second\": %.1f, \"client_cpu_seconds\": %.3f}",
                events, seconds, events / seconds, Main.cpuSeconds() - cpu);
    }
}
