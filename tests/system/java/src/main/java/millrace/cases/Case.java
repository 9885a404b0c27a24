// SPDX-License-Identifier: Apache-2.0
package millrace.cases;

/** One run against a server. What it throws is what is wrong; the rest is for the history's checker to judge. */
interface Case {
    /** `events`: about how many to write. */
    void run(Cluster cluster, History history, int events) throws Exception;
}
