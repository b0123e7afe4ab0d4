"""How fast, and with how much energy: statistics of repeated calls, power traces, models.

Figures only; what is compared with what is the bench stage's to decide. Nothing here invents a
figure: where a sensor is absent or has a gap, it says so.
"""
