"""When recorded messages are due, whatever the times at which they were recorded."""

from __future__ import annotations

__all__ = ['Pace', 'length_text']

# Nobody records for a year: some messages were recorded before the clock was set.
_LONGEST_RECORDING_S = 366 * 24 * 3600.0


class Pace:
    """When each message of a recording is due, from the times at which they were recorded.

    Those times may be wrong: 0 before a clock was set, or going back when it was. So what counts
    is the step from one message to the next, never below 0 nor above `longest_gap_s`.

    Attributes:
        position_s: How far into the recording the play is, in seconds; cut gaps do not count.
    """

    def __init__(self, longest_gap_s: float) -> None:
        """Begin before the first message.

        Args:
            longest_gap_s: Longest step.
        """
        self.position_s = 0.0
        self._longest_gap_s = longest_gap_s
        self._last_ns: int | None = None

    def advance(self, stamp_ns: int) -> str:
        """Go on to the next message.

        Args:
            stamp_ns: When it was recorded.

        Returns:
            What is wrong with the step, '' if it is taken as recorded.
        """
        step_s = 0.0 if self._last_ns is None else (stamp_ns - self._last_ns) / 1e9
        self._last_ns = stamp_ns
        self.position_s += min(max(0.0, step_s), self._longest_gap_s)
        if step_s < 0:
            return f'times go back by {-step_s:.3f} s: played without a pause'
        if step_s > self._longest_gap_s:
            return (
                f'no message for {step_s:.1f} s: played after {self._longest_gap_s:g} s '
                '(--longest-gap)'
            )
        return ''


def length_text(duration_s: float) -> str:
    """Return how long a recording is, if its times make sense.

    Args:
        duration_s: Seconds between its first and its last message.
    """
    if duration_s < _LONGEST_RECORDING_S:
        return f'{duration_s:.1f} s'
    return 'an unknown time (its first and last message lie years apart)'
