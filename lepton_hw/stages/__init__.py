"""The stages: one file per arrow of the flow. Their order is `lepton_hw.pipeline`'s."""
