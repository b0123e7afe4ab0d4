"""What OpenSSH's client and a board's shell say when something fails → one sentence each.

It starts nothing. The texts are those of OpenSSH's sources; they are the same in every language.
"""

import re

from lepton_hw.errors import InputError, LeptonError, StageError

#: The exit code of ssh's own failures.
SSH_FAILED = 255
_LOST = (
    "the connection to {host} was lost", "a board that stays on and connected",
    "check power and cable, then run it again",
)  # fmt: skip
#: What ssh says, searched in this order → found, expected, remedy. `{host}` is as the user wrote
#: it, `{by_hand}` the command that logs in, `{1}` the pattern's first group.
_OF_SSH = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED(?:.*?Offending \S+ key in (\S+))?",
        "the host key of {host} is another one than was known{in 1}",
        "the key that was accepted before",
        "find out why (a newly written SD card makes new keys; somebody in between has another), "
        "and only then remove the old one with 'ssh-keygen -R' and log in once with '{by_hand}'",
    ),
    (
        r"REVOKED HOST KEY",
        "the host key of {host} is marked as revoked", "a key that is trusted",
        "find out why it was revoked, and do not connect until then",
    ),
    (
        r"No \S+ host key is known for|Host key verification failed",
        "the host key of {host} is not known", "a key that you have accepted once",
        "log in once by hand with '{by_hand}', compare the fingerprint that it shows with the "
        "board's own (on its console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), and "
        "answer yes",
    ),
    (
        r"UNPROTECTED PRIVATE KEY FILE|bad permissions",
        "ssh does not use a private key that others may read", "a key for its owner alone",
        "run 'chmod 600' on it",
    ),
    (
        r"Permission denied \(([^)]*)\)|Too many authentication failures",
        "{host} accepts none of your keys{of 1}",
        "a key that the board knows, in a file or an agent",
        "put your public key there once ('ssh-copy-id'), name the key's file, or add a key that "
        "has a passphrase to the agent ('ssh-add'); passwords are never used",
    ),
    (
        r"Could not resolve hostname",
        "the name {host} is not known to this network", "the board's name or address",
        "check its spelling, or use the address that the board's console shows ('ip addr')",
    ),
    (
        r"Connection refused",
        "{host} refuses the connection", "an SSH server on that port",
        "wait until the board has started, and check the port",
    ),
    (
        r"connect to host .*timed out|during banner exchange|No route to host|"
        r"Network is unreachable|Host is down",
        "{host} does not answer", "a board that is switched on and in this network",
        "check power, cable and address",
    ),
    (
        r"no matching (key exchange method|host key type|cipher|MAC)",
        "{host} and this ssh share no {1}", "one that both know", "update the board's image",
    ),
    (
        r"Bad configuration option|Can't open user config file|[Bb]ad (?:owner|configuration)|"
        r"terminating, \d+ bad configuration",
        "ssh does not accept its configuration file", "a file that 'ssh -G' reads",
        "correct it, or name another one",
    ),
    (
        r"kex_exchange_identification|Connection (?:closed|reset) by \S+ port \d+\s*$",
        "{host} ended the connection before the login", "an SSH server that lets this PC in",
        "wait until the board has started, and check the port",
    ),
    (
        r"Timeout, server .* not responding|client_loop|closed by remote host|Broken pipe|"
        r"Connection reset|Connection to .* (?:closed|timed out)",
        *_LOST,
    ),
)  # fmt: skip
#: What the board's shell and sudo say, for other exit codes.
_OF_BOARD = (
    (
        r"sudo: .*(?:password is required|terminal is required|askpass)",
        "on {host} the user may not become root without a password",
        "root, which programming the FPGA needs",
        "log in as root with a key, or allow this user sudo without a password on the board",
    ),
    (
        r"is not in the sudoers file|is not allowed to execute|may not run sudo",
        "on {host} the user may not become root", "root, which programming the FPGA needs",
        "log in as root with a key, or as a user who may use sudo",
    ),
    (
        r"sudo: (?:command )?not found|env: .{0,3}sudo.{0,3}: No such file",
        "{host} has no sudo", "root, which programming the FPGA needs",
        "log in as root with a key",
    ),
    (
        r"(python3|bash): (?:command )?not found",
        "{host} has no {1}", "a PYNQ image, or another Linux with {1}",
        "install it on the board, or check that this is the board",
    ),
)  # fmt: skip


def problem(host: str, by_hand: str, code: int, stderr: str) -> LeptonError | None:
    """The error behind an exit code and what was said, or None where the command itself failed.

    Args:
        host: as the user wrote it; by_hand: the command that logs in there.
        code: ssh's exit code, negative for the signal that ended it.
        stderr: what ssh and the command wrote there.
    """
    if code == 0:
        return None
    ssh_itself = code == SSH_FAILED or code < 0
    for pattern, found, expected, remedy in _OF_SSH if ssh_itself else _OF_BOARD:
        match = re.search(pattern, stderr, re.DOTALL | re.MULTILINE)
        if match is not None:
            first = plain(match[1]) if match.re.groups and match[1] else ""
            values = {
                "{host}": host, "{by_hand}": by_hand, "{1}": first,
                "{in 1}": f" in {first}" if first else "",
                "{of 1}": f" (it offers: {first})" if first else "",
            }  # fmt: skip
            kind = InputError if "configuration file" in found else StageError
            return kind(*(_filled(text, values) for text in (found, expected, remedy)))
    return _unknown(host, by_hand, code, stderr) if ssh_itself else None


def _unknown(host: str, by_hand: str, code: int, stderr: str) -> LeptonError:
    said = last_line(stderr) or (f"signal {-code}" if code < 0 else "")
    if not said:  # what ssh says of an end by the other side depends on the moment of it
        return StageError(*(_filled(text, {"{host}": host}) for text in _LOST))
    return StageError(
        f"ssh to {host} failed ({said})",
        "a connection",
        f"try '{by_hand}' by hand",
    )


def last_line(text: str) -> str:
    """The last line that says something, without a full stop."""
    lines = [plain(line) for line in text.splitlines()]
    return next((line.rstrip(".") for line in reversed(lines) if line), "")


def plain(text: str) -> str:
    """Text of another machine without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text
