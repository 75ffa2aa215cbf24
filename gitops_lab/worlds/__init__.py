"""One world, on three backends: virtual (simulated time), live (the clock on the wall), and real.

A world is one Git server and several arms that deploy from it. A program that uses a world does
not ask which backend it is: the same calls commit, edit past Git, stop deployers, let time pass and
report.
"""
