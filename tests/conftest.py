"""Property tests go by what holds, not by how long one example takes: a busy machine fails none of them."""

from hypothesis import settings

settings.register_profile("panteras", deadline=None)
settings.load_profile("panteras")
