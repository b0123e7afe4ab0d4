"""Variations of a flow, built side by side and compared; one page of it is `lepton_hw.sweep.run`.

The order of the points is Optuna's queue; how a point is built is the pipeline's affair.
"""
