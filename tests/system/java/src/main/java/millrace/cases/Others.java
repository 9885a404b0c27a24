// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.stream.EventStreamReader;
import io.pravega.client.stream.EventStreamWriter;
import io.pravega.client.stream.EventWriterConfig;
import io.pravega.client.stream.ReaderConfig;
import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.impl.UTF8StringSerializer;
import java.io.BufferedReader;
import java.io.InputStreamReader;

/** Lines that another client writes or reads: "KEY TEXT", in the scope "interop", which is there. */
final class Others {
    private static final String SCOPE = "interop";

    private Others() {}

    /** The lines of its input become events. */
    static final class Writes implements Case {
        @Override
        public void run(Cluster cluster, History history, int events) throws Exception {
            BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
            try (var factory = io.pravega.client.EventStreamClientFactory.withScope(SCOPE, cluster.config);
                 EventStreamWriter<String> writer = factory.createEventWriter(
                         "from-java", new UTF8StringSerializer(), EventWriterConfig.builder().build())) {
                for (String line; (line = lines.readLine()) != null;) writer.writeEvent(line.substring(0, line.indexOf(' ')), line);
                writer.flush();
            }
        }
    }

    /** So many events of the stream become lines of its output, with their segments before them. */
    static final class Reads implements Case {
        @Override
        public void run(Cluster cluster, History history, int events) throws Exception {
            try (var factory = io.pravega.client.EventStreamClientFactory.withScope(SCOPE, cluster.config);
                 var groups = io.pravega.client.admin.ReaderGroupManager.withScope(SCOPE, cluster.config)) {
                groups.createReaderGroup("java", ReaderGroupConfig.builder().stream(Stream.of(SCOPE, "to-java")).build());
                try (EventStreamReader<String> reader =
                        factory.createReader("java", "java", new UTF8StringSerializer(), ReaderConfig.builder().build())) {
                    for (int left = events; left > 0;) {
                        var next = reader.readNextEvent(Group.WAIT_MS);
                        if (next.getEvent() == null) continue;
                        System.out.println(Place.of(next.getEventPointer()).segment().getSegmentId() + " " + next.getEvent());
                        --left;
                    }
                }
            }
        }
    }
}
