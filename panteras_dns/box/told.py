"""What the log was told: a state once, until it is over; a line once, until many others came."""

from twisted.logger import Logger

MOST = 1000  # lines that are remembered; the oldest may then be said again


class Told:
    def __init__(self, log: Logger) -> None:
        self._log = log
        self._trouble: dict[str, str] = {}
        self._lines: dict[str, None] = {}

    def trouble(self, topic: str, line: str) -> None:
        """Something does not work; said again only when the line is another."""
        if self._trouble.get(topic) != line:
            self._trouble[topic] = line
            self._log.warn("{line}", line=line)

    def over(self, topic: str, line: str) -> None:
        """It works again; said only if it did not."""
        if self._trouble.pop(topic, None) is not None:
            self._log.info("{line}", line=line)

    def once(self, line: str) -> None:
        if line not in self._lines:
            self._lines[line] = None
            if len(self._lines) > MOST:
                del self._lines[next(iter(self._lines))]
            self._log.warn("{line}", line=line)
