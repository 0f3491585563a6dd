"""A process that stays behind with everything loaded, and does later calls of the command line in forks of itself.

Off unless asked for: TORCHFX_WARM=SECONDS or `torchfx warm start`. The way of a call:

    place.py    where a warm process for this user, program and environment listens
    client.py   `call`: hands the call over, passes signals on, gives its exit code back
    server.py   accepts calls, forks for each, tells how each ended
    caller.py   what a call takes from the process that asked: folder, environment, descriptors, limits, signals

client and place are loaded at each start of the program, before anything else, and import next to nothing.
"""
