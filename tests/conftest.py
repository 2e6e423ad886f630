"""What all tests stand on, however they were started.

Property tests go by what holds, not by how long one example takes: a busy machine fails none of them. And a shell that
starts a job in the background has it ignore Ctrl-C, which every program that a test starts would inherit.
"""

import signal

from hypothesis import settings

settings.register_profile("panteras", deadline=None)
settings.load_profile("panteras")
signal.signal(signal.SIGINT, signal.default_int_handler)
