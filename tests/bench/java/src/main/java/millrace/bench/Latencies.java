// SPDX-License-Identifier: Apache-2.0
package millrace.bench;

import java.util.Arrays;
import java.util.Locale;

/** So many times, added in nanoseconds and shown in microseconds. */
final class Latencies {
    private final long[] nanoseconds;
    private int count = 0;

    Latencies(int most) {
        nanoseconds = new long[most];
    }

    void add(long value) {
        nanoseconds[count++] = value;
    }

    private double at(double share) {
        return nanoseconds[Math.max(0, (int) Math.ceil(share * count) - 1)] / 1e3;
    }

    /** A JSON object. */
    @Override
    public String toString() {
        Arrays.sort(nanoseconds, 0, count);
        return String.format(Locale.ROOT, "{\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}", at(0.5), at(0.99), at(1));
    }
}
