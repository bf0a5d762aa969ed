"""The soak: real processes, checksummed traffic and random faults for half an hour; `make soak` runs all of it.

Two *cells*, each a gateway, three agents and three backends. In the *struck* one processes are killed, stopped and
frozen; those of the *steady* one live from the first second to the last, so that their memory and descriptors mean
something: only their links, their backends and their visitors break. `record` is what happened, `verdict` judges it.
"""
