// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

import io.pravega.client.segment.impl.Segment;
import io.pravega.client.state.Revision;
import io.pravega.client.stream.EventPointer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A place in a segment: what an event's pointer or a revision says of itself as text, since it says it in no other way. */
record Place(Segment segment, long offset) {
    private static final Pattern TEXT = Pattern.compile("(.+):(\\d+)[-:](\\d+)");

    /** Where the event begins. */
    static Place of(EventPointer pointer) {
        return of(pointer.toString());
    }

    /** Where the next event begins. */
    static Place of(Revision revision) {
        return of(revision.toString());
    }

    private static Place of(String text) {
        Matcher matcher = TEXT.matcher(text);
        Check.that(matcher.matches(), "'%s' is a place", text);
        return new Place(Segment.fromScopedName(matcher.group(1)), Long.parseLong(matcher.group(2)));
    }
}
