// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** An event that says who wrote it, and whose bytes follow from that: "WRITER KEY SEQ " and a filler of any size. */
record Event(String writer, String key, long seq, byte[] bytes) {
    private static final Pattern HEAD = Pattern.compile("(\\S+) (\\S+) (\\d+) ");
    private static final int HEAD_MAX = 256;

    /** Large enough for what an event says of itself. */
    static final int SELF_EVIDENT = 64;

    /** At least as large as what it says of itself. */
    static Event of(String writer, String key, long seq, int size) {
        byte[] head = (writer + " " + key + " " + seq + " ").getBytes(StandardCharsets.US_ASCII);
        byte[] bytes = new byte[Math.max(size, head.length)];
        new Random(seq * 31 + key.hashCode()).nextBytes(bytes);
        System.arraycopy(head, 0, bytes, 0, head.length);
        return new Event(writer, key, seq, bytes);
    }

    /** Of any size from 1 byte on: says nothing of itself, so that whoever reads it must know it by its place. */
    static Event bare(String writer, String key, long seq, int size) {
        byte[] bytes = new byte[size];
        new Random(seq).nextBytes(bytes);
        return new Event(writer, key, seq, bytes);
    }

    static Event parse(ByteBuffer buffer) {
        byte[] bytes = bytesOf(buffer);
        String head = new String(bytes, 0, Math.min(bytes.length, HEAD_MAX), StandardCharsets.ISO_8859_1);
        Matcher matcher = HEAD.matcher(head);
        if (!matcher.lookingAt()) throw new IllegalStateException("an event that nobody wrote: " + head);
        return new Event(matcher.group(1), matcher.group(2), Long.parseLong(matcher.group(3)), bytes);
    }

    static byte[] bytesOf(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes;
    }

    ByteBuffer buffer() {
        return ByteBuffer.wrap(bytes);
    }

    /** FNV-1a, 64 bits; as the C++ side of a history may compute it too. */
    long hash() {
        long hash = 0xcbf29ce484222325L;
        for (byte b : bytes) hash = (hash ^ (b & 0xff)) * 0x100000001b3L;
        return hash;
    }
}
