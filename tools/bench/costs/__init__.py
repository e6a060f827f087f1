"""What a power of flowload costs beside the same run without it: lanes, devices, processes, maps, states.

One module a command of `python tools/bench`.
"""
