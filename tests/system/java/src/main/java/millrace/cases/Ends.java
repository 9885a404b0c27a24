// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.stream.EventRead;
import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.Stream;
import java.nio.ByteBuffer;

/** Two streams in one group, one of them sealed and read to its end. */
final class Ends implements Case {
    @Override
    public void run(Cluster cluster, History history, int events) throws Exception {
        Stream sealed = cluster.create("sealed", 2);
        Stream open = cluster.create("open", 2);
        for (Stream stream : new Stream[] {sealed, open}) {
            try (Writer writer = new Writer(cluster, history, stream, "writer-" + stream.getStreamName())) {
                for (int i = 0; i < events; ++i) writer.write("key-" + i % 13, 50);
                writer.flush();
            }
        }
        Check.that(cluster.streams.sealStream(cluster.scope, "sealed"), "the stream is sealed");
        Check.fails(Exception.class, "writing to a sealed stream", () -> {
            try (Writer late = new Writer(cluster, history, sealed, "late")) {
                late.write("key", 10);
                late.flush();
            }
        });
        try (Group group = new Group(cluster, history, "both", ReaderGroupConfig.builder().stream(sealed).stream(open).build());
             Group.Reader reader = group.new Reader("both-1")) {
            reader.readUntil(2L * events);
            history.readToEnd("group", group.name, Cluster.nameOf(sealed));
            history.readToEnd("group", group.name, Cluster.nameOf(open));
        }
        // Alone, its end is told; at a checkpoint.
        try (Group group = new Group(cluster, history, "alone",
                ReaderGroupConfig.builder().stream(sealed).automaticCheckpointIntervalMillis(1000).build());
             Group.Reader reader = group.new Reader("alone-1")) {
            EventRead<ByteBuffer> next;
            do {
                next = reader.next();
            } while (!next.isReadCompleted());
            Check.equal((long) events, group.read(), "events of the sealed stream");
            history.readToEnd("group", group.name, Cluster.nameOf(sealed));
        }
    }
}
