// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.EventStreamClientFactory;
import io.pravega.client.stream.EventRead;
import io.pravega.client.stream.EventStreamReader;
import io.pravega.client.stream.ReaderConfig;
import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.Stream;
import io.pravega.client.stream.impl.ByteBufferSerializer;
import java.nio.ByteBuffer;

/** A group whose only reader is a process of its own and is killed, and the reader that comes after it. */
final class Heirs {
    private static final String GROUP = "heirs";
    private static final String DEAD = "dies";

    private Heirs() {}

    /** Writes, and inherits when its input ends: by then the other is dead. A line "running" tells that it may begin. */
    static final class Inherits implements Case {
        @Override
        public void run(Cluster cluster, History history, int events) throws Exception {
            Stream stream = cluster.create("left", 3);
            try (Writer writer = new Writer(cluster, history, stream, "writer")) {
                for (int i = 0; i < events; ++i) writer.write("key-" + i % 19, 100);
                writer.flush();
            }
            try (Group group = new Group(cluster, history, GROUP, ReaderGroupConfig.builder().stream(stream).groupRefreshTimeMillis(1000).build())) {
                System.out.println("running");
                while (System.in.read() >= 0) continue;
                Check.that(group.group.getOnlineReaders().contains(DEAD), "nobody has told the group of the death");
                history.readerCrash(DEAD);
                group.group.readerOffline(DEAD, null);
                try (Group.Reader heir = group.new Reader("heir")) {
                    while (group.unreadBytes(heir) > 0) continue;
                    Check.that(heir.own() >= events - events / 2, "%d events inherited", heir.own());
                }
                history.readToEnd("group", group.name, Cluster.nameOf(stream));
            }
            history.floor("acked", events);
        }
    }

    /** Reads a half, says so in a line "read", and waits with its segments for whoever kills it. */
    static final class Dies implements Case {
        @Override
        public void run(Cluster cluster, History history, int events) throws Exception {
            history.reader(DEAD, GROUP);
            try (var factory = EventStreamClientFactory.withScope("java-inherits", cluster.config);
                 EventStreamReader<ByteBuffer> reader =
                         factory.createReader(DEAD, GROUP, new ByteBufferSerializer(), ReaderConfig.builder().build())) {
                for (int left = events / 2; left > 0;) {
                    EventRead<ByteBuffer> next = reader.readNextEvent(Group.WAIT_MS);
                    if (next.isCheckpoint()) history.checkpoint(DEAD, next.getCheckpointName());
                    if (next.getEvent() == null) continue;
                    Place place = Place.of(next.getEventPointer());
                    history.read(DEAD, Cluster.nameOf(place.segment().getStream()), place.segment().getSegmentId(), place.offset(),
                            Event.parse(next.getEvent()));
                    --left;
                }
                history.flush();
                System.out.println("read");
                while (System.in.read() >= 0) continue;
            }
        }
    }
}
