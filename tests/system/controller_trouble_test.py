# SPDX-License-Identifier: Apache-2.0
"""What the command line says when there is no controller, another one, or something else at its address."""

import socket
import unittest

from harness import SystemTest, run, wait_for
from strange_controllers import DiesInACall, Mute, OtherVersion, Web

HOW_TO_GO_ON = "'millrace standalone --data-dir DIR' starts a server"


class ControllerTroubleTest(SystemTest):
    def strange(self, controller):
        self.addCleanup(controller.close)
        return controller.address

    def commands_fail(self, address, *parts):
        for command in (["scope", "list"], ["scope", "create", "s"], ["stream", "describe", "s/t"], ["read", "s/t"], ["write", "s/t"]):
            self.refused(run(*command, "--controller", address, "--timeout", "1"), 1, address, *parts)

    def test_closed_port(self):
        with socket.socket() as taken:  # bound, never listening: nobody else gets this port
            taken.bind(("127.0.0.1", 0))
            self.commands_fail("127.0.0.1:%d" % taken.getsockname()[1], "nothing listens at", HOW_TO_GO_ON)

    def test_name_that_nobody_knows(self):
        self.commands_fail("no-such-machine.invalid:9090", "the name in no-such-machine.invalid:9090 is not known", HOW_TO_GO_ON)

    def test_web_server(self):
        self.commands_fail(self.strange(Web()), "does not speak gRPC", HOW_TO_GO_ON)

    def test_our_own_other_ports(self):
        server = self.server()
        self.commands_fail(server.http, "does not speak gRPC")
        self.commands_fail(server.segmentstore, "is it another port?")

    def test_port_that_says_nothing(self):
        address = self.strange(Mute())
        self.commands_fail(address, HOW_TO_GO_ON)
        # Whose patience is longer than the library's learns more.
        self.refused(run("scope", "list", "--controller", address, "--timeout", "5"), 1, address, "takes connections and says nothing")

    def test_another_version(self):
        self.commands_fail(self.strange(OtherVersion()), "does not offer", "of a version that fits")

    def test_death_in_the_middle_of_a_call(self):
        server = self.server()
        address = self.strange(DiesInACall(server.controller))
        result = run("scope", "create", "s", "--controller", address, "--timeout", "1")
        self.refused(result, 1, address, "it may have been carried out all the same")
        # It was, or will be.
        wait_for(lambda: self.done(run("scope", "list", controller=server.controller)).out == b"s\n", "the scope is there")
        # Of what changes nothing that is not said.
        address = self.strange(DiesInACall(server.controller))
        result = run("scope", "list", "--controller", address, "--timeout", "1")
        self.refused(result, 1, address)
        self.assertNotIn("carried out", result.err)


if __name__ == "__main__":
    unittest.main()
