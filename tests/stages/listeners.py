"""Listeners that remember what they are told, or stop a training as Ctrl-C does."""

from rescomp.stages.listener import Silent


class Told(Silent):
    """Of stages and warnings, in order."""

    def __init__(self):
        self.said = []

    def stage(self, title):
        self.said.append(title)

    def warning(self, text):
        self.said.append(f"warning: {text}")


class Warned(Silent):
    """Of warnings alone."""

    def __init__(self):
        self.warnings = []

    def warning(self, text):
        self.warnings.append(text)


class Interrupt(Silent):
    """Ctrl-C after that epoch."""

    def __init__(self, at=1):
        self.at = at

    def epoch(self, report):
        if report.epoch == self.at:
            raise KeyboardInterrupt
