"""Why a name does not work, and what to do. Looks at what others know, and is never in the way of an answer."""
