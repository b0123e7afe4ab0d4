"""The few kinds of error that a user can meet.

Every one is a single sentence built from what was found, what was expected and what to do,
so that no caller can forget one of the three.
"""

#: Characters of one part of a sentence: a list of names is shorter, a file's content is not.
MOST = 800


def one_line(text: str, most: int = MOST) -> str:
    """The text as one line that a terminal may be given: without control characters, not too long.

    A model, a flow or a board may hold anything, such as what moves the cursor or a line that looks
    like one of ours.
    """
    if len(text) > most:
        half = (most - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    return character if character.isprintable() else "\ufffd"


class LeptonError(Exception):
    """A failure that the user can act on; printed as one sentence, never as a traceback.

    Args:
        found: what was found, with the value (``"flow.toml: key 'bits' is 17"``).
        expected: what would have been right (``"an integer from 1 to 8"``).
        remedy: what to do now, as an imperative (``"lower model.weight_bits"``).
    """

    exit_code = 1

    def __init__(self, found: str, expected: str, remedy: str) -> None:
        self.found, self.expected, self.remedy = map(one_line, (found, expected, remedy))
        super().__init__(f"{self.found}; expected {self.expected}; {self.remedy}.")


class InputError(LeptonError):
    """Something the user wrote or passed is wrong: a flow, a board, a model, an image."""


class StageError(LeptonError):
    """A stage ran and could not finish: the compiler refused a layer, a design does not fit."""


class Mismatch(LeptonError):
    """Two executors that must agree on every integer do not."""


class MissingTool(LeptonError):
    """A program or package that this step needs is absent or has the wrong version."""

    exit_code = 2
