// SPDX-License-Identifier: Apache-2.0
package millrace.bench;

import com.sun.management.OperatingSystemMXBean;
import io.pravega.client.ClientConfig;
import io.pravega.client.EventStreamClientFactory;
import io.pravega.client.stream.EventStreamWriter;
import io.pravega.client.stream.EventWriterConfig;
import io.pravega.client.stream.impl.ByteArraySerializer;
import java.lang.management.ManagementFactory;
import java.net.URI;

/**
 * Main CONTROLLER_URI rate|lone|tail SCOPE STREAM EVENTS: what `millrace bench` measures of the C++ client, of this one. The stream exists.
 * Events have 100 bytes and no key. A part as long as a fifth of the events comes before, for the compiler. Prints one line of JSON.
 */
public final class Main {
    static final int EVENT_BYTES = 100;

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 5) {
            System.err.println("Main CONTROLLER_URI rate|lone|tail SCOPE STREAM EVENTS");
            System.exit(2);
        }
        ClientConfig config = ClientConfig.builder().controllerURI(URI.create(arguments[0])).build();
        String scope = arguments[2];
        String stream = arguments[3];
        int events = Integer.parseInt(arguments[4]);
        int warmUp = Math.max(1, events / 5);
        String report;
        try (EventStreamClientFactory factory = EventStreamClientFactory.withScope(scope, config);
             EventStreamWriter<byte[]> writer = factory.createEventWriter(
                     stream, new ByteArraySerializer(), EventWriterConfig.builder().build())) {
            switch (arguments[1]) {
                case "rate":
                    Rate.measure(writer, warmUp);
                    report = Rate.measure(writer, events);
                    break;
                case "lone":
                    Lone.measure(writer, warmUp);
                    report = Lone.measure(writer, events);
                    break;
                case "tail":
                    try (Tail tail = new Tail(config, scope, stream, factory)) {
                        tail.measure(writer, warmUp);
                        report = tail.measure(writer, events);
                    }
                    break;
                default:
                    throw new IllegalArgumentException("no measurement '" + arguments[1] + "'");
            }
        }
        System.out.println(report);
        System.exit(0);  // threads of the client would go on for a while
    }

    /** User and system time of this process. */
    static double cpuSeconds() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9;
    }
}
