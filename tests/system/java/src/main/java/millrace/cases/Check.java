// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import java.util.Objects;

/** What must be so. */
final class Check {
    private Check() {}

    static void that(boolean holds, String what, Object... values) {
        if (!holds) throw new IllegalStateException("not so: " + String.format(what, values));
    }

    static void equal(Object expected, Object found, String what) {
        if (!Objects.equals(expected, found)) throw new IllegalStateException(what + ": " + found + " instead of " + expected);
    }

    interface Action {
        void run() throws Exception;
    }

    /** Returns what was thrown. */
    static <E extends Throwable> E fails(Class<E> kind, String what, Action action) {
        try {
            action.run();
        } catch (Throwable thrown) {
            for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
                if (kind.isInstance(cause)) return kind.cast(cause);
            }
            throw new IllegalStateException(what + ": failed otherwise", thrown);
        }
        throw new IllegalStateException(what + ": did not fail");
    }
}
