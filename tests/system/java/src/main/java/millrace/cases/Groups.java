// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.stream.ReaderGroupConfig;
import io.pravega.client.stream.Stream;

/** Groups of one, two and five readers; readers that join, leave and die while events come. */
final class Groups implements Case {
    @Override
    public void run(Cluster cluster, History history, int events) throws Exception {
        Stream stream = cluster.create("shared", 5);
        String name = Cluster.nameOf(stream);
        try (Writer writer = new Writer(cluster, history, stream, "writer")) {
            for (int i = 0; i < events; ++i) writer.write("key-" + i % 97, 100 + i % 500);
            writer.flush();
        }
        for (int readers : new int[] {1, 2, 5}) {
            try (Group group = new Group(cluster, history, "of-" + readers, ReaderGroupConfig.builder().stream(stream).build())) {
                group.readUntil("of-" + readers + "-", readers, events);
                history.readToEnd("group", group.name, name);
                Check.equal(0, group.group.getOnlineReaders().size(), "readers online after all are closed");
            }
        }

        // One reads a part, a second joins, the first leaves, a third comes for one that dies.
        try (Group group = new Group(cluster, history, "changing",
                ReaderGroupConfig.builder().stream(stream).groupRefreshTimeMillis(1000).build())) {
            Group.Reader first = group.new Reader("first");
            first.readUntil(events / 5);
            Group.Reader second = group.new Reader("second");
            long until = group.read() + events / 5;
            while (group.read() < until) {
                first.next();
                second.next();
            }
            first.close();
            Group.Reader dies = group.new Reader("dies");
            until = group.read() + events / 5;
            while (group.read() < until) {
                second.next();
                dies.next();
            }
            // It is not closed; somebody who knows says where it was.
            history.readerCrash(dies.id);
            group.group.readerOffline(dies.id, dies.position);
            second.readUntil(events);
            Check.equal(0L, group.unreadBytes(second), "unread bytes at the end");
            second.close();
            history.readToEnd("group", group.name, name);
        }
        history.floor("acked", events);
    }
}
