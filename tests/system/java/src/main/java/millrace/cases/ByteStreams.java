// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.ByteStreamClientFactory;
import io.pravega.client.byteStream.ByteStreamReader;
import io.pravega.client.byteStream.ByteStreamWriter;
import io.pravega.client.stream.Stream;
import java.io.IOException;
import java.util.Arrays;
import java.util.Random;

/** Bytes without events: written, sought, truncated, sealed. In the history each piece that is written is an event. */
final class ByteStreams implements Case {
    private static final int PIECE = 99_991;

    @Override
    public void run(Cluster cluster, History history, int events) throws Exception {
        String name = Cluster.nameOf(cluster.create("bytes", 1));
        long segment = cluster.segments(Stream.of(name)).get(0);
        byte[] bytes = new byte[Math.max(1 << 20, events * 100)];
        new Random(5).nextBytes(bytes);
        try (ByteStreamClientFactory factory = ByteStreamClientFactory.withScope(cluster.scope, cluster.config)) {
            try (ByteStreamWriter writer = factory.createByteStreamWriter("bytes")) {
                for (int at = 0; at < bytes.length; at += PIECE) writer.write(bytes, at, Math.min(PIECE, bytes.length - at));
                writer.flush();
                for (int at = 0; at < bytes.length; at += PIECE) history.write(name, piece(bytes, at), "acked");
                Check.equal((long) bytes.length, writer.fetchTailOffset(), "tail");
            }
            try (ByteStreamReader reader = factory.createByteStreamReader("bytes")) {
                history.reader("reader", null);
                for (int at = 0; at < bytes.length; at += PIECE) {
                    Event expected = piece(bytes, at);
                    byte[] got = read(reader, expected.bytes().length);
                    history.read("reader", name, segment, at, new Event(expected.writer(), expected.key(), expected.seq(), got));
                }
                history.readToEnd("reader", "reader", name);
                reader.seekToOffset(12_345);
                Check.that(Arrays.equals(Arrays.copyOfRange(bytes, 12_345, 22_345), read(reader, 10_000)), "from the middle");
                Check.equal(22_345L, reader.getOffset(), "offset");
            }
            try (ByteStreamWriter writer = factory.createByteStreamWriter("bytes")) {
                writer.truncateDataBefore(1000);
                try (ByteStreamReader reader = factory.createByteStreamReader("bytes")) {
                    Check.equal(1000L, reader.fetchHeadOffset(), "head after truncation");
                }
                writer.closeAndSeal();
            }
            try (ByteStreamReader reader = factory.createByteStreamReader("bytes")) {
                reader.seekToOffset(bytes.length - 10);
                Check.equal(10, reader.readAllBytes().length, "bytes up to the end of a sealed stream");
            }
        }
    }

    private static Event piece(byte[] bytes, int at) {
        return new Event("writer", "bytes", at / PIECE + 1, Arrays.copyOfRange(bytes, at, Math.min(at + PIECE, bytes.length)));
    }

    /** Not readNBytes(): at its end that asks for no bytes, and this client waits for some. */
    private static byte[] read(ByteStreamReader reader, int count) throws IOException {
        byte[] bytes = new byte[count];
        for (int at = 0; at < count;) {
            int got = reader.read(bytes, at, count - at);
            Check.that(got > 0, "%d bytes are there", count);
            at += got;
        }
        return bytes;
    }
}
