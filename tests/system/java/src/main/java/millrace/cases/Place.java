// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.segment.impl.Segment;
import io.pravega.client.stream.EventPointer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Where an event lies: what its pointer says of itself as text, since it says it in no other way. */
record Place(Segment segment, long offset) {
    private static final Pattern TEXT = Pattern.compile("(.+):(\\d+)-(\\d+)");

    static Place of(EventPointer pointer) {
        Matcher matcher = TEXT.matcher(pointer.toString());
        Check.that(matcher.matches(), "'%s' is a place", pointer);
        return new Place(Segment.fromScopedName(matcher.group(1)), Long.parseLong(matcher.group(2)));
    }
}
